"""All that holdover holds of each enterprise, whole enterprises at a time: what a reconciliation compares with.

Every function reads inside the caller's snapshot, so that what is said of an enterprise, and how far the logs were read
when it was true, is of one moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import LiteralString

from services.holdover.store.packed import unpack
from shared.streaming.postgres_store import Connection


@dataclass(frozen=True, slots=True)
class ApplicationBooked:
    """`utilities` and `submitted_on` are null while only its decision or its withdrawal has come; `outcome` is
    `undecided`, `pending`, `granted` or `denied`.
    """

    application_id: str
    utilities: list[str] | None
    submitted_on: date | None
    outcome: str
    withdrawn_on: date | None


@dataclass(frozen=True, slots=True)
class OrderBooked:
    """The order in force."""

    order_id: str
    from_on: date
    until_on: date
    signature: str


@dataclass(frozen=True, slots=True)
class AccountBooked:
    """One supplier account. `events`: how many were told of it, by the state that the service works on."""

    events: int
    order: OrderBooked | None
    holdover_id: str
    utility: str
    supplier_id: str
    account_no: str
    state: str
    application_id: str | None
    begun_on: date | None
    bills_fen: int
    lowered_fen: int
    repaid_fen: int
    open_fen: int
    surplus_fen: int
    instalments: int


@dataclass(frozen=True, slots=True)
class BillBooked:
    """A bill in its latest version. `left_out`: why it is in no holdover; `paid_fen`: what payments name it."""

    bill_id: str
    holdover_id: str
    version: int
    period: str
    due_on: date
    amount_fen: int
    production_use: bool
    left_out: str | None
    paid_fen: int


@dataclass(frozen=True, slots=True)
class PaymentBooked:
    """A payment of the bill that it names, whether that is known or not."""

    payment_id: str
    bill_id: str
    amount_fen: int
    paid_on: date


@dataclass(frozen=True, slots=True)
class InstalmentBooked:
    """`number` from 1; of `amount_fen`, `paid_fen` are paid."""

    holdover_id: str
    number: int
    due_on: date
    amount_fen: int
    paid_fen: int


@dataclass(frozen=True, slots=True)
class AnswerBooked:
    """A request to cut a supply, and what it was answered: `refused` or `allowed`."""

    request_id: str
    holdover_id: str
    requested_on: date
    answer: str
    order_id: str | None
    reason: str
    answered_on: date


@dataclass(frozen=True, slots=True)
class EnterpriseBooks:
    """All of one enterprise; empty lists where there is nothing. `holdover_id` says which account."""

    uscc: str
    applications: list[ApplicationBooked] = field(default_factory=list)
    accounts: list[AccountBooked] = field(default_factory=list)
    bills: list[BillBooked] = field(default_factory=list)
    payments: list[PaymentBooked] = field(default_factory=list)
    instalments: list[InstalmentBooked] = field(default_factory=list)
    answers: list[AnswerBooked] = field(default_factory=list)


async def enterprises(db: Connection, after: str, limit: int) -> list[str]:
    """The next enterprises that there is anything of, by uscc."""
    rows = await (await db.execute(_ENTERPRISES, (after, limit))).fetchall()
    return [uscc for (uscc,) in rows]


async def books(db: Connection, enterprises: Sequence[str]) -> list[EnterpriseBooks]:
    """In the order given; an unknown enterprise has empty books. Raises Stop for a state of a newer version."""
    found = {uscc: EnterpriseBooks(uscc) for uscc in enterprises}
    wanted = (list(found),)
    for uscc, *row in await (await db.execute(_APPLICATIONS, wanted)).fetchall():
        found[uscc].applications.append(ApplicationBooked(*row))
    events: dict[str, int] = {}
    for uscc, stored in await (await db.execute(_STATES, wanted)).fetchall():
        events |= {holdover: told.events for holdover, told in unpack(uscc, stored).told.items()}
    for uscc, *row in await (await db.execute(_ACCOUNTS, wanted)).fetchall():
        order = None if row[-1] is None else OrderBooked(*row[-4:])
        found[uscc].accounts.append(AccountBooked(events.get(row[0], 0), order, *row[:-4]))
    for uscc, *row in await (await db.execute(_BILLS, wanted)).fetchall():
        found[uscc].bills.append(BillBooked(*row))
    for uscc, *row in await (await db.execute(_PAYMENTS, wanted)).fetchall():
        found[uscc].payments.append(PaymentBooked(*row))
    for uscc, *row in await (await db.execute(_INSTALMENTS, wanted)).fetchall():
        found[uscc].instalments.append(InstalmentBooked(*row))
    for uscc, *row in await (await db.execute(_ANSWERS, wanted)).fetchall():
        found[uscc].answers.append(AnswerBooked(*row))
    return list(found.values())


_ENTERPRISES: LiteralString = "SELECT uscc FROM enterprise WHERE uscc > %s ORDER BY uscc LIMIT %s"
_STATES: LiteralString = "SELECT uscc, state FROM enterprise WHERE uscc = ANY(%b::text[])"
_APPLICATIONS: LiteralString = """
    SELECT uscc, application_id, utilities, submitted_on, outcome, withdrawn_on FROM application
    WHERE uscc = ANY(%s::text[]) ORDER BY uscc, application_id"""
_ACCOUNTS: LiteralString = """
    SELECT uscc, holdover_id, utility, supplier_id, account_no, state, application_id, begun_on, bills_fen, lowered_fen,
      repaid_fen, open_fen, surplus_fen, instalments, order_id, order_from, order_until, order_signature
    FROM account WHERE uscc = ANY(%s::text[]) ORDER BY uscc, utility, supplier_id, account_no"""
_BILLS: LiteralString = """
    SELECT uscc, bill_id, holdover_id, version, period, due_on, amount_fen, production_use, left_out, paid_fen
    FROM bill WHERE uscc = ANY(%s::text[]) ORDER BY uscc, bill_id"""
_PAYMENTS: LiteralString = """
    SELECT uscc, payment_id, bill_id, amount_fen, paid_on FROM bill_payment
    WHERE uscc = ANY(%s::text[]) ORDER BY uscc, payment_id"""
# By account: that is what their key begins with.
_INSTALMENTS: LiteralString = """
    SELECT uscc, holdover_id, number, due_on, amount_fen, paid_fen FROM instalment
    WHERE holdover_id IN (SELECT holdover_id FROM account WHERE uscc = ANY(%s::text[])) ORDER BY holdover_id, number"""
_ANSWERS: LiteralString = """
    SELECT uscc, request_id, holdover_id, requested_on, answer, order_id, reason, answered_on FROM disconnection
    WHERE uscc = ANY(%s::text[]) ORDER BY uscc, request_id"""
