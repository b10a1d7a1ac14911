"""What the clerk reads and writes: the day's candidates, batches, submissions, silence."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import LiteralString, NamedTuple

from services.payments.domain.batch import Candidate, Made
from services.payments.domain.refund import PROGRAMMES, Key, Reason
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


class Sealed(NamedTuple):
    """A payee that was not opened yet."""

    payment_id: str
    uscc: str
    amount_fen: int
    payee_digest: str
    payee_sealed: str


class Opened(NamedTuple):
    """`bank` and `stored` are None where the sealed payee does not open."""

    payment_id: str
    payee_digest: str
    bank: str | None
    stored: str | None


class Going(NamedTuple):
    """A payment that goes to the bank now, with the partition of its enterprise and the day booked there."""

    payment_id: str
    key: Key
    number: int
    amount_fen: int
    prefecture: str
    decision_id: str
    payee_digest: str
    partition: int
    booked_on: date


async def started_day(db: Connection, partitions: int) -> date | None:
    """The last day that has started in every partition; None where one has not seen any."""
    row = await (await db.execute("SELECT count(*), min(date) FROM day")).fetchone()
    return row[1] if row is not None and row[0] >= partitions else None


async def worked_day(db: Connection) -> date | None:
    row = await (await db.execute("SELECT day FROM clerk")).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


async def finish_day(db: Connection, day: date) -> None:
    await db.execute("UPDATE clerk SET day = %s", (day,))


async def record_action(db: Connection, kind: str, subject: str, officer: str, reason: str, at: datetime) -> int:
    """Keep who did what; its number, in the order of the commits, is the offset of what is told because of it."""
    row = await (await db.execute("UPDATE action_counter SET next = next + 1 RETURNING next - 1")).fetchone()
    if row is None:
        raise Stop("Table action_counter of payments is empty; run the migrations again.")
    await db.execute(_ACTION, (row[0], kind, subject, officer, reason, at))
    return int(row[0])


async def unopened(db: Connection, limit: int) -> list[Sealed]:
    return [Sealed(*row) for row in await (await db.execute(_UNOPENED, (limit,))).fetchall()]


async def keep_opened(db: Connection, opened: Iterable[Opened]) -> None:
    columns = [list(column) for column in zip(*opened, strict=True)]
    if columns:
        await db.execute(_KEEP_OPENED, columns)


async def candidates(db: Connection, after: str, limit: int) -> list[Candidate]:
    """Payments that wait, by id, with the payee as it is now; one whose payee is not opened yet is left for later."""
    rows = await (await db.execute(_CANDIDATES, (after, limit))).fetchall()
    return [Candidate(payment_id, uscc, PROGRAMMES[measure], *rest) for payment_id, uscc, measure, *rest in rows]


async def free_budgets(db: Connection) -> dict[str, int]:
    rows = await (await db.execute("SELECT programme, total_fen - reserved_fen - spent_fen FROM budget")).fetchall()
    return dict(rows)


async def frozen(db: Connection) -> dict[str, frozenset[str]]:
    """What waits, by scope: enterprise and programme."""
    rows = await (await db.execute("SELECT scope, subject FROM frozen")).fetchall()
    return {scope: frozenset(subject for one, subject in rows if one == scope) for scope in ("enterprise", "programme")}


async def next_numbers(db: Connection, day: date) -> dict[tuple[str, str], int]:
    rows = await (await db.execute(_NEXT_NUMBERS, (day,))).fetchall()
    return {(programme, bank): number for programme, bank, number in rows}


async def hold(db: Connection, held: Sequence[tuple[str, Reason]]) -> None:
    """Payments wait, each for its reason; those held already only change the reason."""
    if held:
        await db.execute(_HOLD, [list(column) for column in zip(*held, strict=True)])


async def make_batches(db: Connection, made: Sequence[Made], day: date, prepared_by: str) -> None:
    """The batches are declared empty, and the payments that join them make up count and total (see the migration)."""
    if not made:
        return
    await db.execute(
        _MAKE,
        (
            day,
            prepared_by,
            *([list(column) for column in zip(*(one[:4] for one in made), strict=True)]),
        ),
    )
    joining = [(payment, one.batch_id) for one in made for payment in one.payment_ids]
    payments, batches = (list(column) for column in zip(*joining, strict=True))
    # Held ones are released on the way: the table of transitions has no step from held into a batch.
    await db.execute(_RELEASE, (payments,))
    await db.execute(_JOIN, (payments, batches))


async def fall_silent(db: Connection, submitted_until: date) -> int:
    """Payments submitted up to a day and not answered for are unknown from now on; how many."""
    return (await db.execute(_SILENT, (submitted_until,))).rowcount


async def ready_batches(db: Connection) -> list[str]:
    """Approved, not empty, and nothing that freezes them."""
    return [batch for (batch,) in await (await db.execute(_READY)).fetchall()]


async def going(db: Connection, batch_id: str) -> list[Going]:
    """The payments of an approved batch. Raises Stop where they are not what was approved."""
    rows = await (await db.execute(_GOING, (batch_id,))).fetchall()
    for payment_id, *_, amount_fen, _, _, digest, _, _, approved_fen, approved_digest in rows:
        if (amount_fen, digest) != (approved_fen, approved_digest):
            raise Stop(f"Payment {payment_id} of batch {batch_id} is not what was approved; nothing of it may be paid.")
    return [Going(row[0], Key(*row[1:4]), *row[4:-2]) for row in rows]


async def submit(db: Connection, batch_id: str, day: date, message_sha256: bytes) -> None:
    await db.execute(
        "UPDATE payment SET state = 'submitted', submitted_on = %s WHERE batch_id = %s AND state = 'approved'",
        (day, batch_id),
    )
    await db.execute(
        "UPDATE batch SET state = 'submitted', message_sha256 = %s WHERE batch_id = %s", (message_sha256, batch_id)
    )


_ACTION: LiteralString = """
    INSERT INTO action (seq, kind, subject, officer, reason, at) VALUES (%s, %s, %s, %s, %s, %s)"""
_UNOPENED: LiteralString = """
    SELECT p.payment_id, p.uscc, p.amount_fen, r.payee_digest, r.payee_sealed
    FROM payment p JOIN refund r USING (uscc, measure, key)
    WHERE p.state IN ('authorised', 'held') AND r.payee_sealed IS NOT NULL AND r.payee_digest IS NOT NULL
      AND NOT EXISTS (SELECT FROM payee a WHERE a.payment_id = p.payment_id AND a.payee_digest = r.payee_digest)
    ORDER BY p.payment_id LIMIT %s"""
_KEEP_OPENED: LiteralString = """
    INSERT INTO payee (payment_id, payee_digest, bank, stored)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING"""
_CANDIDATES: LiteralString = """
    SELECT p.payment_id, p.uscc, p.measure, p.amount_fen, p.payee_digest, a.bank, p.held_for
    FROM payment p LEFT JOIN payee a ON a.payment_id = p.payment_id AND a.payee_digest = p.payee_digest
    WHERE p.state IN ('authorised', 'held') AND p.payment_id > %s
      AND (p.payee_digest IS NULL OR a.payment_id IS NOT NULL)
    ORDER BY p.payment_id LIMIT %s"""
_NEXT_NUMBERS: LiteralString = "SELECT programme, bank, max(number) + 1 FROM batch WHERE day = %s GROUP BY 1, 2"
_HOLD: LiteralString = """
    UPDATE payment SET state = 'held', held_for = wanted.reason
    FROM unnest(%s::text[], %s::text[]) AS wanted (payment_id, reason)
    WHERE payment.payment_id = wanted.payment_id AND held_for IS DISTINCT FROM wanted.reason"""
_MAKE: LiteralString = """
    INSERT INTO batch (batch_id, programme, bank, day, number, state, count, total_fen, version, prepared_by)
    SELECT batch_id, programme, bank, %s, number, 'prepared', 0, 0, 1, %s
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[]) AS made (batch_id, programme, bank, number)"""
_RELEASE: LiteralString = """
    UPDATE payment SET state = 'authorised', held_for = NULL WHERE payment_id = ANY(%s::text[]) AND state = 'held'"""
_JOIN: LiteralString = """
    UPDATE payment SET state = 'batched', batch_id = joining.batch_id
    FROM unnest(%s::text[], %s::text[]) AS joining (payment_id, batch_id)
    WHERE payment.payment_id = joining.payment_id"""
_SILENT: LiteralString = "UPDATE payment SET state = 'unknown' WHERE state = 'submitted' AND submitted_on <= %s"
_READY: LiteralString = """
    SELECT batch_id FROM batch b WHERE state = 'approved' AND NOT frozen AND count > 0
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.scope = 'programme' AND f.subject = b.programme)
    ORDER BY day, programme, bank, number"""
_GOING: LiteralString = """
    SELECT p.payment_id, p.uscc, p.measure, p.key, p.number, p.amount_fen, p.prefecture, p.decision_id, p.payee_digest,
      r.partition, d.date, a.amount_fen, a.payee_digest
    FROM payment p JOIN refund r USING (uscc, measure, key) JOIN day d USING (partition)
    LEFT JOIN approved_payment a ON a.payment_id = p.payment_id AND a.batch_id = p.batch_id
    WHERE p.batch_id = %s AND p.state = 'approved' ORDER BY p.payment_id"""
