"""What the social insurance authority knows: monthly headcounts, layoffs, and the settled year."""

import random

from services.simulator.calendar import REFERENCE_MONTHS, REPORT_MONTHS, WINDOW_MONTHS, Month, day, moment
from services.simulator.firm import Firm, between
from services.simulator.wire import Fact, Headcount, Layoffs, YearSettled

_OPENS, _CLOSES = 9 * 3600, 18 * 3600
_SETTLED = (day("2020-01-10"), day("2020-03-20"))
# Employer and employee part of the unemployment premium together, in percent of the payroll.
_UNEMPLOYMENT_PERCENT = 1


def office_hour(rng: random.Random, ordinal: int) -> int:
    """A moment of that day while offices are open."""
    return moment(ordinal, between(rng, _OPENS, _CLOSES))


def headcounts(firm: Firm, rng: random.Random) -> dict[str, int]:
    """Insured employees by period, for the reported months in which the firm exists."""
    counts: dict[str, int] = {}
    insured = firm.insured
    for number, month in enumerate(REPORT_MONTHS):
        if month.last < firm.registered or (firm.deregistered is not None and firm.deregistered < month.first):
            continue
        if firm.limit is not None:
            insured = firm.limit.odd_months if number % 2 == 0 and number < 12 else firm.limit.even_months
        elif insured:
            insured = _next_month(insured, rng)
        counts[month.period] = insured
    return counts


def labour_facts(firm: Firm, counts: dict[str, int], rng: random.Random) -> list[Fact]:
    facts: list[Fact] = []
    # A firm at a limit reports every month: a gap would move its average.
    gaps = firm.limit is None and rng.random() < 0.04
    for month in REPORT_MONTHS:
        insured = counts.get(month.period)
        if insured is None or (gaps and rng.random() < 0.12):
            continue
        data = Headcount(uscc=firm.uscc, period=month.period, insured_employees=insured)
        facts.append(Fact(_month_end(rng, month), f"hc-{firm.organisation}-{month.compact}-1", data))
    _layoffs(firm, counts, rng, facts)
    _settlement(firm, counts, rng, facts)
    return facts


def _next_month(insured: int, rng: random.Random) -> int:
    change = rng.random()
    if change < 0.07:
        return max(1, insured - 1 - insured // 25)
    if change < 0.15:
        return insured + 1 + insured // 30
    return insured


def _month_end(rng: random.Random, month: Month) -> int:
    return office_hour(rng, month.last - between(rng, 0, 7))


def _layoffs(firm: Firm, counts: dict[str, int], rng: random.Random, facts: list[Fact]) -> None:
    months = [month for month in REFERENCE_MONTHS if month.period in counts]
    if not months:
        return
    total = _laid_off(firm, sum(counts[month.period] for month in months) // len(months), rng)
    if total is None:
        return
    # Reported in up to three months; the last of them takes what is left.
    parts = between(rng, 1, min(3, len(months)))
    reported = sorted({between(rng, 0, len(months) - 1) for _ in range(parts)})
    for place in reported:
        share = total if place == reported[-1] else int(total * rng.random())
        total -= share
        _layoff(firm, months[place], share, rng, facts)
    if rng.random() < 0.1:
        # Layoffs of the window: reported, and without effect on the reference year.
        later = WINDOW_MONTHS[between(rng, 0, 4)]
        if later.period in counts:
            _layoff(firm, later, between(rng, 0, counts[later.period]), rng, facts)


def _layoff(firm: Firm, month: Month, laid_off: int, rng: random.Random, facts: list[Fact]) -> None:
    data = Layoffs(uscc=firm.uscc, period=month.period, laid_off=laid_off)
    facts.append(Fact(_month_end(rng, month), f"lo-{firm.organisation}-{month.compact}-1", data))


def _laid_off(firm: Firm, average: int, rng: random.Random) -> int | None:
    """People laid off in the reference year; None where nothing is ever reported, as in most firms."""
    if firm.limit is not None:
        return firm.limit.laid_off
    kind = rng.random()
    if kind < 0.82:
        return None
    if kind < 0.93:
        return 0
    if kind < 0.97:
        return int(average * 0.055 * rng.random())
    if kind < 0.99:
        return int(average * (0.056 + 0.14 * rng.random())) + 1
    return int(average * (0.21 + 0.4 * rng.random())) + 1


def _settlement(firm: Firm, counts: dict[str, int], rng: random.Random, facts: list[Fact]) -> None:
    paid = sum(counts.get(month.period, 0) for month in REFERENCE_MONTHS) * firm.wage_fen * _UNEMPLOYMENT_PERCENT // 100
    settled = between(rng, *_SETTLED)
    if REFERENCE_MONTHS[0].period not in counts and REFERENCE_MONTHS[-1].period not in counts:
        return  # nothing to settle: it did not exist in the reference year
    if firm.limit is None and rng.random() < 0.015:
        paid = 0
    data = YearSettled(uscc=firm.uscc, year=2019, unemployment_premium_paid_fen=paid)
    facts.append(Fact(office_hour(rng, settled), f"ys-{firm.organisation}-2019-1", data))
