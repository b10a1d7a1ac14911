"""The job-stabilisation refund, in one table: every expected row is worked out from the policy by hand."""

import pytest

from .oracle import judge
from .oracle_events import (
    Event,
    declined,
    deregistered,
    headcount,
    layoffs,
    line,
    registered,
    settled,
    uscc,
)

A = uscc(1)
SMALL, LARGE = registered(A), registered(A, employees=300)
PAID = settled(A, 1000)
DECEMBER = headcount(A, "2019-12", 20)
GRANTED = "granted 500 650100 small -"


def in_place(prefecture: str) -> Event:
    return registered(A, prefecture=prefecture)


def every_month(insured: int) -> list[Event]:
    return [headcount(A, f"2019-{month:02}", insured) for month in range(1, 13)]


CASES: list[tuple[str, list[Event], str]] = [
    # Rate and rounding
    ("half", [SMALL, DECEMBER, PAID], GRANTED),
    ("half a fen goes up: 500.5", [SMALL, DECEMBER, settled(A, 1001)], "granted 501 650100 small -"),
    ("one fen: 0.5", [SMALL, DECEMBER, settled(A, 1)], "granted 1 650100 small -"),
    ("Aksu", [in_place("652900"), DECEMBER, PAID], "granted 600 652900 small -"),
    ("Kizilsu: 600.6", [in_place("653000"), DECEMBER, settled(A, 1001)], "granted 601 653000 small -"),
    ("Kashgar: 601.2", [in_place("653100"), DECEMBER, settled(A, 1002)], "granted 601 653100 small -"),
    ("Hotan: 0.6", [in_place("653200"), DECEMBER, settled(A, 1)], "granted 1 653200 small -"),
    ("the directly administered cities are not southern", [in_place("659000"), DECEMBER, PAID],
     "granted 500 659000 small -"),
    # What must be known
    ("not settled", [SMALL, DECEMBER], ""),
    ("another year settled", [SMALL, DECEMBER, settled(A, 1000, year=2018), settled(A, 1000, year=2020)], ""),
    ("no December report", [SMALL, headcount(A, "2019-11", 20), headcount(A, "2020-12", 20), PAID], ""),
    ("not registered on 31 December", [registered(A, "2020-01-01"), DECEMBER, PAID], ""),
    ("registered on 31 December", [registered(A, "2019-12-31"), DECEMBER, PAID], GRANTED),
    ("nothing known but a decline", [SMALL, declined(A, "d")], ""),
    # 5.5 % of 200 is 11; of 1000 it is 55
    ("exactly 5.5 %", [SMALL, *every_month(200), layoffs(A, "2019-03", 11), PAID], GRANTED),
    ("just over 5.5 %", [SMALL, *every_month(200), layoffs(A, "2019-03", 12), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("5.5 % over several months",
     [SMALL, *every_month(1000), layoffs(A, "2019-01", 54), layoffs(A, "2019-12", 1), PAID], GRANTED),
    ("one more", [SMALL, *every_month(1000), layoffs(A, "2019-01", 54), layoffs(A, "2019-12", 2), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("layoffs of 2018 and 2020 do not count",
     [SMALL, DECEMBER, layoffs(A, "2018-12", 20), layoffs(A, "2020-01", 20), PAID], GRANTED),
    # 20 % of 30 is 6
    ("30 insured, exactly 20 %", [SMALL, *every_month(30), layoffs(A, "2019-06", 6), PAID], GRANTED),
    ("30 insured, over 20 %", [SMALL, *every_month(30), layoffs(A, "2019-06", 7), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("31 insured, 6 of 31 is 19.4 %", [SMALL, *every_month(31), layoffs(A, "2019-06", 6), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("31 insured, 1 of 31 is 3.2 %", [SMALL, *every_month(31), layoffs(A, "2019-06", 1), PAID], GRANTED),
    # December says how many are insured, the average what the rate is of
    ("December 30, average 40: 8 is 20 %",
     [SMALL, headcount(A, "2019-11", 50), headcount(A, "2019-12", 30), layoffs(A, "2019-11", 8), PAID], GRANTED),
    ("December 30, average 40: 9 is 22.5 %",
     [SMALL, headcount(A, "2019-11", 50), headcount(A, "2019-12", 30), layoffs(A, "2019-11", 9), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("December 31, average 26: 5 is 19 %",
     [SMALL, headcount(A, "2019-11", 21), headcount(A, "2019-12", 31), layoffs(A, "2019-11", 5), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("the mean is over the months reported: 11 of (100 + 300) / 2",
     [SMALL, headcount(A, "2019-01", 100), headcount(A, "2019-12", 300), layoffs(A, "2019-05", 11), PAID], GRANTED),
    ("12 of (100 + 300) / 2",
     [SMALL, headcount(A, "2019-01", 100), headcount(A, "2019-12", 300), layoffs(A, "2019-05", 12), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("a report of 2020 is not in the mean: 4 of 20 is 20 %",
     [SMALL, DECEMBER, headcount(A, "2020-01", 1), layoffs(A, "2019-05", 4), PAID], GRANTED),
    ("a report of 2018 is not in the mean: 5 of 20 is 25 %",
     [SMALL, DECEMBER, headcount(A, "2018-12", 1000), layoffs(A, "2019-05", 5), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("a third is exact: 66 of 1000/3 is 19.8 %, December 30",
     [SMALL, headcount(A, "2019-10", 485), headcount(A, "2019-11", 485), headcount(A, "2019-12", 30),
      layoffs(A, "2019-11", 66), PAID], GRANTED),
    ("67 of 1000/3 is 20.1 %",
     [SMALL, headcount(A, "2019-10", 485), headcount(A, "2019-11", 485), headcount(A, "2019-12", 30),
      layoffs(A, "2019-11", 67), PAID], "denied 0 650100 small LAYOFF_RATE"),
    ("nobody insured, nobody laid off", [SMALL, headcount(A, "2019-12", 0), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("nobody in December, 10 on average, 2 laid off",
     [SMALL, headcount(A, "2019-11", 20), headcount(A, "2019-12", 0), layoffs(A, "2019-12", 2), PAID], GRANTED),
    ("a month of nobody is a report: 3 of 10 is 30 %",
     [SMALL, headcount(A, "2019-11", 0), headcount(A, "2019-12", 20), layoffs(A, "2019-12", 3), PAID],
     "denied 0 650100 small LAYOFF_RATE"),
    ("reports corrected out of order",
     [SMALL, headcount(A, "2019-12", 30, version=2), headcount(A, "2019-12", 31), layoffs(A, "2019-12", 6, version=3),
      layoffs(A, "2019-12", 60, version=2), settled(A, 10, version=2), settled(A, 1000, version=1)],
     "granted 5 650100 small -"),
    # The other refusals
    ("large", [LARGE, DECEMBER, PAID], "denied 0 650100 large NOT_SME"),
    ("large only from New Year", [SMALL, registered(A, "2020-01-01", employees=300), DECEMBER, PAID], GRANTED),
    ("moved south only at New Year", [SMALL, registered(A, "2020-01-01", prefecture="653200"), DECEMBER, PAID],
     GRANTED),
    ("gone before the window", [SMALL, deregistered(A, "2020-01-31"), DECEMBER, PAID],
     "denied 0 650100 small DEREGISTERED"),
    ("gone on its first day", [SMALL, deregistered(A, "2020-02-01"), DECEMBER, PAID], GRANTED),
    ("nothing paid", [SMALL, DECEMBER, settled(A, 0)], "denied 0 650100 small NOTHING_DUE"),
    ("declined, long after", [SMALL, DECEMBER, PAID, declined(A, "d", submitted_on="2021-12-31")],
     "denied 0 650100 small DECLINED"),
    ("declined for other years", [SMALL, DECEMBER, PAID, declined(A, "d", 2018), declined(A, "f", 2020)], GRANTED),
    ("declined twice", [SMALL, DECEMBER, PAID, declined(A, "d"), declined(A, "f")], "denied 0 650100 small DECLINED"),
    ("everything against it",
     [LARGE, deregistered(A, "2019-06-30"), headcount(A, "2019-12", 0), settled(A, 0), declined(A, "d")],
     "denied 0 650100 large DECLINED,DEREGISTERED,LAYOFF_RATE,NOTHING_DUE,NOT_SME"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "told", "expected"), CASES, ids=[case[0] for case in CASES])
def test_refund(sentence: str, told: list[Event], expected: str) -> None:
    for order in (told, told[::-1]):
        decisions = judge([line(one) for one in order]).decisions
        if not expected:
            assert decisions == {}, sentence
            continue
        (decision,) = decisions.values()
        reasons = ",".join(sorted(decision.reasons)) or "-"
        shown = f"{decision.outcome} {decision.amount_fen} {decision.prefecture} {decision.size_class} {reasons}"
        assert shown == expected, sentence
        assert (decision.measure, decision.key, decision.effective_on) == ("refund", "2019", "2020-02-01")
