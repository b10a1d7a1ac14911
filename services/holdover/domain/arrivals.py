"""What can arrive of an enterprise: each knows how it enters the facts, and which accounts it can change."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from services.holdover.domain.facts import (
    Application,
    Bill,
    Facts,
    Outcome,
    Payment,
    Ruled,
    Withdrawal,
    take_application,
    take_bill,
    take_payment,
    take_ruling,
    take_withdrawal,
)
from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms


class ApplicationHandedIn(NamedTuple):
    uscc: str
    application_id: str
    utilities: tuple[str, ...]
    submitted_on: date

    def take(self, facts: Facts, day: date) -> Outcome:
        return take_application(facts, self.application_id, Application(self.utilities, self.submitted_on))

    def touches(self, facts: Facts, known: Iterable[Account]) -> list[Account]:
        return _asked(facts, self.application_id, known)


class ApplicationTakenBack(NamedTuple):
    uscc: str
    application_id: str
    submitted_on: date

    def take(self, facts: Facts, day: date) -> Outcome:
        return take_withdrawal(facts, self.application_id, Withdrawal(self.submitted_on, day))

    def touches(self, facts: Facts, known: Iterable[Account]) -> list[Account]:
        return _asked(facts, self.application_id, known)


class ApplicationRuled(NamedTuple):
    """A decision; `terms` of a grant."""

    uscc: str
    application_id: str
    revision: int
    outcome: Ruled
    terms: Terms | None

    def take(self, facts: Facts, day: date) -> Outcome:
        return take_ruling(facts, self.application_id, self.revision, self.outcome, self.terms, day)

    def touches(self, facts: Facts, known: Iterable[Account]) -> list[Account]:
        return _asked(facts, self.application_id, known)


class BillIssued(NamedTuple):
    uscc: str
    bill_id: str
    version: int
    account: Account
    period: str
    due_on: date
    amount_fen: int
    production_use: bool

    def take(self, facts: Facts, day: date) -> Outcome:
        bill = Bill(self.version, self.account, self.period, self.due_on, self.amount_fen, self.production_use, day)
        return take_bill(facts, self.bill_id, bill)

    def touches(self, facts: Facts, known: Iterable[Account]) -> list[Account]:
        """A correction may name another account: both change."""
        versions = facts.bills[self.bill_id]
        return list(dict.fromkeys(bill.account for bill in versions[-2:]))


class BillPaid(NamedTuple):
    uscc: str
    bill_id: str
    payment_id: str
    amount_fen: int
    paid_on: date

    def take(self, facts: Facts, day: date) -> Outcome:
        return take_payment(facts, self.payment_id, Payment(self.bill_id, self.amount_fen, self.paid_on, day))

    def touches(self, facts: Facts, known: Iterable[Account]) -> list[Account]:
        """None while it waits for its bill."""
        versions = facts.bills.get(self.bill_id)
        return [] if versions is None else [versions[-1].account]


class DisconnectionRequested(NamedTuple):
    uscc: str
    request_id: str
    account: Account
    requested_on: date


Fact = ApplicationHandedIn | ApplicationTakenBack | ApplicationRuled | BillIssued | BillPaid


def _asked(facts: Facts, application_id: str, known: Iterable[Account]) -> list[Account]:
    application = facts.applications.get(application_id)
    return [] if application is None else [one for one in known if one.utility in application.utilities]
