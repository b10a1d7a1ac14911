"""The policy pack as the rules see it: typed, dated, without I/O. services/eligibility/packs.py makes it from files."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Generic, TypeVar

V = TypeVar("V")

SME = ("medium", "small", "micro")


@dataclass(frozen=True, slots=True)
class Dated(Generic[V]):
    """A value from a day on; a repeal is a value of None."""

    since: date
    value: V | None


@dataclass(frozen=True, slots=True)
class Timeline(Generic[V]):
    """One parameter through time, with the sentence of the source it stands on. Ascending by `since`."""

    values: tuple[Dated[V], ...]
    citation: str

    def on(self, day: date) -> V | None:
        """The value in force on a day; None before the first and after a repeal."""
        found = None
        for dated in self.values:
            if dated.since > day:
                break
            found = dated.value
        return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of one size class, all of which must be met; None: not used."""

    employees: int | None
    annual_revenue_fen: int | None
    total_assets_fen: int | None

    def met(self, employees: int, annual_revenue_fen: int, total_assets_fen: int) -> bool:
        return (
            (self.employees is None or employees >= self.employees)
            and (self.annual_revenue_fen is None or annual_revenue_fen >= self.annual_revenue_fen)
            and (self.total_assets_fen is None or total_assets_fen >= self.total_assets_fen)
        )


@dataclass(frozen=True, slots=True)
class SizeStandard:
    """Industry code to (class, bounds), the highest class first; none met: micro."""

    classes: dict[str, tuple[tuple[str, Bounds], ...]]
    citation: str

    def class_of(self, industry: str, employees: int, annual_revenue_fen: int, total_assets_fen: int) -> str:
        for name, bounds in self.classes[industry]:
            if bounds.met(employees, annual_revenue_fen, total_assets_fen):
                return name
        return "micro"


@dataclass(frozen=True, slots=True)
class Window:
    first_day: date
    last_day: date
    citation: str

    def holds(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day


def first_day(key: str) -> date:
    """Of the month in "insurance/YYYY-MM"."""
    period = key.partition("/")[2]
    return date(int(period[:4]), int(period[5:7]), 1)


@dataclass(frozen=True, slots=True)
class Relief:
    """What the rules say of one insurance and month: for "sme" and "large" the rate, if any, and where it stands."""

    first_day: date
    rates: dict[str, tuple[int | None, str]]


@dataclass(frozen=True, slots=True)
class ContributionRules:
    """Relief of the employer part, in basis points: insurance -> "sme" | "large" -> rate by the period's first day."""

    rates: dict[str, dict[str, Timeline[int]]]
    _looked_up: dict[str, Relief | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, key: str) -> Relief | None:
        """For "insurance/YYYY-MM"; None where there is no rate for its month. There are few keys: each is kept."""
        try:
            return self._looked_up[key]
        except KeyError:
            found = self._looked_up[key] = self._look_up(key)
            return found

    def _look_up(self, key: str) -> Relief | None:
        timelines = self.rates.get(key.partition("/")[0])
        if timelines is None:
            return None
        first = first_day(key)
        rates = {group: (timeline.on(first), timeline.citation) for group, timeline in timelines.items()}
        return Relief(first, rates) if any(rate is not None for rate, _ in rates.values()) else None


@dataclass(frozen=True, slots=True)
class RefundRules:
    """Rates in basis points: "sme" | "large" -> "southern" | "other" -> rate, None where there is no refund."""

    reference_year: int
    rates: dict[str, dict[str, int | None]]
    layoff_limit_bp: int
    small_insured_at_most: int
    small_layoff_limit_bp: int
    citation: str
    layoff_citation: str


@dataclass(frozen=True, slots=True)
class HoldoverRules:
    repay_from: date
    instalments: int
    grace_days: int
    citation: str

    @property
    def ends_on(self) -> date:
        return self.repay_from - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PackRef:
    pack: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pack:
    ref: PackRef
    window: Window
    sizes: SizeStandard
    southern: frozenset[str]
    contributions: ContributionRules
    refund: RefundRules
    holdover: HoldoverRules
    deregistration_citation: str
