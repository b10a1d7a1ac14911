"""The tables as commands see them: by payment, batch and claim, each with the entitlement it belongs to."""

from collections.abc import Iterable, Sequence
from typing import LiteralString

import msgspec
from aiokafka.structs import TopicPartition

from services.payments.domain.batch import Batch
from services.payments.domain.claim import Claim
from services.payments.domain.day import Day
from services.payments.domain.refund import Key, Refund
from services.payments.domain.state import state_key
from services.payments.store.batches import Approval, load_batches, partitions_of, save_batch
from services.payments.store.refunds import load_refunds, save_refunds
from shared.streaming.postgres_store import Connection, lock_partitions


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Whose payment it is: the entitlement, and the partition of the enterprise."""

    key: Key
    partition: int


class Entitlement(msgspec.Struct, frozen=True, gc=False):
    owner: Owner
    refund: Refund


class ClaimHeld(msgspec.Struct, frozen=True, gc=False):
    owner: Owner
    claim: Claim


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A batch, and the approvals just given."""

    batch: Batch
    approvals: tuple[Approval, ...] = ()


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Money that came in under a bank reference."""

    bank_reference: str
    clawback_id: str
    amount_fen: int


class Parked(msgspec.Struct, frozen=True, gc=False):
    """A command that moved nothing, for a person to look at."""

    topic: str
    partition: int
    offset: int
    type: str
    subject: str
    sentence: str


Kept = Owner | Entitlement | ClaimHeld | Decided | Receipt | Parked | Day


class CommandRows:
    """Implements `Rows[Kept]`. Keys: payment/<id>, batch/<id>, claim/<id>, receipt/<bank reference>."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Kept]:
        """What there is of `keys`; of a payment also its entitlement, and the day of its enterprise's partition."""
        payments, batches, claims = _ids(keys, "payment"), _ids(keys, "batch"), _ids(keys, "claim")
        rows = await (await db.execute(_OWNERS, (payments, claims))).fetchall()
        numbers = {row[-1] for row in rows} | set(await partitions_of(db, batches))
        await lock_partitions(db, self._schema, numbers)
        states: dict[str, Kept] = {}
        owners = [(identity, Owner(Key(*key), number)) for identity, *key, number in rows]
        refunds = await load_refunds(db, list({owner.key for _, owner in owners}))
        for identity, owner in owners:
            states[f"payment/{identity}"] = owner
            states[state_key(owner.key)] = Entitlement(owner, refunds[owner.key])
        for row in await (await db.execute(_CLAIMS, (claims,))).fetchall():
            claim = _claim(row)
            states[f"claim/{claim.clawback_id}"] = ClaimHeld(Owner(claim.key, row[5]), claim)
        for batch_id, batch in (await load_batches(db, batches)).items():
            states[f"batch/{batch_id}"] = Decided(batch)
        for reference, *rest in await (await db.execute(_RECEIPTS, (_ids(keys, "receipt"),))).fetchall():
            states[f"receipt/{reference}"] = Receipt(reference, *rest)
        for number, day in await (await db.execute(_DAYS, (sorted(numbers),))).fetchall():
            states[day_key(number)] = Day(day)
        return states

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Kept]) -> None:
        entitled = [state for state in changes.values() if isinstance(state, Entitlement)]
        # Before the batches: what an officer decided on a batch moves payments that may be among these.
        await save_refunds(db, [(one.owner.key, one.owner.partition, one.refund) for one in entitled])
        for state in (changes[name] for name in sorted(changes)):
            if isinstance(state, ClaimHeld):
                await save_claim(db, state.claim)
            elif isinstance(state, Decided):
                await save_batch(db, state.batch, state.approvals)
            elif isinstance(state, Receipt):
                await db.execute(_SAVE_RECEIPT, (state.bank_reference, state.clawback_id, state.amount_fen))
            elif isinstance(state, Parked):
                await db.execute(_SAVE_PARKED, msgspec.structs.astuple(state))

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Read again from the start, commands are repeats: what they did is in the tables and stays."""


def day_key(partition: int) -> str:
    return f"day/{partition}"


async def load_claim(db: Connection, clawback_id: str) -> tuple[Claim, int] | None:
    """The claim and the partition of the enterprise."""
    row = await (await db.execute(_CLAIMS, ([clawback_id],))).fetchone()
    return None if row is None else (_claim(row), row[5])


async def save_claim(db: Connection, claim: Claim) -> None:
    await db.execute(
        _SAVE_CLAIM,
        (claim.settled_fen, claim.written_off_fen, claim.parts, claim.given_up_by, claim.clawback_id),
    )


def _claim(row: Sequence[object]) -> Claim:
    clawback_id, payment_id, uscc, measure, key, _, prefecture, decision_id, *rest = row
    return Claim(clawback_id, payment_id, Key(uscc, measure, key), prefecture, decision_id, *rest)  # type: ignore[arg-type]


def _ids(keys: Iterable[str], kind: str) -> list[str]:
    return [key.partition("/")[2] for key in keys if key.startswith(kind + "/")]


_OWNERS: LiteralString = """
    SELECT payment_id, uscc, measure, key, partition FROM payment JOIN refund USING (uscc, measure, key)
    WHERE payment_id = ANY(%s::text[])
      OR payment_id IN (SELECT payment_id FROM clawback WHERE clawback_id = ANY(%s::text[]))"""
_CLAIMS: LiteralString = """
    SELECT c.clawback_id, c.payment_id, p.uscc, p.measure, p.key, r.partition, p.prefecture, p.decision_id,
      c.amount_fen, c.settled_fen, c.written_off_fen, c.parts, c.given_up_by
    FROM clawback c JOIN payment p USING (payment_id) JOIN refund r USING (uscc, measure, key)
    WHERE c.clawback_id = ANY(%s::text[])"""
_RECEIPTS: LiteralString = """
    SELECT bank_reference, clawback_id, amount_fen FROM receipt WHERE bank_reference = ANY(%s::text[])"""
_DAYS: LiteralString = "SELECT partition, date FROM day WHERE partition = ANY(%s::int[])"
_SAVE_CLAIM: LiteralString = """
    UPDATE clawback SET settled_fen = %s, written_off_fen = %s, parts = %s, given_up_by = %s WHERE clawback_id = %s"""
_SAVE_RECEIPT: LiteralString = "INSERT INTO receipt (bank_reference, clawback_id, amount_fen) VALUES (%s, %s, %s)"
_SAVE_PARKED: LiteralString = """
    INSERT INTO parked (topic, partition, "offset", type, subject, sentence) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING"""
