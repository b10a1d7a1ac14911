"""Facts of one enterprise for this service's tests, and their decisions in one line of text."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from services.eligibility import packs
from services.eligibility.domain import facts
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import (
    Application,
    Assessment,
    Decline,
    Deregistration,
    Enterprise,
    Payee,
    Payment,
    Registration,
    Report,
)
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.domain.verdict import Verdict
from shared.uscc import with_check_character

PACK: Pack = packs.named("xinjiang-2020")


def enterprise(number: int) -> str:
    """A valid unified social credit code."""
    return with_check_character(f"91650100MA{number:07d}")


A = enterprise(1)
# By employees alone: from 300 on large.
SMALL, LARGE = 50, 300


def payee(account: str) -> Payee:
    """Sealed and digest stand for themselves: this service opens neither."""
    return Payee("e30.a.b.c." + account, account.encode().hex().zfill(32))


def registered(
    effective_on: str = "2019-01-01", employees: int = SMALL, version: int = 1, *, prefecture: str = "650100",
    account: str | None = "1", **changed: Any,
) -> facts.RegistrationFact:  # fmt: skip
    given: dict[str, Any] = {
        "industry": "other",
        "annual_revenue_fen": 0,
        "total_assets_fen": 0,
        "payee": None if account is None else payee(account),
    }
    return facts.RegistrationFact(
        A,
        Registration(
            effective_on=date.fromisoformat(effective_on),
            version=version,
            fact=f"reg-{effective_on}-{version}",
            prefecture=prefecture,
            employees=employees,
            **(given | changed),
        ),
    )


def deregistered(on: str) -> facts.DeregistrationFact:
    return facts.DeregistrationFact(A, Deregistration(f"gone-{on}", date.fromisoformat(on)))


def assessed(
    amount_fen: int, key: str = "pension/2020-02", name: str = "a", version: int = 1
) -> facts.AssessmentFact:  # fmt: skip
    name = f"{name}-{key}"
    return facts.AssessmentFact(A, name, key, Assessment(version, f"{name}-{version}", amount_fen))


def paid(amount_fen: int, name: str = "p", key: str = "pension/2020-02", of: str = "a") -> facts.PaymentFact:
    return facts.PaymentFact(A, f"{of}-{key}", name, Payment(f"paid-{name}", amount_fen))


def headcount(number: int, period: str = "2019-12", version: int = 1) -> facts.HeadcountFact:
    return facts.HeadcountFact(A, period, Report(version, f"heads-{period}-{version}", number))


def layoffs(number: int, period: str = "2019-06", version: int = 1) -> facts.LayoffsFact:
    return facts.LayoffsFact(A, period, Report(version, f"layoffs-{period}-{version}", number))


def settled(premium_fen: int, year: int = 2019, version: int = 1) -> facts.PremiumFact:
    return facts.PremiumFact(A, year, Report(version, f"year-{year}-{version}", premium_fen))


def declined(year: int = 2019, name: str = "d") -> facts.DeclineFact:
    return facts.DeclineFact(A, name, Decline(f"declined-{name}", year))


def applied(submitted_on: str = "2020-03-02", difficulty: bool = True, name: str = "h1") -> facts.ApplicationFact:
    return facts.ApplicationFact(
        A, name, Application(f"applied-{name}", difficulty, date.fromisoformat(submitted_on))
    )  # fmt: skip


def knowing(history: Iterable[facts.EnterpriseFact]) -> Enterprise:
    known = Enterprise()
    for fact in history:
        fact.take(known)
    return known


def in_words(verdict: Verdict) -> str:
    """`exemption pension/2020-02 granted 1000`, with a denial's codes in alphabetical order."""
    codes = ",".join(sorted(reason.code for reason in verdict.reasons))
    words = (verdict.measure, verdict.key, verdict.outcome, str(verdict.amount_fen), codes)
    return " ".join(word for word in words if word)


def standing(history: Iterable[facts.EnterpriseFact], measure: str) -> list[str]:
    """The decisions on a measure, in words and in order, whatever else is known."""
    verdicts = standing_verdicts(knowing(history), PACK)
    return sorted(in_words(verdict).removeprefix(f"{measure} ") for verdict in verdicts if verdict.measure == measure)
