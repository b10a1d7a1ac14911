"""What officers' actions read and write, under the locks of the partitions they touch."""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from services.payments.domain.day import Day
from services.payments.domain.life import IN_FLIGHT, State
from services.payments.domain.officer import Budget, Resolution
from services.payments.domain.refund import PROGRAMMES
from services.payments.store import clerking
from shared.streaming.postgres_store import Connection

# An officer's answer for the bank, as the audit trail names it.
RESOLVED: dict[Resolution, str] = {"settled": "payment_settled", "rejected": "payment_rejected"}


class PaymentFound(NamedTuple):
    """`partition` is the enterprise's; `said`: what an officer has answered for the bank."""

    state: State
    partition: int
    said: Resolution | None


class WithBank(NamedTuple):
    """Payments that were given to the bank and not answered for."""

    payments: int
    total_fen: int


async def set_frozen(db: Connection, batch_id: str, frozen: bool) -> None:
    await db.execute("UPDATE batch SET frozen = %s WHERE batch_id = %s", (frozen, batch_id))


async def partitions_of_enterprise(db: Connection, uscc: str) -> list[int]:
    rows = await (await db.execute("SELECT DISTINCT partition FROM refund WHERE uscc = %s", (uscc,))).fetchall()
    return [number for (number,) in rows]


async def keep_frozen(db: Connection, scope: str, subject: str, officer: str, reason: str) -> bool:
    """Whether it is news."""
    return (await db.execute(_KEEP_FROZEN, (scope, subject, officer, reason))).rowcount == 1


async def drop_frozen(db: Connection, scope: str, subject: str) -> bool:
    """Whether it was frozen."""
    return (await db.execute("DELETE FROM frozen WHERE scope = %s AND subject = %s", (scope, subject))).rowcount == 1


async def payments_of_enterprise(db: Connection, uscc: str) -> list[tuple[str, State, str | None]]:
    """(payment id, state, batch id) of those that are not over, by id."""
    return await (await db.execute(_PAYMENTS, (uscc,))).fetchall()


async def hold_frozen(db: Connection, payments: Sequence[str]) -> None:
    """Out of their batches, held; the tables take them off what the batches declare and the budget reserves."""
    if payments:
        await db.execute(_HOLD, (list(payments),))


async def release_held(db: Connection, uscc: str | None, after: str, limit: int) -> list[str]:
    """Payments, of one enterprise or of all, that nothing freezes any more, authorised again; their ids, the first
    `limit` after `after`, in no order.
    """
    frozen = (await clerking.frozen(db))["programme"]
    measures = [measure for measure, programme in PROGRAMMES.items() if programme not in frozen]
    wanted = {"uscc": uscc, "measures": measures, "after": after, "limit": limit}
    return [payment_id for (payment_id,) in await (await db.execute(_RELEASE, wanted)).fetchall()]


async def with_bank(db: Connection, uscc: str | None, programme: str | None) -> WithBank:
    """Of one enterprise, or of one programme."""
    measures = [measure for measure, of in PROGRAMMES.items() if of == programme]
    row = await (
        await db.execute(_WITH_BANK, {"states": sorted(IN_FLIGHT), "uscc": uscc, "measures": measures})
    ).fetchone()
    assert row is not None
    return WithBank(*row)


async def load_budget(db: Connection, programme: str) -> Budget | None:
    """Locked."""
    row = await (await db.execute(_BUDGET, (programme,))).fetchone()
    return None if row is None else Budget(*row)


async def save_budget(db: Connection, programme: str, total_fen: int) -> None:
    await db.execute(_SAVE_BUDGET, (programme, total_fen))


async def find_payment(db: Connection, payment_id: str) -> PaymentFound | None:
    row = await (await db.execute(_PAYMENT, {"payment_id": payment_id, "kinds": list(RESOLVED.values())})).fetchone()
    if row is None:
        return None
    state, partition, kind = row
    return PaymentFound(state, partition, next((word for word, named in RESOLVED.items() if named == kind), None))


async def day_of(db: Connection, partition: int) -> Day | None:
    row = await (await db.execute("SELECT date FROM day WHERE partition = %s", (partition,))).fetchone()
    return None if row is None else Day(row[0])


_KEEP_FROZEN: LiteralString = """
    INSERT INTO frozen (scope, subject, officer, reason) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_PAYMENTS: LiteralString = """
    SELECT payment_id, state, batch_id FROM payment WHERE uscc = %s AND state NOT IN ('settled', 'cancelled')
    ORDER BY payment_id"""
_HOLD: LiteralString = """
    UPDATE payment SET state = 'held', held_for = 'frozen', batch_id = NULL WHERE payment_id = ANY(%s::text[])"""
_RELEASE: LiteralString = """
    UPDATE payment SET state = 'authorised', held_for = NULL WHERE payment_id IN (
      SELECT p.payment_id FROM payment p
      WHERE p.state = 'held' AND p.held_for = 'frozen' AND p.payment_id > %(after)s
        AND (%(uscc)s::text IS NULL OR p.uscc = %(uscc)s) AND p.measure = ANY(%(measures)s::text[])
        AND NOT EXISTS (SELECT FROM frozen f WHERE f.scope = 'enterprise' AND f.subject = p.uscc)
      ORDER BY p.payment_id LIMIT %(limit)s)
    RETURNING payment_id"""
_WITH_BANK: LiteralString = """
    SELECT count(*), coalesce(sum(amount_fen), 0)::bigint FROM payment
    WHERE state = ANY(%(states)s::text[]) AND (uscc = %(uscc)s OR measure = ANY(%(measures)s::text[]))"""
_BUDGET: LiteralString = "SELECT total_fen, reserved_fen, spent_fen FROM budget WHERE programme = %s FOR UPDATE"
_SAVE_BUDGET: LiteralString = """
    INSERT INTO budget (programme, total_fen) VALUES (%s, %s)
    ON CONFLICT (programme) DO UPDATE SET total_fen = EXCLUDED.total_fen"""
_PAYMENT: LiteralString = """
    SELECT p.state, r.partition,
      (SELECT a.kind FROM action a WHERE a.subject = p.payment_id AND a.kind = ANY(%(kinds)s::text[]) LIMIT 1)
    FROM payment p JOIN refund r USING (uscc, measure, key) WHERE p.payment_id = %(payment_id)s"""
