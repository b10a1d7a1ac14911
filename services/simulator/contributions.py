"""What the tax authority knows of an enterprise: registrations, assessments, payments."""

import random

from services.simulator.calendar import WINDOW_MONTHS, Month, day, day_text
from services.simulator.firm import Firm, Size, between, draw_size
from services.simulator.labour import office_hour
from services.simulator.tables import PREFECTURES, Prefecture
from services.simulator.wire import Assessed, Deregistered, Fact, Paid, Payee, Registered

# Employer parts in 1/10,000 of the payroll; work injury has a rate by industry.
_RATES = (("pension", "pe", 1600), ("unemployment", "un", 50), ("work_injury", "wi", None), ("medical", "me", 800))
# How many firms pay a month's contributions all the same: February fell due before the exemption was known.
_PAYING = {"2020-02": 0.82, "2020-03": 0.06, "2020-04": 0.03, "2020-05": 0.02, "2020-06": 0.01}
_PART_OF_PAYING = 0.15
_CHANGES = (day("2019-06-01"), day("2020-05-31"))
_MONTH_STARTS = [month.first for month in WINDOW_MONTHS]
_LAST = day("2020-06-30")


def registration_facts(firm: Firm, rng: random.Random) -> list[Fact]:
    payee = _payee(firm, rng)
    facts = [_registered(firm, firm.effective, firm.prefecture, firm.size, payee, rng)]
    if firm.limit is None and firm.size_class != "large" and rng.random() < 0.013:
        changed = between(rng, *_CHANGES) if rng.random() < 0.7 else _MONTH_STARTS[between(rng, 0, 4)]
        prefecture, size = firm.prefecture, firm.size
        if rng.random() < 0.6:
            prefecture = PREFECTURES[between(rng, 0, len(PREFECTURES) - 1)]
        else:
            size = draw_size(rng, firm.industry, large=rng.random() < 0.4)
        if changed > firm.effective:
            facts.append(_registered(firm, changed, prefecture, size, payee, rng))
    if firm.deregistered is not None:
        data = Deregistered(uscc=firm.uscc, deregistered_on=day_text(firm.deregistered))
        facts.append(Fact(office_hour(rng, firm.deregistered), f"de-{firm.organisation}", data))
    return facts


def _registered(
    firm: Firm, effective: int, prefecture: Prefecture, size: Size, payee: Payee | None, rng: random.Random
) -> Fact:
    effective_on = day_text(effective)
    data = Registered(
        uscc=firm.uscc,
        name=firm.name,
        industry=firm.industry.code,
        prefecture=prefecture.code,
        registered_on=day_text(firm.registered),
        effective_on=effective_on,
        employees=size.employees,
        annual_revenue_fen=size.revenue_fen,
        total_assets_fen=size.assets_fen,
        payee=payee,
    )
    return Fact(office_hour(rng, effective), f"re-{firm.organisation}-{effective_on.replace('-', '')}-1", data)


def _payee(firm: Firm, rng: random.Random) -> Payee | None:
    if rng.random() >= 0.98:
        return None
    bank = 102 + int(rng.random() * 4)
    return Payee(firm.name, f"62{int(rng.random() * 10**15):015d}", f"{bank}{int(rng.random() * 10**9):09d}")


def contribution_facts(firm: Firm, counts: dict[str, int], rng: random.Random) -> list[Fact]:
    facts: list[Fact] = []
    lagging = rng.random() < 0.5
    insured = firm.insured
    for month in WINDOW_MONTHS:
        if month.last < firm.registered:
            continue
        if firm.deregistered is not None and firm.deregistered < month.first:
            # The authority may assess once more before it hears of the end.
            if not lagging:
                break
            lagging = False
        insured = counts.get(month.period, insured)
        _month(firm, month, insured * firm.wage_fen, rng, facts)
    return facts


def _month(firm: Firm, month: Month, payroll: int, rng: random.Random, facts: list[Fact]) -> None:
    due = day_text(month.first + 24)
    assessed_on = month.first + between(rng, 0, 8)
    zero = rng.random() < 0.002
    split = rng.random() < 0.004
    pays = rng.random() < (0.9 if firm.size_class == "large" else _PAYING[month.period])
    in_part = pays and rng.random() < _PART_OF_PAYING
    for insurance, short, rate in _RATES:
        amount = 0 if zero else payroll * (rate if rate is not None else firm.industry.injury_rate) // 10_000
        first = amount // 3 if split else amount
        for number, part in ((1, first), (2, amount - first)) if split else ((1, amount),):
            assessment_id = f"{firm.organisation}-{month.compact}-{short}-{number}"
            data = Assessed(
                uscc=firm.uscc,
                assessment_id=assessment_id,
                insurance=insurance,
                period=month.period,
                employer_amount_fen=part,
                due_on=due,
            )
            facts.append(Fact(office_hour(rng, assessed_on), f"as-{assessment_id}-1", data))
            if pays and part:
                _payments(firm, assessment_id, part, assessed_on, in_part, rng, facts)


def _payments(
    firm: Firm, assessment_id: str, due_fen: int, assessed_on: int, in_part: bool, rng: random.Random, facts: list[Fact]
) -> None:
    amounts = [due_fen]
    kind = rng.random()
    if in_part:
        paid = max(1, due_fen * between(rng, 10, 90) // 100)
        amounts = [paid - paid // 3, paid // 3] if kind < 0.2 else [paid]
    elif kind < 0.004:
        amounts = [due_fen, due_fen]  # paid twice by mistake: all of the second is returnable
    # Some pay before the assessment is out, so its payment arrives first.
    paid_on = assessed_on - 2 if rng.random() < 0.005 else assessed_on + between(rng, 1, 16)
    for number, amount in enumerate(amounts, start=1):
        on = min(paid_on + (number - 1) * 3, _LAST)
        if amount:
            payment_id = f"{assessment_id}-p{number}"
            data = Paid(
                uscc=firm.uscc,
                assessment_id=assessment_id,
                payment_id=payment_id,
                amount_fen=amount,
                paid_on=day_text(on),
            )
            facts.append(Fact(office_hour(rng, on), f"pa-{payment_id}", data))
