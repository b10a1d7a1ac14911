"""All that payments holds of each enterprise, whole enterprises at a time: what a reconciliation compares with.

Every function reads inside the caller's snapshot, so that what is said of an enterprise, and how far the logs were read
when it was true, is of one moment.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from services.payments.domain.life import State
from services.payments.domain.refund import Reason
from shared.streaming.postgres_store import Connection


@dataclass(frozen=True, slots=True)
class ExemptionBooked:
    """What is waived now under a key (`pension/2020-02`), by this revision of its decision."""

    key: str
    revision: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class RefundBooked:
    """What is due under a measure and key, by this revision of its decision."""

    measure: str
    key: str
    revision: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class PaymentBooked:
    """Any payment there ever was. `submitted`: the bank was given it; `clawed_fen` of it are claimed back."""

    measure: str
    key: str
    payment_id: str
    amount_fen: int
    state: State
    held_for: Reason | None
    submitted: bool
    clawed_fen: int


@dataclass(frozen=True, slots=True)
class ReceiptBooked:
    """Money of a bank reference that came in for a claim, more than was owed included."""

    bank_reference: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class ClawbackBooked:
    """A claim on one payment."""

    payment_id: str
    clawback_id: str
    amount_fen: int
    settled_fen: int
    written_off_fen: int
    receipts: list[ReceiptBooked]


@dataclass(frozen=True, slots=True)
class EnterpriseBooks:
    """All of one enterprise; empty lists where there is nothing."""

    uscc: str
    exemptions: list[ExemptionBooked] = field(default_factory=list)
    refunds: list[RefundBooked] = field(default_factory=list)
    payments: list[PaymentBooked] = field(default_factory=list)
    clawbacks: list[ClawbackBooked] = field(default_factory=list)


async def enterprises(db: Connection, after: str, limit: int) -> list[str]:
    """The next enterprises that there is anything of, by uscc."""
    rows = await (await db.execute(_ENTERPRISES, {"after": after, "limit": limit})).fetchall()
    return [uscc for (uscc,) in rows]


async def books(db: Connection, enterprises: Sequence[str]) -> list[EnterpriseBooks]:
    """In the order given; an unknown enterprise has empty books."""
    found = {uscc: EnterpriseBooks(uscc) for uscc in enterprises}
    wanted = (list(found),)
    for uscc, *row in await (await db.execute(_EXEMPTIONS, wanted)).fetchall():
        found[uscc].exemptions.append(ExemptionBooked(*row))
    for uscc, *row in await (await db.execute(_REFUNDS, wanted)).fetchall():
        found[uscc].refunds.append(RefundBooked(*row))
    for uscc, *row in await (await db.execute(_PAYMENTS, wanted)).fetchall():
        found[uscc].payments.append(PaymentBooked(*row))
    claims = await (await db.execute(_CLAWBACKS, wanted)).fetchall()
    receipts = await _receipts(db, [clawback_id for _, _, clawback_id, *_ in claims])
    for uscc, payment_id, clawback_id, fen, settled_fen, written_off_fen in claims:
        claim = ClawbackBooked(payment_id, clawback_id, fen, settled_fen, written_off_fen, receipts[clawback_id])
        found[uscc].clawbacks.append(claim)
    return list(found.values())


async def _receipts(db: Connection, claims: list[str]) -> defaultdict[str, list[ReceiptBooked]]:
    found: defaultdict[str, list[ReceiptBooked]] = defaultdict(list)
    for clawback_id, *row in await (await db.execute(_RECEIPTS, (claims,))).fetchall() if claims else ():
        found[clawback_id].append(ReceiptBooked(*row))
    return found


# Each half walks its primary key; a payment has a refund, and a claim a payment.
_ENTERPRISES: LiteralString = """
    (SELECT DISTINCT uscc FROM exemption WHERE uscc > %(after)s ORDER BY uscc LIMIT %(limit)s)
    UNION
    (SELECT DISTINCT uscc FROM refund WHERE uscc > %(after)s ORDER BY uscc LIMIT %(limit)s)
    ORDER BY uscc LIMIT %(limit)s"""
_EXEMPTIONS: LiteralString = """
    SELECT uscc, insurance || '/' || period, revision, amount_fen FROM exemption WHERE uscc = ANY(%s::text[])"""
_REFUNDS: LiteralString = """
    SELECT uscc, measure, key, revision, amount_fen FROM refund WHERE uscc = ANY(%s::text[])"""
_PAYMENTS: LiteralString = """
    SELECT uscc, measure, key, payment_id, amount_fen, state, held_for, submitted_on IS NOT NULL, clawed_fen
    FROM payment WHERE uscc = ANY(%s::text[]) ORDER BY uscc, measure, key, number"""
_CLAWBACKS: LiteralString = """
    SELECT p.uscc, c.payment_id, c.clawback_id, c.amount_fen, c.settled_fen, c.written_off_fen
    FROM payment p JOIN clawback c USING (payment_id) WHERE p.uscc = ANY(%s::text[]) ORDER BY c.clawback_id"""
_RECEIPTS: LiteralString = """
    SELECT clawback_id, bank_reference, amount_fen FROM receipt WHERE clawback_id = ANY(%s::text[])
    ORDER BY bank_reference"""
