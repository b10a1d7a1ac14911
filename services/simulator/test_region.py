from collections import Counter
from fractions import Fraction
from itertools import islice
from typing import TypeVar

import pytest

from services.simulator.calendar import day, moment, moment_text, unix_ms
from services.simulator.firm import LIMITS
from services.simulator.region import Enterprise, enterprise, region
from services.simulator.tables import INDUSTRIES, PREFECTURES
from services.simulator.wire import (
    Assessed,
    BillIssued,
    BillPaid,
    Data,
    DisconnectionRequested,
    Headcount,
    HoldoverApplied,
    HoldoverWithdrawal,
    Layoffs,
    Paid,
    Registered,
    YearSettled,
)
from shared import uscc

SEED = 2020
D = TypeVar("D", bound=Data)
SOUTHERN_FOUR = {"652900", "653000", "653100", "653200"}


@pytest.fixture(scope="module")
def enterprises() -> list[Enterprise]:
    return list(region(4000, SEED))


def layoff_rate_2019(found: Enterprise) -> tuple[Fraction, int]:
    """The layoff rate and the insured employees in December, read from the facts alone."""
    counts = {fact.data.period: fact.data.insured_employees for fact in found.facts if isinstance(fact.data, Headcount)}
    year = {period: insured for period, insured in counts.items() if period.startswith("2019-")}
    laid_off = sum(
        fact.data.laid_off
        for fact in found.facts
        if isinstance(fact.data, Layoffs) and fact.data.period.startswith("2019-")
    )
    return Fraction(laid_off * len(year), sum(year.values())), year["2019-12"]


def test_an_enterprise_is_the_same_whatever_the_size_of_the_region() -> None:
    assert list(region(3, SEED)) == list(islice(region(1000, SEED), 3))
    assert enterprise(2, SEED) != enterprise(2, SEED + 1)


def test_a_region_needs_an_enterprise() -> None:
    with pytest.raises(ValueError, match="at least one"):
        region(0, SEED)


def test_codes_are_valid_and_no_two_alike(enterprises: list[Enterprise]) -> None:
    codes = [found.firm.uscc for found in enterprises]
    assert all(uscc.is_valid(code) for code in codes)
    assert len(set(codes)) == len({found.firm.organisation for found in enterprises}) == len(codes)


def test_99_percent_are_small_or_medium_and_most_of_them_micro(enterprises: list[Enterprise]) -> None:
    classes = Counter(found.firm.size_class for found in enterprises)
    assert 0.985 < 1 - classes["large"] / len(enterprises) < 0.997
    assert classes["micro"] > classes["small"] > classes["medium"] > classes["large"] > 0
    assert classes["micro"] > len(enterprises) / 2


def test_sizes_are_heavy_tailed(enterprises: list[Enterprise]) -> None:
    staff = sorted(found.firm.size.employees for found in enterprises)
    assert staff[len(staff) // 2] < 10
    assert sum(staff[-len(staff) // 20 :]) > sum(staff) / 3


def test_every_prefecture_and_industry_is_present_and_the_large_ones_lead(enterprises: list[Enterprise]) -> None:
    prefectures = Counter(found.firm.prefecture.code for found in enterprises)
    assert set(prefectures) == {prefecture.code for prefecture in PREFECTURES}
    assert len(prefectures) == 15
    assert set(prefectures) > SOUTHERN_FOUR
    assert [code for code, _ in prefectures.most_common(2)] == ["650100", "654000"]
    assert {found.firm.industry.code for found in enterprises} == {industry.code for industry in INDUSTRIES}
    assert len(INDUSTRIES) == 16


@pytest.mark.parametrize(
    ("employees", "revenue_yuan", "expected"),
    [
        (1000, 400_000_000, "large"),
        (999, 400_000_000, "medium"),
        (1000, 399_999_999, "medium"),
        (300, 20_000_000, "medium"),
        (20, 3_000_000, "small"),
        (19, 3_000_000, "micro"),
        (20, 2_999_999, "micro"),
    ],
)
def test_the_class_is_the_highest_whose_bounds_are_all_met(employees: int, revenue_yuan: int, expected: str) -> None:
    industry = next(industry for industry in INDUSTRIES if industry.code == "industry")
    assert industry.size_class(employees, revenue_yuan * 100, 0) == expected


def test_layoffs_lie_exactly_at_each_limit_and_one_person_over(enterprises: list[Enterprise]) -> None:
    five_and_a_half, twenty = Fraction(55, 1000), Fraction(20, 100)
    rates: dict[str, set[tuple[Fraction, int]]] = {}
    for found in enterprises:
        if found.firm.limit is not None:
            rates.setdefault(found.firm.limit.name, set()).add(layoff_rate_2019(found))
    assert rates == {
        "5.5 % exactly": {(five_and_a_half, 200)},
        "20 % exactly with 30 insured": {(twenty, 30)},
        "one person over 5.5 %": {(Fraction(12, 200), 200)},
        "one person over 20 % with 30 insured": {(Fraction(7, 30), 30)},
        "20 % exactly with 31 insured in December": {(twenty, 31)},
        "20 % exactly with 29 insured in December": {(twenty, 29)},
        "20 % exactly with ten insured": {(twenty, 10)},
        "5.5 % exactly with 400 insured": {(five_and_a_half, 400)},
    }
    assert len(rates) == len(LIMITS)


def test_layoffs_also_lie_well_below_between_and_above_the_limits(enterprises: list[Enterprise]) -> None:
    rates = Counter[str]()
    for found in enterprises:
        if found.firm.limit is None and any(isinstance(fact.data, Layoffs) for fact in found.facts):
            try:
                rate, _ = layoff_rate_2019(found)
            except (KeyError, ZeroDivisionError):
                continue
            rates["none" if rate == 0 else "low" if rate <= 0.055 else "middle" if rate <= 0.2 else "high"] += 1
    assert rates["none"] > rates["middle"] > 10
    assert min(rates["low"], rates["high"]) > 5


def test_contributions_follow_the_payroll(enterprises: list[Enterprise]) -> None:
    found = next(found for found in enterprises if found.firm.limit is not None)
    payroll = found.firm.insured * found.firm.wage_fen
    due = Counter[str]()
    for fact in found.facts:
        if isinstance(fact.data, Assessed) and fact.data.period == "2020-02":
            due[fact.data.insurance] += fact.data.employer_amount_fen
    assert due == {
        "pension": payroll * 1600 // 10_000,
        "unemployment": payroll * 50 // 10_000,
        "work_injury": payroll * found.firm.industry.injury_rate // 10_000,
        "medical": payroll * 800 // 10_000,
    }


def test_most_paid_february_and_few_the_months_after(enterprises: list[Enterprise]) -> None:
    payers: dict[str, set[str]] = {}
    periods: dict[str, str] = {}
    for found in enterprises:
        for fact in found.facts:
            if isinstance(fact.data, Assessed):
                periods[fact.data.assessment_id] = fact.data.period
        for fact in found.facts:
            if isinstance(fact.data, Paid):
                payers.setdefault(periods[fact.data.assessment_id], set()).add(fact.data.uscc)
    assert len(payers["2020-02"]) > 0.7 * len(enterprises)
    assert all(0 < len(payers[period]) < 0.15 * len(enterprises) for period in ("2020-03", "2020-04", "2020-05"))


def test_the_odd_cases_are_there(enterprises: list[Enterprise]) -> None:
    registrations = [[fact.data for fact in found.facts if isinstance(fact.data, Registered)] for found in enterprises]
    assert 0.01 < sum(found.firm.deregistered is not None for found in enterprises) / len(enterprises) < 0.03
    assert 0.97 < sum(of[0].payee is not None for of in registrations) / len(enterprises) < 0.99
    assert any(of[0].effective_on > "2020-02-01" for of in registrations)
    assert any(len(of) > 1 and of[0].prefecture != of[1].prefecture for of in registrations)
    assert any(len(of) > 1 and of[0].employees != of[1].employees for of in registrations)
    settled = [fact.data for found in enterprises for fact in found.facts if isinstance(fact.data, YearSettled)]
    assert 5 < sum(data.unemployment_premium_paid_fen == 0 for data in settled) < 0.1 * len(settled)


def told(enterprises: list[Enterprise], kind: type[D]) -> list[D]:
    return [fact.data for found in enterprises for fact in found.facts if isinstance(fact.data, kind)]


def test_bills_fall_due_before_in_and_after_the_window_and_on_each_of_its_edges(enterprises: list[Enterprise]) -> None:
    due = Counter(bill.due_on for bill in told(enterprises, BillIssued))
    assert {"2020-01-31", "2020-02-01", "2020-06-30", "2020-07-01"} < due.keys()
    assert all(due[edge] > 50 for edge in ("2020-01-31", "2020-02-01", "2020-06-30", "2020-07-01"))
    assert min(due) < "2020-01-31"
    assert max(due) > "2020-07-01"


def test_bills_are_corrected_once_in_amount_account_or_use(enterprises: list[Enterprise]) -> None:
    first = {bill.bill_id: bill for bill in told(enterprises, BillIssued) if bill.version == 1}
    second = [bill for bill in told(enterprises, BillIssued) if bill.version == 2]
    assert len({bill.bill_id for bill in second}) == len(second)
    changed: Counter[str] = Counter()
    for bill in second:
        before = first[bill.bill_id]
        changed["amount"] += bill.amount_fen != before.amount_fen
        changed["account"] += bill.account_no != before.account_no
        changed["use"] += bill.production_use != before.production_use
    assert sum(changed.values()) == len(second)
    assert changed["amount"] > changed["account"] > 10 < changed["use"]
    replaced = {fact.id for found in enterprises for fact in found.facts if fact.replaced}
    assert replaced == {f"bi-{bill.bill_id}-1" for bill in second}


def test_bills_are_paid_in_full_in_part_too_much_and_before_they_are_out(enterprises: list[Enterprise]) -> None:
    kinds: Counter[str] = Counter()
    for found in enterprises:
        bills = {fact.data.bill_id: fact for fact in reversed(found.facts) if isinstance(fact.data, BillIssued)}
        paid: Counter[str] = Counter()
        for fact in found.facts:
            if isinstance(fact.data, BillPaid):
                paid[fact.data.bill_id] += fact.data.amount_fen
                kinds["before"] += fact.time < bills[fact.data.bill_id].time
        for bill_id, fen in paid.items():
            bill = bills[bill_id].data
            assert isinstance(bill, BillIssued)
            if not bills[bill_id].replaced:
                sign = (fen > bill.amount_fen) - (fen < bill.amount_fen)
                kinds[("full", "more", "less")[sign]] += 1
    assert kinds["full"] > kinds["less"] > kinds["more"] > 20
    assert kinds["before"] > 20


def test_one_in_eight_applies_some_twice_and_some_take_it_back(enterprises: list[Enterprise]) -> None:
    applied = Counter(data.uscc for data in told(enterprises, HoldoverApplied))
    assert 0.1 < len(applied) / len(enterprises) < 0.14
    assert 20 < sum(count == 2 for count in applied.values()) < len(applied) / 5
    ids = {data.application_id for data in told(enterprises, HoldoverApplied)}
    withdrawn = {data.application_id for data in told(enterprises, HoldoverWithdrawal)}
    assert withdrawn < ids
    assert len(withdrawn) > 10
    assert {"2020-01-31", "2020-02-01", "2020-06-30", "2020-07-01"} <= {
        data.submitted_on for data in told(enterprises, HoldoverApplied)
    }


def test_suppliers_ask_to_cut_accounts_with_an_application_without_one_and_without_a_bill(
    enterprises: list[Enterprise],
) -> None:
    kinds: Counter[str] = Counter()
    for found in enterprises:
        accounts = {bill.account_no for bill in told([found], BillIssued)}
        since = min((data.submitted_on for data in told([found], HoldoverApplied)), default=None)
        late = found.firm.effective > day(since) if since is not None else False
        for asked in told([found], DisconnectionRequested):
            kinds["unknown account"] += asked.account_no not in accounts
            kinds["applied"] += since is not None and since < asked.requested_on
            kinds["nobody applied"] += since is None
            kinds["undecided"] += late and since is not None and since <= asked.requested_on
    assert min(kinds[kind] for kind in ("unknown account", "applied", "nobody applied")) > 10
    assert kinds["undecided"] > 3


def test_facts_lie_between_2018_and_july_2020(enterprises: list[Enterprise]) -> None:
    times = [fact.time for found in enterprises for fact in found.facts]
    assert moment(day("2018-07-01"), 0) <= min(times)
    assert max(times) < moment(day("2020-07-07"), 0)


def test_a_moment_is_written_at_plus_eight_hours() -> None:
    at = moment(day("2020-02-01"), 7 * 3600 + 65)
    assert moment_text(at) == "2020-02-01T07:01:05+08:00"
    assert unix_ms(at) == 1_580_511_665_000  # 2020-01-31T23:01:05Z
