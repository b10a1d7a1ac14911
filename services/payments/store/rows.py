"""The tables of payments: each is read and written in one statement per batch."""

from collections.abc import Sequence
from typing import Any, LiteralString

from aiokafka.structs import TopicPartition

from services.payments.domain.day import Day
from services.payments.domain.exemption import Exemption, insurance_and_period
from services.payments.domain.refund import Payment, Refund
from services.payments.domain.state import DAY, Held, parts_of, state_key
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection

Key = tuple[str, str, str]


class PaymentRows:
    """Implements `Rows[Held]`. The runner holds the partition's lock around every call."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Held]:
        """The states there are, of `keys`. Payments cancelled in earlier batches are left out: they are over."""
        states: dict[str, Held] = {}
        if DAY in keys:
            row = await (await db.execute(_DAY, (partition.partition,))).fetchone()
            if row is not None:
                states[DAY] = Day(row[0])
        exemptions, refunds = _parted([key for key in keys if key != DAY])
        if exemptions:
            columns = list(zip(*(_exemption_key(key) for key in exemptions), strict=True))
            for uscc, insurance, period, *rest in await _rows(db, _EXEMPTIONS, columns):
                states[state_key(uscc, "exemption", f"{insurance}/{period}")] = Exemption(*rest)
        if refunds:
            columns = list(zip(*refunds, strict=True))
            payments: dict[Key, list[Payment]] = {}
            for uscc, measure, key, *rest in await _rows(db, _PAYMENTS, columns):
                payments.setdefault((uscc, measure, key), []).append(Payment(*rest))
            for uscc, measure, key, revision, amount_fen, last_number in await _rows(db, _REFUNDS, columns):
                made = tuple(payments.get((uscc, measure, key), ()))
                states[state_key(uscc, measure, key)] = Refund(revision, amount_fen, last_number, made)
        return states

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Held]) -> None:
        """Upserts. The tables refuse what contradicts them (a CHECK or trigger), and the batch with it."""
        number = partition.partition
        exemptions: list[tuple[object, ...]] = []
        refunds: list[tuple[object, ...]] = []
        payments: list[tuple[object, ...]] = []
        for name, state in changes.items():
            if isinstance(state, Day):
                await db.execute(_SAVE_DAY, (number, state.date))
                continue
            key = parts_of(name)
            if isinstance(state, Exemption):
                exemptions.append((*_exemption_key(key), number, state.revision, state.amount_fen, state.prefecture))
                continue
            refunds.append((*key, number, state.revision, state.amount_fen, state.last_number))
            payments += [(*key, *_payment_row(payment)) for payment in state.payments]
        for statement, rows in ((_SAVE_EXEMPTIONS, exemptions), (_SAVE_REFUNDS, refunds), (_SAVE_PAYMENTS, payments)):
            if rows:
                await db.execute(statement, [list(column) for column in zip(*rows, strict=True)])

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Allowed only where there is nothing yet: what was paid cannot be worked out anew from the decisions."""
        row = await (await db.execute(_ANYTHING, {"partition": partition.partition})).fetchone()
        if row is not None and row[0]:
            raise Stop(
                f"Payments holds money of {partition.topic}/{partition.partition} but not how far it had read: its "
                "state is never rebuilt from the decisions. Restore the database, inbox included."
            )


def _exemption_key(key: Key) -> Key:
    return key[0], *insurance_and_period(key[2])


def _parted(names: Sequence[str]) -> tuple[list[Key], list[Key]]:
    keys = [parts_of(name) for name in names]
    return [key for key in keys if key[1] == "exemption"], [key for key in keys if key[1] != "exemption"]


def _payment_row(payment: Payment) -> tuple[object, ...]:
    return (
        payment.number,
        payment.payment_id,
        payment.amount_fen,
        payment.state,
        payment.prefecture,
        payment.decision_id,
        payment.payee_sealed,
        payment.payee_digest,
    )


async def _rows(db: Connection, statement: LiteralString, columns: Sequence[Sequence[str]]) -> list[tuple[Any, ...]]:
    return await (await db.execute(statement, [list(column) for column in columns])).fetchall()


_DAY: LiteralString = "SELECT date FROM day WHERE partition = %s"
_EXEMPTIONS: LiteralString = """
    SELECT uscc, insurance, period, revision, amount_fen, prefecture
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (uscc, insurance, period)
    JOIN exemption USING (uscc, insurance, period)"""
_REFUNDS: LiteralString = """
    SELECT uscc, measure, key, revision, amount_fen, last_number
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (uscc, measure, key)
    JOIN refund USING (uscc, measure, key)"""
_PAYMENTS: LiteralString = """
    SELECT uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id, payee_sealed,
      payee_digest
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (uscc, measure, key)
    JOIN payment USING (uscc, measure, key)
    WHERE state <> 'cancelled' ORDER BY uscc, measure, key, number"""
_SAVE_DAY: LiteralString = """
    INSERT INTO day (partition, date) VALUES (%s, %s) ON CONFLICT (partition) DO UPDATE SET date = EXCLUDED.date"""
_SAVE_EXEMPTIONS: LiteralString = """
    INSERT INTO exemption (uscc, insurance, period, partition, revision, amount_fen, prefecture)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT (uscc, insurance, period) DO UPDATE SET partition = EXCLUDED.partition, revision = EXCLUDED.revision,
      amount_fen = EXCLUDED.amount_fen, prefecture = EXCLUDED.prefecture"""
_SAVE_REFUNDS: LiteralString = """
    INSERT INTO refund (uscc, measure, key, partition, revision, amount_fen, last_number)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::int[])
    ON CONFLICT (uscc, measure, key) DO UPDATE SET partition = EXCLUDED.partition, revision = EXCLUDED.revision,
      amount_fen = EXCLUDED.amount_fen, last_number = EXCLUDED.last_number"""
# Also what may never change is set: the trigger then refuses a payment that came out different under its old number.
_SAVE_PAYMENTS: LiteralString = """
    INSERT INTO payment AS held (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id,
      payee_sealed, payee_digest)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::text[],
      %s::text[], %s::text[], %s::text[], %s::text[])
    ON CONFLICT (uscc, measure, key, number) DO UPDATE SET payment_id = EXCLUDED.payment_id,
      amount_fen = EXCLUDED.amount_fen, state = EXCLUDED.state, prefecture = EXCLUDED.prefecture,
      decision_id = EXCLUDED.decision_id, payee_sealed = EXCLUDED.payee_sealed, payee_digest = EXCLUDED.payee_digest
    WHERE (held.payment_id, held.amount_fen, held.state, held.prefecture, held.decision_id, held.payee_sealed,
           held.payee_digest)
      IS DISTINCT FROM (EXCLUDED.payment_id, EXCLUDED.amount_fen, EXCLUDED.state, EXCLUDED.prefecture,
           EXCLUDED.decision_id, EXCLUDED.payee_sealed, EXCLUDED.payee_digest)"""
_ANYTHING: LiteralString = """
    SELECT EXISTS (SELECT FROM exemption WHERE partition = %(partition)s)
        OR EXISTS (SELECT FROM refund WHERE partition = %(partition)s)
        OR EXISTS (SELECT FROM outbox WHERE partition = %(partition)s)"""
