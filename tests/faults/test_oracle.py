"""What the oracle decides, in tables: every expected row is worked out from the policy by hand.

A row reads: measure, key, outcome, fen, effective on, prefecture, size class, reasons ("-" for none).
"""

from datetime import date

import pytest

from .oracle import Decision, Verdicts, judge
from .oracle_events import (
    Event,
    applied,
    assessed,
    at,
    changed,
    deregistered,
    headcount,
    line,
    paid,
    registered,
    renamed,
    settled,
    uscc,
    withdrawn,
)

A, B = uscc(1), uscc(2)


def run(events: list[Event], as_of: date | None = None) -> Verdicts:
    return judge([line(one) for one in events], as_of)


def row(decision: Decision) -> str:
    where = f"{decision.prefecture or '-'} {decision.size_class or '-'} {','.join(sorted(decision.reasons)) or '-'}"
    named = f"{decision.measure} {decision.key} {decision.outcome} {decision.amount_fen}"
    return f"{named} {decision.effective_on} {where}"


def rows(events: list[Event]) -> list[str]:
    return sorted(row(decision) for decision in run(events).decisions.values())


SMALL = registered(A)
LARGE = registered(A, employees=300)
P2, P3, M2 = "pension/2020-02", "pension/2020-03", "medical/2020-02"

CONTRIBUTIONS: list[tuple[str, list[Event], list[str]]] = [
    ("pension is waived whole", [SMALL, assessed(A, "a", P2, 101)],
     ["exemption pension/2020-02 granted 101 2020-02-01 650100 small -"]),
    ("unemployment too, to June", [SMALL, assessed(A, "a", "unemployment/2020-06", 7)],
     ["exemption unemployment/2020-06 granted 7 2020-06-01 650100 small -"]),
    ("work injury too", [SMALL, assessed(A, "a", "work_injury/2020-04", 7)],
     ["exemption work_injury/2020-04 granted 7 2020-04-01 650100 small -"]),
    ("half of medical, half a fen up", [SMALL, assessed(A, "a", M2, 101)],
     ["exemption medical/2020-02 granted 51 2020-02-01 650100 small -"]),
    ("one fen of medical", [SMALL, assessed(A, "a", M2, 1)],
     ["exemption medical/2020-02 granted 1 2020-02-01 650100 small -"]),
    ("the sum is halved, not the parts (26 + 26)", [SMALL, assessed(A, "a", M2, 51), assessed(A, "b", M2, 51)],
     ["exemption medical/2020-02 granted 51 2020-02-01 650100 small -"]),
    ("January and July get no decision",
     [SMALL, assessed(A, "a", "pension/2020-01", 9), assessed(A, "b", "pension/2020-07", 9)], []),
    ("no assessment, no decision", [SMALL, paid(A, "a", "p", 100)], []),
    ("no registration, no decision", [assessed(A, "a", P2, 100)], []),
    ("registered one day late for February", [registered(A, "2020-02-02"), assessed(A, "a", P2, 100)], []),
    ("registered on the first day", [registered(A, "2020-02-01"), assessed(A, "a", P2, 100)],
     ["exemption pension/2020-02 granted 100 2020-02-01 650100 small -"]),
    ("a large enterprise", [LARGE, assessed(A, "a", M2, 100)],
     ["exemption medical/2020-02 denied 0 2020-02-01 650100 large NOT_SME"]),
    ("deregistered on the first day, still granted", [SMALL, deregistered(A, "2020-02-01"), assessed(A, "a", P2, 100)],
     ["exemption pension/2020-02 granted 100 2020-02-01 650100 small -"]),
    ("deregistered the day before", [SMALL, deregistered(A, "2020-01-31"), assessed(A, "a", P2, 100)],
     ["exemption pension/2020-02 denied 0 2020-02-01 650100 small DEREGISTERED"]),
    ("all refusals together", [LARGE, deregistered(A, "2020-01-31"), assessed(A, "a", P2, 0)],
     ["exemption pension/2020-02 denied 0 2020-02-01 650100 large DEREGISTERED,NOTHING_DUE,NOT_SME"]),
    ("nothing due, and what was paid stays", [SMALL, assessed(A, "a", P2, 0), paid(A, "a", "p", 5)],
     ["exemption pension/2020-02 denied 0 2020-02-01 650100 small NOTHING_DUE"]),
    ("one of two assessments is zero", [SMALL, assessed(A, "a", P2, 0), assessed(A, "b", P2, 5)],
     ["exemption pension/2020-02 granted 5 2020-02-01 650100 small -"]),
    ("corrected down to zero", [SMALL, assessed(A, "a", P2, 9), assessed(A, "a", P2, 0, version=2)],
     ["exemption pension/2020-02 denied 0 2020-02-01 650100 small NOTHING_DUE"]),
    ("versions out of order",
     [SMALL, assessed(A, "a", P2, 30, 3), assessed(A, "a", P2, 10), assessed(A, "a", P2, 20, 2)],
     ["exemption pension/2020-02 granted 30 2020-02-01 650100 small -"]),
    ("a payment before its assessment", [paid(A, "a", "p", 60), SMALL, assessed(A, "a", P2, 100)],
     ["contribution_return pension/2020-02 granted 60 2020-02-01 650100 small -",
      "exemption pension/2020-02 granted 100 2020-02-01 650100 small -"]),
    ("medical: 100 due, 50 waived, 50 paid: nothing over", [SMALL, assessed(A, "a", M2, 100), paid(A, "a", "p", 50)],
     ["exemption medical/2020-02 granted 50 2020-02-01 650100 small -"]),
    ("medical: 51 paid: one fen over", [SMALL, assessed(A, "a", M2, 100), paid(A, "a", "p", 51)],
     ["contribution_return medical/2020-02 granted 1 2020-02-01 650100 small -",
      "exemption medical/2020-02 granted 50 2020-02-01 650100 small -"]),
    ("medical: 101 due, 51 waived, 101 paid", [SMALL, assessed(A, "a", M2, 101), paid(A, "a", "p", 101)],
     ["contribution_return medical/2020-02 granted 51 2020-02-01 650100 small -",
      "exemption medical/2020-02 granted 51 2020-02-01 650100 small -"]),
    ("overpaid: more comes back than was waived",
     [SMALL, assessed(A, "a", P2, 100), paid(A, "a", "p", 100), paid(A, "a", "q", 40)],
     ["contribution_return pension/2020-02 granted 140 2020-02-01 650100 small -",
      "exemption pension/2020-02 granted 100 2020-02-01 650100 small -"]),
    ("payments on two assessments of one key",
     [SMALL, assessed(A, "a", M2, 10), assessed(A, "b", M2, 10), paid(A, "a", "p", 9), paid(A, "b", "q", 4)],
     ["contribution_return medical/2020-02 granted 3 2020-02-01 650100 small -",
      "exemption medical/2020-02 granted 10 2020-02-01 650100 small -"]),
    ("a payment belongs to the assessment it names",
     [SMALL, assessed(A, "a", P2, 10), assessed(A, "b", P3, 20), paid(A, "b", "p", 6)],
     ["contribution_return pension/2020-03 granted 6 2020-03-01 650100 small -",
      "exemption pension/2020-02 granted 10 2020-02-01 650100 small -",
      "exemption pension/2020-03 granted 20 2020-03-01 650100 small -"]),
    ("a payment of another enterprise counts nowhere",
     [SMALL, assessed(A, "a", P2, 10), registered(B), paid(B, "a", "p", 6)],
     ["exemption pension/2020-02 granted 10 2020-02-01 650100 small -"]),
    ("no return on a denied exemption", [LARGE, assessed(A, "a", P2, 10), paid(A, "a", "p", 50)],
     ["exemption pension/2020-02 denied 0 2020-02-01 650100 large NOT_SME"]),
    ("a payment told twice under two event ids",
     [SMALL, assessed(A, "a", P2, 10), paid(A, "a", "p", 6), renamed(paid(A, "a", "p", 6), "again")],
     ["contribution_return pension/2020-02 granted 6 2020-02-01 650100 small -",
      "exemption pension/2020-02 granted 10 2020-02-01 650100 small -"]),
    ("grown large in mid-March: from April on",
     [SMALL, registered(A, "2020-03-15", employees=300), assessed(A, "a", P3, 10),
      assessed(A, "b", "pension/2020-04", 10)],
     ["exemption pension/2020-03 granted 10 2020-03-01 650100 small -",
      "exemption pension/2020-04 denied 0 2020-04-01 650100 large NOT_SME"]),
    ("a registration corrected later",
     [registered(A, version=2, employees=9, prefecture="653200"), LARGE, assessed(A, "a", P2, 10)],
     ["exemption pension/2020-02 granted 10 2020-02-01 653200 micro -"]),
    ("a correction of the older registration does not outrank the newer",
     [registered(A, "2020-01-01"), registered(A, "2019-01-01", version=9, employees=300), assessed(A, "a", P2, 10)],
     ["exemption pension/2020-02 granted 10 2020-02-01 650100 small -"]),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "told", "expected"), CONTRIBUTIONS, ids=[case[0] for case in CONTRIBUTIONS])
def test_contributions(sentence: str, told: list[Event], expected: list[str]) -> None:
    assert rows(told) == expected, sentence
    assert rows(told[::-1]) == expected, "order"


# sentence, difficulty, submitted on, what is known of the enterprise, the row from the outcome on
HOLDOVERS: list[tuple[str, bool, str, list[Event], str]] = [
    ("first day", True, "2020-02-01", [SMALL], "granted 0 2020-02-01 650100 small -"),
    ("last day", True, "2020-06-30", [SMALL], "granted 0 2020-06-30 650100 small -"),
    ("a day early", True, "2020-01-31", [SMALL], "denied 0 2020-01-31 650100 small OUTSIDE_WINDOW"),
    ("a day late", True, "2020-07-01", [SMALL], "denied 0 2020-07-01 650100 small OUTSIDE_WINDOW"),
    ("no difficulty", False, "2020-03-01", [SMALL], "denied 0 2020-03-01 650100 small NO_DIFFICULTY"),
    ("large", True, "2020-03-01", [LARGE], "denied 0 2020-03-01 650100 large NOT_SME"),
    ("gone the same day", True, "2020-03-01", [SMALL, deregistered(A, "2020-03-01")],
     "denied 0 2020-03-01 650100 small DEREGISTERED"),
    ("gone the next day", True, "2020-03-01", [SMALL, deregistered(A, "2020-03-02")],
     "granted 0 2020-03-01 650100 small -"),
    ("everything against it", False, "2020-07-01", [LARGE, deregistered(A, "2020-01-01")],
     "denied 0 2020-07-01 650100 large DEREGISTERED,NOT_SME,NO_DIFFICULTY,OUTSIDE_WINDOW"),
    ("no registration", True, "2020-03-01", [], "pending 0 2020-03-01 - - REGISTRATION_MISSING"),
    ("missing before all else", False, "2019-03-01", [deregistered(A, "2018-01-01")],
     "pending 0 2019-03-01 - - REGISTRATION_MISSING"),
    ("registered a day later", True, "2020-03-01", [registered(A, "2020-03-02")],
     "pending 0 2020-03-01 - - REGISTRATION_MISSING"),
    ("registered that day", True, "2020-03-01", [registered(A, "2020-03-01", prefecture="659000")],
     "granted 0 2020-03-01 659000 small -"),
    ("moved that day", True, "2020-03-02", [SMALL, registered(A, "2020-03-02", prefecture="654300", employees=9)],
     "granted 0 2020-03-02 654300 micro -"),
    ("withdrawn", True, "2020-03-02", [SMALL, withdrawn(A, "h", "2020-03-03")], "granted 0 2020-03-02 650100 small -"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "difficulty", "day", "known", "expected"), HOLDOVERS, ids=[case[0] for case in HOLDOVERS]
)
def test_holdovers(sentence: str, difficulty: bool, day: str, known: list[Event], expected: str) -> None:
    told = [applied(A, "h", day, "water", "provident_fund", difficulty=difficulty), *known]
    assert rows(told) == [f"holdover h {expected}"], sentence
    assert rows(told[::-1]) == [f"holdover h {expected}"], "order"


def test_each_application_is_decided_by_itself() -> None:
    told = [registered(A), applied(A, "h1", "2020-07-01"), applied(A, "h2", "2020-06-30")]
    assert [(key[2], one.outcome) for key, one in sorted(run(told).decisions.items())] == [
        ("h1", "denied"),
        ("h2", "granted"),
    ]


def test_a_later_fact_is_unknown_as_of_the_day_before() -> None:
    told = [
        at(registered(A), "2020-01-05T08:00:00+08:00"),
        at(assessed(A, "a", P2, 100), "2020-02-20T08:00:00+08:00"),
        at(assessed(A, "a", P2, 80, version=2), "2020-03-31T16:00:00Z"),
    ]
    assert run(told, date(2020, 2, 19)).decisions == {}
    assert run(told, date(2020, 3, 31)).totals.exempted == {("pension", "650100"): 100}
    assert run(told, date(2020, 4, 1)).totals.exempted == {("pension", "650100"): 80}


def test_totals_add_up_over_enterprises_and_periods() -> None:
    told = [
        registered(A),
        assessed(A, "a1", P2, 100),
        assessed(A, "a2", P3, 30),
        assessed(A, "a3", M2, 11),
        paid(A, "a1", "p1", 40),
        paid(A, "a3", "p3", 11),
        headcount(A, "2019-12", 20),
        settled(A, 1001),
        registered(B, prefecture="653100"),
        assessed(B, "b1", P2, 7),
        headcount(B, "2019-12", 20),
        settled(B, 1001),
        applied(B, "h", "2020-03-01"),
    ]
    totals = run(told).totals
    # Medical: 11 due, 6 waived, 5 still due, 11 paid: 6 over.
    assert totals.exempted == {("pension", "650100"): 130, ("medical", "650100"): 6, ("pension", "653100"): 7}
    assert totals.exempted_by_insurance() == {"pension": 137, "medical": 6}
    assert totals.authorised == {
        ("job_stabilisation", "650100"): 501,
        ("job_stabilisation", "653100"): 601,
        ("contribution_return", "650100"): 46,
    }
    assert totals.authorised_by_programme() == {"job_stabilisation": 1102, "contribution_return": 46}


def test_the_first_of_two_conflicting_facts_decides() -> None:
    one, other = assessed(A, "a", P2, 10), renamed(changed(assessed(A, "a", P2, 10), employer_amount_fen=99), "z")
    assert run([SMALL, one, other]).totals.exempted == {("pension", "650100"): 10}
    assert run([SMALL, other, one]).totals.exempted == {("pension", "650100"): 99}
