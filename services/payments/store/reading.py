"""The tables of payments as officers look at them: pages in one fixed order, each from the place after another.

The rows are what the API answers with; nobody's account is in any of them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString

from services.payments.domain.batch import BatchState
from services.payments.domain.life import State
from services.payments.domain.refund import PROGRAMMES, Reason
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """A batch as it is declared, and as it is. `bank`: three digits of its code; `sent`: the message left the house."""

    batch_id: str
    programme: str
    bank: str
    day: date
    number: int
    state: BatchState
    count: int
    total_fen: int
    version: int
    prepared_by: str
    frozen: bool
    sent: bool


@dataclass(frozen=True, slots=True)
class ApprovalSeen:
    """It counts as long as the batch has this version, or for good once the batch is approved."""

    version: int
    officer: str
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    payment_id: str
    uscc: str
    key: str
    amount_fen: int
    decision_id: str
    state: State


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """`write_off_proposed_by` waits for a second officer."""

    clawback_id: str
    payment_id: str
    uscc: str
    programme: str
    key: str
    amount_fen: int
    settled_fen: int
    written_off_fen: int
    open_fen: int
    write_off_proposed_by: str | None


@dataclass(frozen=True, slots=True)
class FileSeen:
    """`sentence` says why a file was refused; empty where it was accepted."""

    sha256: str
    name: str
    message_id: str | None
    accepted: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class ParkedSeen:
    topic: str
    partition: int
    offset: int
    type: str
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class HeldSeen:
    payment_id: str
    uscc: str
    programme: str
    key: str
    amount_fen: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class ActionSeen:
    seq: int
    kind: str
    subject: str
    officer: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FrozenSeen:
    scope: str
    subject: str
    officer: str
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """`free_fen` is what new batches may still take."""

    programme: str
    total_fen: int
    reserved_fen: int
    spent_fen: int
    free_fen: int


async def batches(
    db: Connection, state: str | None, programme: str | None, day: date | None, after: str | None, limit: int
) -> list[BatchSeen]:
    """By day, programme, bank and number; `after` is the id of a batch. Raises Stop: see `_batches`."""
    return await _batches(db, limit, state=state, programme=programme, day=day, after=after)


async def batch(db: Connection, batch_id: str) -> BatchSeen | None:
    """Raises Stop: see `_batches`."""
    return next(iter(await _batches(db, 1, batch_id=batch_id)), None)


async def _batches(db: Connection, limit: int, **wanted: object) -> list[BatchSeen]:
    """Raises Stop where a batch does not hold what it declares: then nobody is told numbers to act on."""
    parameters = dict.fromkeys(("batch_id", "state", "programme", "day", "after")) | wanted | {"limit": limit}
    found = []
    for *declared, count, total_fen in await (await db.execute(_BATCHES, parameters)).fetchall():
        seen = BatchSeen(*declared)
        if (seen.count, seen.total_fen) != (count, total_fen):
            raise Stop(
                f"Batch {seen.batch_id} declares {seen.count} payments of {seen.total_fen} fen and holds {count} of "
                f"{total_fen} fen. Nothing of it may be paid until that is explained."
            )
        found.append(seen)
    return found


async def approvals(db: Connection, batch_id: str) -> list[ApprovalSeen]:
    """Of every version."""
    return [ApprovalSeen(*row) for row in await (await db.execute(_APPROVALS, (batch_id,))).fetchall()]


async def payments(db: Connection, batch_id: str) -> list[PaymentSeen]:
    """By id; as many as a batch can have."""
    return [PaymentSeen(*row) for row in await (await db.execute(_PAYMENTS, (batch_id,))).fetchall()]


async def claims(db: Connection, uscc: str | None, is_open: bool | None, after: str, limit: int) -> list[ClaimSeen]:
    wanted = {"uscc": uscc, "open": is_open, "after": after, "limit": limit}
    rows = await (await db.execute(_CLAIMS, wanted)).fetchall()
    return [ClaimSeen(claim, payment, of, PROGRAMMES[measure], *rest) for claim, payment, of, measure, *rest in rows]


async def bank_files(db: Connection, accepted: bool | None, after: str, limit: int) -> list[FileSeen]:
    """By digest; `after` is one, in hex."""
    wanted = {"accepted": accepted, "after": bytes.fromhex(after), "limit": limit}
    return [FileSeen(*row) for row in await (await db.execute(_FILES, wanted)).fetchall()]


async def parked(db: Connection, after: tuple[str, int, int], limit: int) -> list[ParkedSeen]:
    """By topic, partition and offset."""
    return [ParkedSeen(*row) for row in await (await db.execute(_PARKED, (*after, limit))).fetchall()]


async def held(db: Connection, reason: str | None, after: str, limit: int) -> list[HeldSeen]:
    wanted = {"reason": reason, "after": after, "limit": limit}
    rows = await (await db.execute(_HELD, wanted)).fetchall()
    return [HeldSeen(payment, uscc, PROGRAMMES[measure], *rest) for payment, uscc, measure, *rest in rows]


async def actions(db: Connection, after: int, limit: int) -> list[ActionSeen]:
    return [ActionSeen(*row) for row in await (await db.execute(_ACTIONS, (after, limit))).fetchall()]


async def freezes(db: Connection, after: tuple[str, str], limit: int) -> list[FrozenSeen]:
    """By scope and subject; batches say for themselves whether they are frozen."""
    return [FrozenSeen(*row) for row in await (await db.execute(_FREEZES, (*after, limit))).fetchall()]


async def budgets(db: Connection) -> list[BudgetSeen]:
    """Of the programmes that have one; the payments of another wait."""
    return [BudgetSeen(*row) for row in await (await db.execute(_BUDGETS)).fetchall()]


# The page first, so that only its batches are counted through.
_BATCHES: LiteralString = """
    SELECT b.batch_id, b.programme, b.bank, b.day, b.number, b.state, b.count, b.total_fen, b.version, b.prepared_by,
      b.frozen, b.sent, held.count, held.fen
    FROM (
      SELECT * FROM batch b
      WHERE (%(batch_id)s::text IS NULL OR b.batch_id = %(batch_id)s)
        AND (%(state)s::text IS NULL OR b.state = %(state)s)
        AND (%(programme)s::text IS NULL OR b.programme = %(programme)s)
        AND (%(day)s::date IS NULL OR b.day = %(day)s)
        AND (%(after)s::text IS NULL OR (b.day, b.programme, b.bank, b.number) >
          (SELECT l.day, l.programme, l.bank, l.number FROM batch l WHERE l.batch_id = %(after)s))
      ORDER BY b.day, b.programme, b.bank, b.number LIMIT %(limit)s) AS b
    CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(sum(p.amount_fen), 0)::bigint AS fen
      FROM payment p WHERE p.batch_id = b.batch_id) AS held
    ORDER BY b.day, b.programme, b.bank, b.number"""
_APPROVALS: LiteralString = """
    SELECT version, officer, reason FROM approval WHERE batch_id = %s ORDER BY version, place"""
_PAYMENTS: LiteralString = """
    SELECT payment_id, uscc, key, amount_fen, decision_id, state FROM payment WHERE batch_id = %s ORDER BY payment_id"""
_CLAIMS: LiteralString = """
    SELECT c.clawback_id, c.payment_id, p.uscc, p.measure, p.key, c.amount_fen, c.settled_fen, c.written_off_fen,
      c.amount_fen - c.settled_fen - c.written_off_fen, c.given_up_by
    FROM clawback c JOIN payment p USING (payment_id)
    WHERE (%(uscc)s::text IS NULL OR p.uscc = %(uscc)s) AND c.clawback_id > %(after)s
      AND (%(open)s::boolean IS NULL OR (c.settled_fen + c.written_off_fen < c.amount_fen) = %(open)s)
    ORDER BY c.clawback_id LIMIT %(limit)s"""
_FILES: LiteralString = """
    SELECT encode(sha256, 'hex'), name, message_id, accepted, sentence FROM bank_file
    WHERE (%(accepted)s::boolean IS NULL OR accepted = %(accepted)s) AND sha256 > %(after)b
    ORDER BY sha256 LIMIT %(limit)s"""
_PARKED: LiteralString = """
    SELECT topic, partition, "offset", type, subject, sentence FROM parked
    WHERE (topic, partition, "offset") > (%s, %s, %s) ORDER BY topic, partition, "offset" LIMIT %s"""
_HELD: LiteralString = """
    SELECT payment_id, uscc, measure, key, amount_fen, held_for FROM payment
    WHERE state = 'held' AND payment_id > %(after)s
      AND (%(reason)s::text IS NULL OR held_for = %(reason)s)
    ORDER BY payment_id LIMIT %(limit)s"""
_ACTIONS: LiteralString = """
    SELECT seq, kind, subject, officer, reason, at FROM action WHERE seq > %s ORDER BY seq LIMIT %s"""
_FREEZES: LiteralString = """
    SELECT scope, subject, officer, reason FROM frozen WHERE (scope, subject) > (%s, %s)
    ORDER BY scope, subject LIMIT %s"""
_BUDGETS: LiteralString = """
    SELECT programme, total_fen, reserved_fen, spent_fen, total_fen - reserved_fen - spent_fen FROM budget
    ORDER BY programme"""
