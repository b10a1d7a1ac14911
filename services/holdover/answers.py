"""What the read API answers, as its OpenAPI document shows it. Amounts are integer fen, days YYYY-MM-DD.

`as_of`: the last day that has started among both facts and decisions of the enterprise's partition; null before any.
"""

from datetime import date
from typing import Literal

from pydantic import BaseModel

from services.holdover.domain.facts import Ruled
from services.holdover.domain.schedule import Status
from services.holdover.domain.standing import LeftOut
from services.holdover.domain.states import State
from services.holdover.store.receivables import LeftOutSum, Receivable, ReceivableSum


class OrderShown(BaseModel):
    """An order in force: what is signed, and its signature. `relief holdover verify` takes it as it stands here."""

    order_id: str
    holdover_id: str
    uscc: str
    utility: str
    supplier_id: str
    account_no: str
    from_on: date
    until_on: date
    signature: str


class AccountProtection(BaseModel):
    """One enterprise's account. `protected`: an order is in force; `undecided`: an application for this due is.
    `may_disconnect` and `reason`: what a request to cut the supply would be answered now. `late_fees_suspended`: on
    every bill that is deferred, also while an instalment is in its grace.
    """

    holdover_id: str
    uscc: str
    utility: str
    as_of: date | None
    state: State
    undecided: bool
    protected: bool
    may_disconnect: bool
    reason: str
    late_fees_suspended: bool
    order: OrderShown | None


class Protection(BaseModel):
    """Every account with the number: of several utilities, and of one enterprise after another. At least one."""

    supplier_id: str
    account_no: str
    accounts: list[AccountProtection]


class ApplicationShown(BaseModel):
    """Utilities and day are null while only its decision or its withdrawal has come."""

    application_id: str
    utilities: list[str] | None
    submitted_on: date | None
    outcome: Ruled | Literal["undecided"]
    withdrawn_on: date | None


class BillShown(BaseModel):
    """The latest version. `left_out` and, in a sentence, `why` it is in no holdover; `paid_fen`: by payments that name
    it.
    """

    bill_id: str
    version: int
    period: str
    due_on: date
    amount_fen: int
    paid_fen: int
    left_out: LeftOut | None
    why: str | None


class InstalmentShown(BaseModel):
    """`due` from the day it is announced to its date, `overdue` after that, in default after `grace_until`."""

    number: int
    announced_on: date
    due_on: date
    grace_until: date
    amount_fen: int
    paid_fen: int
    open_fen: int
    status: Status


class AnswerShown(BaseModel):
    """What a request to cut the supply was answered: `refused` or `allowed`."""

    request_id: str
    requested_on: date
    answer: str
    order_id: str | None
    reason: str
    answered_on: date


class HoldoverShown(AccountProtection):
    """`deferred_fen`: of its bills in the holdover, `paid_fen`: of their payments; open less surplus is the rest."""

    supplier_id: str
    account_no: str
    application_id: str | None
    begun_on: date | None
    deferred_fen: int
    paid_fen: int
    open_fen: int
    surplus_fen: int
    bills: list[BillShown]
    instalments: list[InstalmentShown]
    answers: list[AnswerShown]


class WaitingPayment(BaseModel):
    """A payment that came before the bill it names."""

    payment_id: str
    bill_id: str
    amount_fen: int
    paid_on: date


class EnterpriseHoldovers(BaseModel):
    """Everything known of one enterprise's dues; empty lists where nothing is."""

    uscc: str
    as_of: date | None
    applications: list[ApplicationShown]
    accounts: list[HoldoverShown]
    waiting_payments: list[WaitingPayment]


class Receivables(BaseModel):
    """What one supplier is owed, from one moment; see `services/holdover/store/receivables.py` for each sum.

    Enterprises reach a day at slightly different times: `as_of` is the last day that all have reached, null while one
    has none, `as_of_latest` the last that any has. `waiting`: accounts to which a day still brings something.
    `left_out`: the supplier's other bills: with `deferred_fen` they are all that were accepted.
    """

    supplier_id: str
    as_of: date | None
    as_of_latest: date | None
    waiting: int
    totals: list[ReceivableSum]
    left_out: list[LeftOutSum]


class ReceivablesPage(BaseModel):
    """`next_after` is the `after` of the next page, null at the end."""

    supplier_id: str
    accounts: list[Receivable]
    next_after: str | None
