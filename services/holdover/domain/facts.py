"""What is known of one enterprise. Everything else about its holdovers follows from this and the day."""

from datetime import date
from typing import Final, Literal, TypeVar

import msgspec

from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms

Ruled = Literal["granted", "denied", "pending"]
# `changed`: news; `repeat`: known already; `superseded`: a version or revision below the one held.
Outcome = Literal["changed", "repeat", "superseded"]
# Before any day has started in a log.
DAWN: Final = date(1900, 1, 1)


class Contradiction(Exception):
    """The log says two things that cannot both hold; the message is one sentence. Nothing may follow from it."""


class Bill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version of a bill. `known_on`: the day that had last started in the log when it was accepted."""

    version: int
    account: Account
    period: str
    due_on: date
    amount_fen: int
    production_use: bool
    known_on: date


class Payment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    bill_id: str
    amount_fen: int
    paid_on: date
    known_on: date

    @property
    def dated(self) -> date:
        """The day it counts from: what was known on a day was paid by then, whatever date it names."""
        return min(self.paid_on, self.known_on)


class Application(msgspec.Struct, frozen=True, array_like=True, gc=False):
    utilities: tuple[str, ...]
    submitted_on: date


class Withdrawal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    submitted_on: date
    known_on: date

    @property
    def dated(self) -> date:
        """The day from which it counts."""
        return min(self.submitted_on, self.known_on)


class Ruling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The latest decision on an application. `since`: the day from which it is granted without a break."""

    revision: int
    outcome: Ruled
    since: date | None = None
    terms: Terms | None = None


K = TypeVar("K", Bill, Payment, Withdrawal)


class Facts(msgspec.Struct, array_like=True):
    """By id; of a bill every version, ascending; of a request the account's holdover id."""

    applications: dict[str, Application] = msgspec.field(default_factory=dict)
    rulings: dict[str, Ruling] = msgspec.field(default_factory=dict)
    withdrawals: dict[str, Withdrawal] = msgspec.field(default_factory=dict)
    bills: dict[str, tuple[Bill, ...]] = msgspec.field(default_factory=dict)
    payments: dict[str, Payment] = msgspec.field(default_factory=dict)
    requests: dict[str, str] = msgspec.field(default_factory=dict)


def take_application(facts: Facts, application_id: str, application: Application) -> Outcome:
    """Raises Contradiction where it is known with another content."""
    held = facts.applications.setdefault(application_id, application)
    if held != application:
        raise Contradiction(f"Application {application_id} came before with other content.")
    return "changed" if held is application else "repeat"


def take_withdrawal(facts: Facts, application_id: str, withdrawal: Withdrawal) -> Outcome:
    """Also before the application it names. Raises Contradiction."""
    return _once(facts.withdrawals, application_id, withdrawal, "Withdrawal")


def take_bill(facts: Facts, bill_id: str, bill: Bill) -> Outcome:
    """A higher version corrects; the versions before it stay known. Raises Contradiction."""
    versions = facts.bills.get(bill_id, ())
    if versions and bill.version <= versions[-1].version:
        if bill.version < versions[-1].version:
            return "superseded"
        _compare(versions[-1], bill, f"Version {bill.version} of bill {bill_id}")
        return "repeat"
    facts.bills[bill_id] = (*versions, bill)
    return "changed"


def take_payment(facts: Facts, payment_id: str, payment: Payment) -> Outcome:
    """Also before the bill it names. Raises Contradiction."""
    return _once(facts.payments, payment_id, payment, "Payment")


def take_ruling(
    facts: Facts, application_id: str, revision: int, outcome: Ruled, terms: Terms | None, day: date
) -> Outcome:
    """The highest revision counts; `terms` only of a grant; `day`: the last one started among the decisions.

    Raises Contradiction.
    """
    held = facts.rulings.get(application_id)
    if held is not None and revision <= held.revision:
        if revision < held.revision:
            return "superseded"
        if outcome != held.outcome:
            raise Contradiction(
                f"Revision {revision} on application {application_id} was {held.outcome} before and is {outcome} now."
            )
        return "repeat"
    since = None
    if outcome == "granted":
        since = held.since if held is not None and held.since is not None else day
    facts.rulings[application_id] = Ruling(revision, outcome, since, terms)
    return "changed"


def _once(held: dict[str, K], identity: str, fact: K, what: str) -> Outcome:
    known = held.setdefault(identity, fact)
    if known is fact:
        return "changed"
    _compare(known, fact, f"{what} {identity}")
    return "repeat"


def _compare(held: K, fact: K, what: str) -> None:
    """A repeat may come on a later day; the first one's counts."""
    if msgspec.structs.replace(fact, known_on=held.known_on) != held:
        raise Contradiction(f"{what} came before with other content.")
