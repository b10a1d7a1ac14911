"""What the other authorities put on the wire: their event types, field for field.

Written out here and not taken from the project's own contract models on purpose: the simulator speaks for others, so a
slip in our models shows as a rejected event instead of being repeated on both sides.
"""

from typing import ClassVar

import msgspec

TAX, INSURANCE, UTILITY, APPLICATIONS = range(4)
TOPICS = ("upstream.tax.v1", "upstream.insurance.v1", "upstream.utility.v1", "intake.applications.v1")
SOURCES = ("//tax.example/xinjiang", "//insurance.example/xinjiang", "//utility.example/xinjiang", "//relief.example")


class Data(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The data of one event. `topic` is an index into TOPICS; amounts are fen."""

    topic: ClassVar[int]
    type: ClassVar[str]

    uscc: str


class Payee(msgspec.Struct, frozen=True, gc=False):
    account_name: str
    account_number: str
    bank_code: str


class Registered(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = TAX
    type: ClassVar[str] = "cn.tax.enterprise.registered.v1"

    version: int = 1
    name: str
    industry: str
    prefecture: str
    registered_on: str
    effective_on: str
    employees: int
    annual_revenue_fen: int
    total_assets_fen: int
    payee: Payee | None


class Deregistered(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = TAX
    type: ClassVar[str] = "cn.tax.enterprise.deregistered.v1"

    deregistered_on: str


class Assessed(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = TAX
    type: ClassVar[str] = "cn.tax.contribution.assessed.v1"

    assessment_id: str
    version: int = 1
    insurance: str
    period: str
    employer_amount_fen: int
    due_on: str


class Paid(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = TAX
    type: ClassVar[str] = "cn.tax.contribution.paid.v1"

    assessment_id: str
    payment_id: str
    amount_fen: int
    paid_on: str


class Headcount(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = INSURANCE
    type: ClassVar[str] = "cn.insurance.headcount.reported.v1"

    period: str
    version: int = 1
    insured_employees: int


class Layoffs(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = INSURANCE
    type: ClassVar[str] = "cn.insurance.layoffs.reported.v1"

    period: str
    version: int = 1
    laid_off: int


class YearSettled(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = INSURANCE
    type: ClassVar[str] = "cn.insurance.year.settled.v1"

    year: int
    version: int = 1
    unemployment_premium_paid_fen: int


class BillIssued(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = UTILITY
    type: ClassVar[str] = "cn.utility.bill.issued.v1"

    bill_id: str
    version: int = 1
    utility: str
    supplier_id: str
    account_no: str
    period: str
    amount_fen: int
    due_on: str
    production_use: bool


class BillPaid(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = UTILITY
    type: ClassVar[str] = "cn.utility.bill.paid.v1"

    bill_id: str
    payment_id: str
    amount_fen: int
    paid_on: str


class DisconnectionRequested(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = UTILITY
    type: ClassVar[str] = "cn.utility.disconnection.requested.v1"

    request_id: str
    utility: str
    supplier_id: str
    account_no: str
    reason: str
    requested_on: str


class HoldoverApplied(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = APPLICATIONS
    type: ClassVar[str] = "relief.holdover.applied.v1"

    application_id: str
    utilities: tuple[str, ...]
    declared_difficulty: bool
    contact: str
    submitted_on: str


class HoldoverWithdrawal(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = APPLICATIONS
    type: ClassVar[str] = "relief.holdover.withdrawal.v1"

    application_id: str
    submitted_on: str


class RefundDeclined(Data, frozen=True, gc=False, kw_only=True):
    topic: ClassVar[int] = APPLICATIONS
    type: ClassVar[str] = "relief.refund.declined.v1"

    application_id: str
    year: int
    submitted_on: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """A CloudEvent 1.0 in structured mode."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: Data | msgspec.Raw


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One event before it is written: `time` is the clock on the wall at +08:00, in seconds (calendar.py).

    `replaced`: a higher version of it is a fact of its own.
    """

    time: int
    id: str
    data: Data
    replaced: bool = False
