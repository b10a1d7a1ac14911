"""Events of the contract to the facts that the rules take."""

from collections.abc import Callable
from typing import Any

from services.eligibility.domain import facts as domain
from services.eligibility.domain.state import (
    Application,
    Assessment,
    Decline,
    Deregistration,
    Payee,
    Payment,
    Registration,
    Report,
)
from shared.contracts.registry import AnyEvent


def to_domain(event: AnyEvent) -> domain.Fact:
    """A fact event, or an upstream event that would become one, as the rules take it."""
    translate = _TRANSLATE.get(event.type)
    return domain.Irrelevant() if translate is None else translate(event.data, event.id)


def _registration(data: Any, fact: str) -> domain.Fact:
    sealed = getattr(data, "payee_sealed", None)
    payee = None if sealed is None else Payee(sealed, data.payee_digest or "")
    return domain.RegistrationFact(
        data.uscc,
        Registration(
            data.effective_on,
            data.version,
            fact,
            data.industry,
            data.prefecture,
            data.employees,
            data.annual_revenue_fen,
            data.total_assets_fen,
            payee,
        ),
    )


_TRANSLATE: dict[str, Callable[[Any, str], domain.Fact]] = {
    "cn.tax.enterprise.registered.v1": _registration,
    "cn.tax.enterprise.deregistered.v1": lambda d, fact: domain.DeregistrationFact(
        d.uscc, Deregistration(fact, d.deregistered_on)
    ),
    "cn.tax.contribution.assessed.v1": lambda d, fact: domain.AssessmentFact(
        d.uscc, d.assessment_id, f"{d.insurance}/{d.period}", Assessment(d.version, fact, d.employer_amount_fen)
    ),
    "cn.tax.contribution.paid.v1": lambda d, fact: domain.PaymentFact(
        d.uscc, d.assessment_id, d.payment_id, Payment(fact, d.amount_fen)
    ),
    "cn.insurance.headcount.reported.v1": lambda d, fact: domain.HeadcountFact(
        d.uscc, d.period, Report(d.version, fact, d.insured_employees)
    ),
    "cn.insurance.layoffs.reported.v1": lambda d, fact: domain.LayoffsFact(
        d.uscc, d.period, Report(d.version, fact, d.laid_off)
    ),
    "cn.insurance.year.settled.v1": lambda d, fact: domain.PremiumFact(
        d.uscc, d.year, Report(d.version, fact, d.unemployment_premium_paid_fen)
    ),
    "relief.refund.declined.v1": lambda d, fact: domain.DeclineFact(d.uscc, d.application_id, Decline(fact, d.year)),
    "relief.holdover.applied.v1": lambda d, fact: domain.ApplicationFact(
        d.uscc, d.application_id, Application(fact, d.declared_difficulty, d.submitted_on)
    ),
    "relief.review.requested.v1": lambda d, fact: domain.Review(d.uscc),
    "relief.day.started.v1": lambda d, fact: domain.DayStarted(d.date),
    "relief.pack.activated.v1": lambda d, fact: domain.PackActivated(d.sha256),
}
