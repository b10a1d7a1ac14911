"""The facts that can change a decision, as eligibility takes them, and how each enters the state.

Taking a fact twice, or an older version after a newer, changes nothing: `take` says so by returning no affected keys.
"""

from datetime import date
from typing import Literal

from msgspec import Struct

from services.eligibility.domain.state import (
    Application,
    Assessment,
    Decline,
    Deregistration,
    Enterprise,
    Payment,
    Registration,
    Report,
)


class Affected(Struct, frozen=True, gc=False):
    """What a fact can change; `key` names the contribution or the application."""

    what: Literal["everything", "contribution", "refund", "application"]
    key: str = ""


EVERYTHING, REFUND = Affected("everything"), Affected("refund")


class RegistrationFact(Struct, frozen=True):
    uscc: str
    registration: Registration

    def take(self, enterprise: Enterprise) -> Affected | None:
        new = self.registration
        kept = enterprise.registrations
        for position, old in enumerate(kept):
            if old.effective_on == new.effective_on:
                if old.version >= new.version:
                    return None
                kept[position] = new
                return EVERYTHING
        kept.append(new)
        kept.sort(key=lambda registration: registration.effective_on)
        return EVERYTHING


class DeregistrationFact(Struct, frozen=True):
    uscc: str
    deregistration: Deregistration

    def take(self, enterprise: Enterprise) -> Affected | None:
        if enterprise.deregistration is not None:
            return None
        enterprise.deregistration = self.deregistration
        return EVERYTHING


class AssessmentFact(Struct, frozen=True):
    uscc: str
    assessment_id: str
    key: str
    assessment: Assessment

    def take(self, enterprise: Enterprise) -> Affected | None:
        known = enterprise.key_of(self.assessment_id)
        if known is not None and known != self.key:
            return None  # intake refuses this; the first stands
        kept = enterprise.contribution(self.key) if known is not None else None
        if kept is None:
            kept = enterprise.begin(self.key, self.assessment_id)
        elif kept.assessments[self.assessment_id].version >= self.assessment.version:
            return None
        kept.assessments[self.assessment_id] = self.assessment
        return Affected("contribution", self.key)


class PaymentFact(Struct, frozen=True):
    uscc: str
    assessment_id: str
    payment_id: str
    payment: Payment

    def take(self, enterprise: Enterprise) -> Affected | None:
        key = enterprise.key_of(self.assessment_id)
        contribution = None if key is None else enterprise.contribution(key)
        payments = enterprise.early if contribution is None else contribution.payments
        kept = payments.setdefault(self.assessment_id, {})
        if self.payment_id in kept:
            return None
        kept[self.payment_id] = self.payment
        return None if key is None else Affected("contribution", key)


class HeadcountFact(Struct, frozen=True):
    uscc: str
    period: str
    report: Report

    def take(self, enterprise: Enterprise) -> Affected | None:
        return _newer(enterprise.insured.headcounts, self.period, self.report)


class LayoffsFact(Struct, frozen=True):
    uscc: str
    period: str
    report: Report

    def take(self, enterprise: Enterprise) -> Affected | None:
        return _newer(enterprise.insured.layoffs, self.period, self.report)


class PremiumFact(Struct, frozen=True):
    uscc: str
    year: int
    report: Report

    def take(self, enterprise: Enterprise) -> Affected | None:
        old = enterprise.insured.premiums.get(self.year)
        if old is not None and old.version >= self.report.version:
            return None
        enterprise.insured.premiums[self.year] = self.report
        return REFUND


class DeclineFact(Struct, frozen=True):
    uscc: str
    application_id: str
    decline: Decline

    def take(self, enterprise: Enterprise) -> Affected | None:
        if self.application_id in enterprise.insured.declines:
            return None
        enterprise.insured.declines[self.application_id] = self.decline
        return REFUND


class ApplicationFact(Struct, frozen=True):
    uscc: str
    application_id: str
    application: Application

    def take(self, enterprise: Enterprise) -> Affected | None:
        if self.application_id in enterprise.applications:
            return None
        enterprise.applications[self.application_id] = self.application
        return Affected("application", self.application_id)


class Review(Struct, frozen=True):
    """Decide everything anew, under the pack now in force."""

    uscc: str

    def take(self, enterprise: Enterprise) -> Affected | None:
        return EVERYTHING


class DayStarted(Struct, frozen=True):
    day: date


class PackActivated(Struct, frozen=True):
    sha256: str


class Irrelevant(Struct, frozen=True):
    """A fact of other services: bills, needs, withdrawals."""


EnterpriseFact = (
    RegistrationFact
    | DeregistrationFact
    | AssessmentFact
    | PaymentFact
    | HeadcountFact
    | LayoffsFact
    | PremiumFact
    | DeclineFact
    | ApplicationFact
    | Review
)
Fact = EnterpriseFact | DayStarted | PackActivated | Irrelevant


def _newer(kept: dict[str, Report], period: str, report: Report) -> Affected | None:
    old = kept.get(period)
    if old is not None and old.version >= report.version:
        return None
    kept[period] = report
    return REFUND
