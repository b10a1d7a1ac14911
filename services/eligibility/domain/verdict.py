"""The outcome of one rule for one (measure, key), and what every rule needs."""

from datetime import date

from msgspec import Struct

from services.eligibility.domain import reasons
from services.eligibility.domain.pack import SME, Pack
from services.eligibility.domain.reasons import Reason
from services.eligibility.domain.state import Enterprise, Payee, Registration


class Verdict(Struct, frozen=True):
    """What policy says now. `amount_fen` is 0 unless granted; `facts` are upstream ids, in a fixed order."""

    measure: str
    key: str
    outcome: str
    amount_fen: int
    effective_on: date
    reasons: tuple[Reason, ...]
    facts: tuple[str, ...]
    prefecture: str | None = None
    size_class: str | None = None
    payee: Payee | None = None


def size_class(registration: Registration, pack: Pack) -> str:
    return pack.sizes.class_of(
        registration.industry,
        registration.employees,
        registration.annual_revenue_fen,
        registration.total_assets_fen,
    )


def group(size: str) -> str:
    """How the pack's rates name a size class: "sme" or "large"."""
    return "sme" if size in SME else "large"


def deregistered_before(enterprise: Enterprise, day: date, pack: Pack) -> list[Reason]:
    """The reason, if the enterprise was deregistered before the day."""
    gone = enterprise.deregistration
    if gone is None or gone.on >= day:
        return []
    return [reasons.deregistered(gone.on, day, pack.deregistration_citation)]


def standing(registration: Registration, enterprise: Enterprise) -> list[str]:
    """The ids of the facts on which every decision rests."""
    gone = enterprise.deregistration
    return [registration.fact] if gone is None else [registration.fact, gone.fact]


def account_of(registration: Registration, enterprise: Enterprise) -> list[str]:
    """What else a payout rests on: the newest registration, which names the account, where another one is in force."""
    newest = enterprise.registrations[-1]
    return [] if newest is registration else [newest.fact]
