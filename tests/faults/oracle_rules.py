"""The oracle's second half: from the set of facts in force to the decisions, one measure after the other.

Dates and periods stay text: in `YYYY-MM-DD` and `YYYY-MM` the order of the text is the order of time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from .oracle_records import (
    APPLIED,
    ASSESSED,
    DECLINED,
    DEREGISTERED,
    HEADCOUNT,
    LAYOFFS,
    PAID,
    REGISTERED,
    YEAR,
    Fact,
)

WINDOW = ("2020-02-01", "2020-06-30")
PERIODS = ("2020-02", "2020-03", "2020-04", "2020-05", "2020-06")
REFERENCE_YEAR = 2019
SOUTHERN_FOUR = frozenset({"652900", "653000", "653100", "653200"})


@dataclass(frozen=True)
class Rates:
    """What a pack may say otherwise than the first one: which share of the medical premium is waived, and which of the
    reference year's premium is returned, in the southern four and elsewhere."""

    medical: Fraction = Fraction(1, 2)
    southern: Fraction = Fraction("0.60")
    elsewhere: Fraction = Fraction("0.50")

    @property
    def waived(self) -> dict[str, Fraction]:
        whole = Fraction(1)
        return {"pension": whole, "unemployment": whole, "work_injury": whole, "medical": self.medical}


FIRST_PACK = Rates()

# Employees / annual revenue / total assets, in million yuan: "-" is a measure the industry does not use.
SIZE_STANDARD = """
agriculture    - / 200 / -       - / 5 / -       - / 0.5 / -
industry       1000 / 400 / -    300 / 20 / -    20 / 3 / -
construction   - / 800 / 800     - / 60 / 50     - / 3 / 3
wholesale      200 / 400 / -     20 / 50 / -     5 / 10 / -
retail         300 / 200 / -     50 / 5 / -      10 / 1 / -
transport      1000 / 300 / -    300 / 30 / -    20 / 2 / -
warehousing    200 / 300 / -     100 / 10 / -    20 / 1 / -
postal         1000 / 300 / -    300 / 20 / -    20 / 1 / -
accommodation  300 / 100 / -     100 / 20 / -    10 / 1 / -
catering       300 / 100 / -     100 / 20 / -    10 / 1 / -
telecom        2000 / 1000 / -   100 / 10 / -    10 / 1 / -
software       300 / 100 / -     100 / 10 / -    10 / 0.5 / -
real_estate    - / 2000 / 100    - / 10 / 50     - / 1 / 20
property       1000 / 50 / -     300 / 10 / -    100 / 5 / -
leasing        300 / - / 1200    100 / - / 80    10 / - / 1
other          300 / - / -       100 / - / -     10 / - / -
"""
FEN_PER_MILLION_YUAN = 100 * 10**6

Key = tuple[str, str, str]
"""(uscc, measure, key)"""


@dataclass(frozen=True)
class Decision:
    """The latest decision for one (uscc, measure, key). `prefecture` and `size_class` are None while pending."""

    uscc: str
    measure: str
    key: str
    outcome: str
    amount_fen: int
    effective_on: str
    prefecture: str | None
    size_class: str | None
    reasons: frozenset[str]


def bounds(industry: str) -> tuple[tuple[Fraction | None, ...], ...]:
    """Lower bounds of large, medium and small: each (employees, annual revenue in fen, total assets in fen)."""
    row = next(line for line in SIZE_STANDARD.splitlines() if line.startswith(f"{industry} "))
    cells = [None if cell == "-" else Fraction(cell) for cell in row.replace("/", " ").split()[1:]]
    return tuple(
        (cells[at], *(None if cell is None else cell * FEN_PER_MILLION_YUAN for cell in cells[at + 1 : at + 3]))
        for at in (0, 3, 6)
    )


def size_class(registration: Fact) -> str:
    number = registration.number
    sizes = (number["employees"], number["annual_revenue_fen"], number["total_assets_fen"])
    for name, lowest in zip(("large", "medium", "small"), bounds(registration.text["industry"]), strict=True):
        if all(bound is None or size >= bound for size, bound in zip(sizes, lowest, strict=True)):
            return name
    return "micro"


def round_half_up(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


class Enterprise:
    """All facts in force of one enterprise, and the decisions that follow."""

    def __init__(self, uscc: str, facts: list[Fact], rates: Rates) -> None:
        self.uscc = uscc
        self.rates = rates
        self.facts = facts
        self.deregistered_on = next((fact.text["deregistered_on"] for fact in self.of(DEREGISTERED)), None)

    def of(self, event_type: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.type == event_type]

    def registration_on(self, day: str) -> Fact | None:
        begun = [fact for fact in self.of(REGISTERED) if fact.text["effective_on"] <= day]
        return max(begun, key=lambda fact: fact.text["effective_on"], default=None)

    def deregistered_before(self, day: str) -> bool:
        return self.deregistered_on is not None and self.deregistered_on < day

    def conclude(
        self, measure: str, key: str, amount_fen: int, effective_on: str, registration: Fact, refusals: dict[str, bool]
    ) -> Decision:
        """Granted when no refusal is true; a denial carries every one that is, and the amount 0."""
        reasons = frozenset(code for code, applies in refusals.items() if applies)
        return Decision(
            uscc=self.uscc,
            measure=measure,
            key=key,
            outcome="denied" if reasons else "granted",
            amount_fen=0 if reasons else amount_fen,
            effective_on=effective_on,
            prefecture=registration.text["prefecture"],
            size_class=size_class(registration),
            reasons=reasons,
        )

    def contributions(self) -> Iterable[Decision]:
        """M1 and M4, and what they make returnable."""
        for insurance, share in self.rates.waived.items():
            for period in PERIODS:
                first_day = f"{period}-01"
                assessments = [
                    fact
                    for fact in self.of(ASSESSED)
                    if fact.text["insurance"] == insurance and fact.text["period"] == period
                ]
                registration = self.registration_on(first_day)
                if not assessments or registration is None:
                    continue
                due = sum(fact.number["employer_amount_fen"] for fact in assessments)
                waived = round_half_up(due * share)
                key = f"{insurance}/{period}"
                refusals = {
                    "NOT_SME": size_class(registration) == "large",
                    "DEREGISTERED": self.deregistered_before(first_day),
                    "NOTHING_DUE": due == 0,
                }
                exemption = self.conclude("exemption", key, waived, first_day, registration, refusals)
                yield exemption
                named = {fact.text["assessment_id"] for fact in assessments}
                paid = sum(fact.number["amount_fen"] for fact in self.of(PAID) if fact.text["assessment_id"] in named)
                returnable = paid - (due - waived)
                if exemption.outcome == "granted" and returnable > 0:
                    yield self.conclude("contribution_return", key, returnable, first_day, registration, {})

    def refund(self) -> Iterable[Decision]:
        """M2."""
        year = str(REFERENCE_YEAR)
        settled = [fact for fact in self.of(YEAR) if fact.number["year"] == REFERENCE_YEAR]
        headcounts = {
            fact.text["period"]: fact.number["insured_employees"]
            for fact in self.of(HEADCOUNT)
            if fact.text["period"].startswith(year)
        }
        laid_off = sum(fact.number["laid_off"] for fact in self.of(LAYOFFS) if fact.text["period"].startswith(year))
        registration = self.registration_on(f"{year}-12-31")
        insured = headcounts.get(f"{year}-12")
        if not settled or insured is None or registration is None:
            return
        paid = settled[0].number["unemployment_premium_paid_fen"]
        average = Fraction(sum(headcounts.values()), len(headcounts))
        passes = False
        if average > 0:
            layoff_rate = laid_off / average
            passes = layoff_rate <= Fraction("0.055") or (insured <= 30 and layoff_rate <= Fraction("0.20"))
        southern = registration.text["prefecture"] in SOUTHERN_FOUR
        share = self.rates.southern if southern else self.rates.elsewhere
        refusals = {
            "NOT_SME": size_class(registration) == "large",
            "DEREGISTERED": self.deregistered_before(WINDOW[0]),
            "LAYOFF_RATE": not passes,
            "NOTHING_DUE": paid == 0,
            "DECLINED": any(fact.number["year"] == REFERENCE_YEAR for fact in self.of(DECLINED)),
        }
        yield self.conclude("refund", year, round_half_up(paid * share), WINDOW[0], registration, refusals)

    def holdovers(self) -> Iterable[Decision]:
        """M3 and M5: one decision per application; which dues it names makes no difference to it."""
        for application in self.of(APPLIED):
            key, day = application.text["application_id"], application.text["submitted_on"]
            registration = self.registration_on(day)
            if registration is None:
                missing = frozenset({"REGISTRATION_MISSING"})
                yield Decision(self.uscc, "holdover", key, "pending", 0, day, None, None, missing)
                continue
            refusals = {
                "NO_DIFFICULTY": not application.flag["declared_difficulty"],
                "OUTSIDE_WINDOW": not WINDOW[0] <= day <= WINDOW[1],
                "NOT_SME": size_class(registration) == "large",
                "DEREGISTERED": self.deregistered_on is not None and self.deregistered_on <= day,
            }
            yield self.conclude("holdover", key, 0, day, registration, refusals)


def decide(facts: Iterable[Fact], rates: Rates = FIRST_PACK) -> dict[Key, Decision]:
    """`facts`: of each business id the one in force. Their order makes no difference."""
    by_uscc: dict[str, list[Fact]] = {}
    for fact in facts:
        by_uscc.setdefault(fact.uscc, []).append(fact)
    decisions: dict[Key, Decision] = {}
    for uscc, own in sorted(by_uscc.items()):
        enterprise = Enterprise(uscc, own, rates)
        for decision in (*enterprise.contributions(), *enterprise.refund(), *enterprise.holdovers()):
            decisions[uscc, decision.measure, decision.key] = decision
    return decisions
