"""The rules in tables: each limit below, at and above, each date on both sides of its edge."""

import pytest

from services.eligibility.cases import (
    LARGE,
    PACK,
    applied,
    assessed,
    declined,
    deregistered,
    headcount,
    knowing,
    layoffs,
    paid,
    registered,
    settled,
    standing,
)
from services.eligibility.domain.facts import EnterpriseFact
from services.eligibility.domain.step import standing_verdicts

Facts = list[EnterpriseFact]
Table = list[tuple[str, Facts, list[str]]]
SMALL = registered()

EXEMPTIONS: Table = [
    ("nothing is known but the assessment", [assessed(100)], []),
    ("nothing is known but the registration", [SMALL], []),
    ("all of the employer part", [SMALL, assessed(1001)], ["pension/2020-02 granted 1001"]),
    ("medical by half, half a fen up", [SMALL, assessed(1001, "medical/2020-02")], ["medical/2020-02 granted 501"]),
    ("medical by half, one fen", [SMALL, assessed(1, "medical/2020-02")], ["medical/2020-02 granted 1"]),
    ("rounded once, on the month's sum",
     [SMALL, assessed(1, "medical/2020-02"), assessed(1, "medical/2020-02", "b")], ["medical/2020-02 granted 1"]),
    ("the month before the window", [SMALL, assessed(100, "pension/2020-01")], []),
    ("the first month", [SMALL, assessed(100, "unemployment/2020-02")], ["unemployment/2020-02 granted 100"]),
    ("the last month", [SMALL, assessed(100, "work_injury/2020-06")], ["work_injury/2020-06 granted 100"]),
    ("the month after the window", [SMALL, assessed(100, "pension/2020-07")], []),
    ("nothing assessed", [SMALL, assessed(0)], ["pension/2020-02 denied 0 NOTHING_DUE"]),
    ("corrected to nothing", [SMALL, assessed(5), assessed(0, version=2)], ["pension/2020-02 denied 0 NOTHING_DUE"]),
    ("299 employees", [registered(employees=299), assessed(5)], ["pension/2020-02 granted 5"]),
    ("300 employees", [registered(employees=300), assessed(5)], ["pension/2020-02 denied 0 NOT_SME"]),
    ("large from the month's first day", [SMALL, registered("2020-02-01", LARGE), assessed(5)],
     ["pension/2020-02 denied 0 NOT_SME"]),
    ("large from its second day", [SMALL, registered("2020-02-02", LARGE), assessed(5)], ["pension/2020-02 granted 5"]),
    ("registered from the month's first day", [registered("2020-02-01"), assessed(5)], ["pension/2020-02 granted 5"]),
    ("registered from its second day", [registered("2020-02-02"), assessed(5)], []),
    ("deregistered the day before", [SMALL, deregistered("2020-01-31"), assessed(5)],
     ["pension/2020-02 denied 0 DEREGISTERED"]),
    ("deregistered on the first day", [SMALL, deregistered("2020-02-01"), assessed(5)], ["pension/2020-02 granted 5"]),
    ("everything against it", [registered(employees=LARGE), deregistered("2019-12-31"), assessed(0)],
     ["pension/2020-02 denied 0 DEREGISTERED,NOTHING_DUE,NOT_SME"]),
]  # fmt: skip

MEDICAL = "medical/2020-02"
RETURNS: Table = [
    ("nothing paid", [SMALL, assessed(1000)], []),
    ("all was paid, all is returned", [SMALL, assessed(1000), paid(1000)], ["pension/2020-02 granted 1000"]),
    ("paid before it was assessed", [paid(1000), SMALL, assessed(1000)], ["pension/2020-02 granted 1000"]),
    ("more was paid than assessed", [SMALL, assessed(1000), paid(1500)], ["pension/2020-02 granted 1500"]),
    ("in two payments", [SMALL, assessed(1000), paid(1, "p"), paid(2, "q")], ["pension/2020-02 granted 3"]),
    ("the half still due is paid", [SMALL, assessed(1000, MEDICAL), paid(500, key=MEDICAL)], []),
    ("one fen more", [SMALL, assessed(1000, MEDICAL), paid(501, key=MEDICAL)], ["medical/2020-02 granted 1"]),
    ("one fen less", [SMALL, assessed(1000, MEDICAL), paid(499, key=MEDICAL)], []),
    ("a payment of another month", [SMALL, assessed(1000), paid(1000, key="pension/2020-03")], []),
    ("no exemption, no return", [registered(employees=LARGE), assessed(1000), paid(1000)], []),
]  # fmt: skip

DECEMBER, PAID = headcount(20), settled(1000)
YEAR_OF_200 = [headcount(200, f"2019-{month:02}") for month in range(1, 13)]
YEAR_OF_30 = [headcount(30, f"2019-{month:02}") for month in range(1, 13)]
REFUNDS: Table = [
    ("half", [SMALL, DECEMBER, PAID], ["2019 granted 500"]),
    ("half a fen up", [SMALL, DECEMBER, settled(1001)], ["2019 granted 501"]),
    ("60 % in the south", [registered(prefecture="653200"), DECEMBER, PAID], ["2019 granted 600"]),
    ("50 % in the directly administered cities", [registered(prefecture="659000"), DECEMBER, PAID],
     ["2019 granted 500"]),
    ("the year is not settled", [SMALL, DECEMBER], []),
    ("another year is", [SMALL, DECEMBER, settled(1000, 2018), settled(1000, 2020)], []),
    ("no December report", [SMALL, headcount(20, "2019-11"), PAID], []),
    ("registered on 31 December", [registered("2019-12-31"), DECEMBER, PAID], ["2019 granted 500"]),
    ("registered on 1 January", [registered("2020-01-01"), DECEMBER, PAID], []),
    ("moved south on 1 January", [SMALL, registered("2020-01-01", prefecture="653200"), DECEMBER, PAID],
     ["2019 granted 500"]),
    ("just under 5.5 %", [SMALL, *YEAR_OF_200, layoffs(10), PAID], ["2019 granted 500"]),
    ("at 5.5 %", [SMALL, *YEAR_OF_200, layoffs(11), PAID], ["2019 granted 500"]),
    ("just over 5.5 %", [SMALL, *YEAR_OF_200, layoffs(12), PAID], ["2019 denied 0 LAYOFF_RATE"]),
    ("30 insured, at 20 %", [SMALL, *YEAR_OF_30, layoffs(6), PAID], ["2019 granted 500"]),
    ("30 insured, over 20 %", [SMALL, *YEAR_OF_30, layoffs(7), PAID], ["2019 denied 0 LAYOFF_RATE"]),
    ("31 insured in December, under 20 %", [SMALL, *YEAR_OF_30[:-1], headcount(31), layoffs(5), PAID],
     ["2019 denied 0 LAYOFF_RATE"]),
    ("nobody insured", [SMALL, headcount(0), PAID], ["2019 denied 0 LAYOFF_RATE"]),
    ("layoffs of other years", [SMALL, DECEMBER, layoffs(20, "2018-12"), layoffs(20, "2020-01"), PAID],
     ["2019 granted 500"]),
    ("deregistered before the window", [SMALL, deregistered("2020-01-31"), DECEMBER, PAID],
     ["2019 denied 0 DEREGISTERED"]),
    ("deregistered on its first day", [SMALL, deregistered("2020-02-01"), DECEMBER, PAID], ["2019 granted 500"]),
    ("large", [registered(employees=LARGE), DECEMBER, PAID], ["2019 denied 0 NOT_SME"]),
    ("nothing paid", [SMALL, DECEMBER, settled(0)], ["2019 denied 0 NOTHING_DUE"]),
    ("declined", [SMALL, DECEMBER, PAID, declined()], ["2019 denied 0 DECLINED"]),
    ("another year declined", [SMALL, DECEMBER, PAID, declined(2020)], ["2019 granted 500"]),
    ("everything against it",
     [registered(employees=LARGE), deregistered("2019-12-31"), headcount(0), settled(0), declined()],
     ["2019 denied 0 DECLINED,DEREGISTERED,LAYOFF_RATE,NOTHING_DUE,NOT_SME"]),
]  # fmt: skip

HOLDOVERS: Table = [
    ("granted", [SMALL, applied()], ["h1 granted 0"]),
    ("on the window's first day", [SMALL, applied("2020-02-01")], ["h1 granted 0"]),
    ("the day before", [SMALL, applied("2020-01-31")], ["h1 denied 0 OUTSIDE_WINDOW"]),
    ("on its last day", [SMALL, applied("2020-06-30")], ["h1 granted 0"]),
    ("the day after", [SMALL, applied("2020-07-01")], ["h1 denied 0 OUTSIDE_WINDOW"]),
    ("without difficulty", [SMALL, applied(difficulty=False)], ["h1 denied 0 NO_DIFFICULTY"]),
    ("large", [registered(employees=LARGE), applied()], ["h1 denied 0 NOT_SME"]),
    ("large from the next day", [SMALL, registered("2020-03-03", LARGE), applied()], ["h1 granted 0"]),
    ("large from that day", [SMALL, registered("2020-03-02", LARGE), applied()], ["h1 denied 0 NOT_SME"]),
    ("deregistered that day", [SMALL, deregistered("2020-03-02"), applied()], ["h1 denied 0 DEREGISTERED"]),
    ("deregistered the next day", [SMALL, deregistered("2020-03-03"), applied()], ["h1 granted 0"]),
    ("no registration comes before every other reason", [applied("2020-07-01", difficulty=False)],
     ["h1 pending 0 REGISTRATION_MISSING"]),
    ("registered the next day", [registered("2020-03-03"), applied()], ["h1 pending 0 REGISTRATION_MISSING"]),
    ("two applications", [SMALL, applied(), applied("2020-07-01", name="h2")],
     ["h1 granted 0", "h2 denied 0 OUTSIDE_WINDOW"]),
    ("everything against it",
     [registered(employees=LARGE), deregistered("2020-01-01"), applied("2020-07-01", difficulty=False)],
     ["h1 denied 0 DEREGISTERED,NOT_SME,NO_DIFFICULTY,OUTSIDE_WINDOW"]),
]  # fmt: skip

TABLES = {
    "exemption": EXEMPTIONS,
    "contribution_return": RETURNS,
    "refund": REFUNDS,
    "holdover": HOLDOVERS,
}
CASES = [(measure, *row) for measure, table in TABLES.items() for row in table]


@pytest.mark.parametrize(("measure", "sentence", "known", "expected"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_decisions(measure: str, sentence: str, known: Facts, expected: list[str]) -> None:
    assert standing(known, measure) == expected, sentence
    assert standing(known[::-1], measure) == expected, f"{sentence}, told backwards"


def test_a_decision_names_its_facts_its_day_and_its_registrations_place_and_size() -> None:
    known = knowing(
        [SMALL, deregistered("2020-04-01"), assessed(10), assessed(5, name="b"), paid(15), headcount(20), PAID]
    )
    shown = {
        verdict.measure: (verdict.facts, verdict.effective_on.isoformat(), verdict.prefecture, verdict.size_class)
        for verdict in standing_verdicts(known, PACK)
    }
    basis = ("reg-2019-01-01-1", "gone-2020-04-01")
    parts = ("a-pension/2020-02-1", "b-pension/2020-02-1")
    assert shown == {
        "exemption": ((*basis, *parts), "2020-02-01", "650100", "small"),
        "contribution_return": ((*basis, *parts, "paid-p"), "2020-02-01", "650100", "small"),
        "refund": ((*basis, "year-2019-1", "heads-2019-12-1"), "2020-02-01", "650100", "small"),
    }


def test_only_what_pays_out_carries_a_payee() -> None:
    known = knowing([SMALL, assessed(10), paid(10), DECEMBER, PAID, applied()])
    assert {v.measure for v in standing_verdicts(known, PACK) if v.payee} == {"contribution_return", "refund"}
    denied = knowing([registered(employees=LARGE), assessed(10), paid(10), DECEMBER, PAID])
    assert not [verdict for verdict in standing_verdicts(denied, PACK) if verdict.payee]
