"""The tables of payments: each is read and written in one statement per batch."""

from collections.abc import Sequence
from typing import LiteralString

from aiokafka.structs import TopicPartition

from services.payments.domain.day import Day
from services.payments.domain.exemption import Exemption, insurance_and_period
from services.payments.domain.refund import Key, Refund
from services.payments.domain.state import DAY, Held, parts_of, state_key
from services.payments.store.refunds import load_refunds, save_refunds
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


class PaymentRows:
    """Implements `Rows[Held]`. The runner holds the partition's lock around every call."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Held]:
        """The states there are, of `keys`; a refund's payments: see `load_refunds`."""
        states: dict[str, Held] = {}
        if DAY in keys:
            row = await (await db.execute(_DAY, (partition.partition,))).fetchone()
            if row is not None:
                states[DAY] = Day(row[0])
        exemptions, refunds = _parted([key for key in keys if key != DAY])
        if exemptions:
            columns = [list(column) for column in zip(*(_exemption_key(key) for key in exemptions), strict=True)]
            for uscc, insurance, period, *rest in await (await db.execute(_EXEMPTIONS, columns)).fetchall():
                states[state_key(Key(uscc, "exemption", f"{insurance}/{period}"))] = Exemption(*rest)
        for key, refund in (await load_refunds(db, refunds)).items():
            states[state_key(key)] = refund
        return states

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Held]) -> None:
        """Upserts. The tables refuse what contradicts them (a CHECK or trigger), and the batch with it."""
        number = partition.partition
        exemptions: list[tuple[object, ...]] = []
        refunds: list[tuple[Key, int, Refund]] = []
        for name, state in changes.items():
            if isinstance(state, Day):
                await db.execute(_SAVE_DAY, (number, state.date))
                continue
            key = parts_of(name)
            if isinstance(state, Exemption):
                exemptions.append((*_exemption_key(key), number, state.revision, state.amount_fen, state.prefecture))
                continue
            refunds.append((key, number, state))
        if exemptions:
            await db.execute(_SAVE_EXEMPTIONS, [list(column) for column in zip(*exemptions, strict=True)])
        await save_refunds(db, refunds)

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Allowed only where there is nothing yet: what was paid cannot be worked out anew from the decisions."""
        row = await (await db.execute(_ANYTHING, {"partition": partition.partition})).fetchone()
        if row is not None and row[0]:
            raise Stop(
                f"Payments holds money of {partition.topic}/{partition.partition} but not how far it had read: its "
                "state is never rebuilt from the decisions. Restore the database, inbox included."
            )


def _exemption_key(key: Key) -> tuple[str, str, str]:
    return key.uscc, *insurance_and_period(key.key)


def _parted(names: Sequence[str]) -> tuple[list[Key], list[Key]]:
    keys = [parts_of(name) for name in names]
    return [key for key in keys if key.measure == "exemption"], [key for key in keys if key.measure != "exemption"]


_DAY: LiteralString = "SELECT date FROM day WHERE partition = %s"
_EXEMPTIONS: LiteralString = """
    SELECT uscc, insurance, period, revision, amount_fen, prefecture
    FROM unnest(%b::text[], %b::text[], %b::text[]) AS wanted (uscc, insurance, period)
    JOIN exemption USING (uscc, insurance, period)"""
_SAVE_DAY: LiteralString = """
    INSERT INTO day (partition, date) VALUES (%s, %s) ON CONFLICT (partition) DO UPDATE SET date = EXCLUDED.date"""
_SAVE_EXEMPTIONS: LiteralString = """
    INSERT INTO exemption (uscc, insurance, period, partition, revision, amount_fen, prefecture)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::int[], %b::bigint[], %b::bigint[], %b::text[])
    ON CONFLICT (uscc, insurance, period) DO UPDATE SET partition = EXCLUDED.partition, revision = EXCLUDED.revision,
      amount_fen = EXCLUDED.amount_fen, prefecture = EXCLUDED.prefecture"""
_ANYTHING: LiteralString = """
    SELECT EXISTS (SELECT FROM exemption WHERE partition = %(partition)s)
        OR EXISTS (SELECT FROM refund WHERE partition = %(partition)s)
        OR EXISTS (SELECT FROM outbox WHERE partition = %(partition)s)"""
