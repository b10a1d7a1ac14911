"""Which lines the oracle takes, drops and refuses: every expectation is worked out from the contracts by hand."""

import json
from collections.abc import Callable
from datetime import date

import pytest

from . import oracle_events as e
from .oracle import Verdicts, judge
from .oracle_events import Event, line
from .oracle_records import check_character

A, B = e.uscc(1), e.uscc(2)
ASSESSMENT = e.assessed(A, "a1", "pension/2020-02", 100)
REGISTRATION = e.registered(A)
SETTLED = e.settled(A, 100)
APPLICATION = e.applied(A, "h1", "2020-03-01")
BILL = e.bill(A, "b1", 100)


def fates(verdicts: Verdicts) -> list[str]:
    """One word per line, in file order."""
    named = dict(verdicts.rejected)
    for fate in ("accepted", "duplicates", "superseded", "later"):
        named.update(dict.fromkeys(getattr(verdicts, fate), fate.removesuffix("s")))
    return [named[number] for number in sorted(named)]


def run(*events: Event) -> list[str]:
    return fates(judge([line(one) for one in events]))


# Published codes of well-known companies; their check characters were not made by us.
@pytest.mark.parametrize(
    "code", ["91110000600037341L", "91440300708461136T", "9144030071526726XG", "914403001922038216"]
)
def test_published_codes_have_the_check_character_computed(code: str) -> None:
    assert check_character(code[:17]) == code[17]


# Weights 1 3 9 27 19 26 16 17 20 29 25 13 8 24 10 30 28; alphabet without I O S V Z, so A=10, D=13, J=18, X=29, Y=30.
@pytest.mark.parametrize(
    ("first_seventeen", "character", "arithmetic"),
    [
        ("00000000000000000", "0", "sum 0, 31 - 0 = 31, written 0"),
        ("10000000000000000", "Y", "sum 1, 31 - 1 = 30"),
        ("1000000000000000A", "X", "1 + 10 * 28 = 281 = 9 * 31 + 2, 31 - 2 = 29"),
        ("00000000000000001", "3", "sum 28, 31 - 28 = 3"),
        ("00000000000000010", "1", "sum 30, 31 - 30 = 1"),
        ("10000000000000010", "0", "sum 1 + 30 = 31, rest 0, 31 written 0"),
        ("J0000000000000000", "D", "sum 18, 31 - 18 = 13"),
    ],
)
def test_check_character_by_hand(first_seventeen: str, character: str, arithmetic: str) -> None:
    assert check_character(first_seventeen) == character, arithmetic


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "NOT_JSON"),
        (b"tomorrow", "NOT_JSON"),
        (b"[]", "NOT_JSON"),
        (b"null", "NOT_JSON"),
        (b"\xef\xbb\xbf" + line(SETTLED), "NOT_JSON"),
        (line(SETTLED) + line(SETTLED), "NOT_JSON"),
        (line(SETTLED).replace(b": 100", b": NaN"), "NOT_JSON"),
        (b"[" * 100_000, "NOT_JSON"),
        (line(SETTLED).replace(b"year-2019", b"year\xff2019"), "NOT_UTF8"),
        (b"\xff\xfe", "NOT_UTF8"),
        (b"{}", "MISSING_FIELD"),
        (line(SETTLED).replace(b": 100", b": " + b"9" * 5000), "OUT_OF_RANGE"),
        (line(SETTLED).replace(b": 100", b": 1e2"), "INVALID_FIELD"),
    ],
)
def test_a_line_that_can_not_be_read(raw: bytes, code: str) -> None:
    assert judge([line(REGISTRATION), raw, line(ASSESSMENT)]).rejected == {2: code}


def without(name: str) -> Callable[[Event], Event]:
    return lambda one: {key: value for key, value in one.items() if key != name}


def less(name: str) -> Callable[[Event], Event]:
    return lambda one: {**one, "data": {key: value for key, value in one["data"].items() if key != name}}


def put(**attributes: object) -> Callable[[Event], Event]:
    return lambda one: {**one, **attributes}


def put_data(**fields: object) -> Callable[[Event], Event]:
    return lambda one: e.changed(one, **fields)


PAYEE_WITHOUT_BANK = {"account_name": "x", "account_number": "1"}

DEFECTS: list[tuple[Event, Callable[[Event], Event], str]] = [
    (SETTLED, without("id"), "MISSING_FIELD"),
    (SETTLED, without("source"), "MISSING_FIELD"),
    (SETTLED, without("time"), "MISSING_FIELD"),
    (SETTLED, without("subject"), "MISSING_FIELD"),
    (SETTLED, without("data"), "MISSING_FIELD"),
    (SETTLED, without("type"), "MISSING_FIELD"),
    (SETTLED, without("specversion"), "MISSING_FIELD"),
    (SETTLED, put(specversion="0.3"), "INVALID_FIELD"),
    (SETTLED, put(id=7), "INVALID_FIELD"),
    (SETTLED, put(id=""), "INVALID_FIELD"),
    (SETTLED, put(data=[]), "INVALID_FIELD"),
    (SETTLED, put(type=7), "INVALID_FIELD"),
    (SETTLED, put(type="cn.insurance.year.settled.v2"), "UNKNOWN_TYPE"),
    (SETTLED, put(type="relief.day.started.v1"), "UNKNOWN_TYPE"),
    (SETTLED, put(time="2020-03-01T00:00:00"), "INVALID_FIELD"),
    (SETTLED, put(time="2020-02-30T00:00:00Z"), "INVALID_FIELD"),
    (SETTLED, put(time=1582992000), "INVALID_FIELD"),
    (SETTLED, put(subject=B), "WRONG_KEY"),
    (SETTLED, put_data(uscc=B), "WRONG_KEY"),
    (SETTLED, put_data(uscc=A[:17] + ("0" if A[17] != "0" else "1")), "BAD_USCC"),
    (SETTLED, put_data(uscc=A[:17]), "BAD_USCC"),
    (SETTLED, put_data(uscc="91110000600037341l"), "BAD_USCC"),
    (SETTLED, put_data(uscc="９" + A[1:]), "BAD_USCC"),
    (SETTLED, put_data(uscc=None), "INVALID_FIELD"),
    (SETTLED, less("uscc"), "MISSING_FIELD"),
    (SETTLED, less("unemployment_premium_paid_fen"), "MISSING_FIELD"),
    (SETTLED, put_data(unemployment_premium_paid_fen=-1), "OUT_OF_RANGE"),
    (SETTLED, put_data(unemployment_premium_paid_fen=10**15 + 1), "OUT_OF_RANGE"),
    (SETTLED, put_data(unemployment_premium_paid_fen="100"), "INVALID_FIELD"),
    (SETTLED, put_data(unemployment_premium_paid_fen=True), "INVALID_FIELD"),
    (SETTLED, put_data(unemployment_premium_paid_fen=100.0), "INVALID_FIELD"),
    (SETTLED, put_data(unemployment_premium_paid_fen=None), "INVALID_FIELD"),
    (SETTLED, put_data(year="2019"), "INVALID_FIELD"),
    (SETTLED, put_data(version=0), "OUT_OF_RANGE"),
    (SETTLED, put_data(version=None), "INVALID_FIELD"),
    (ASSESSMENT, less("assessment_id"), "MISSING_FIELD"),
    (ASSESSMENT, put_data(assessment_id=1), "INVALID_FIELD"),
    (ASSESSMENT, put_data(insurance="maternity"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(period="2020-13"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(period="2020-2"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(period="2020-02-01"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(due_on="2020-02-30"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(due_on="20200315"), "INVALID_FIELD"),
    (ASSESSMENT, put_data(due_on="2019-12-31"), "INVALID_FIELD"),
    (REGISTRATION, put_data(prefecture="650300"), "UNKNOWN_PREFECTURE"),
    (REGISTRATION, put_data(prefecture="65010"), "UNKNOWN_PREFECTURE"),
    (REGISTRATION, put_data(prefecture=650100), "INVALID_FIELD"),
    (REGISTRATION, put_data(industry="mining"), "UNKNOWN_INDUSTRY"),
    (REGISTRATION, put_data(employees=-1), "OUT_OF_RANGE"),
    (REGISTRATION, put_data(employees=49.5), "INVALID_FIELD"),
    (REGISTRATION, less("payee"), "MISSING_FIELD"),
    (REGISTRATION, put_data(payee=PAYEE_WITHOUT_BANK), "MISSING_FIELD"),
    (REGISTRATION, put_data(payee={**e.PAYEE, "bank_code": "10288100001"}), "INVALID_FIELD"),
    (REGISTRATION, put_data(payee="x"), "INVALID_FIELD"),
    (APPLICATION, put_data(utilities=[]), "INVALID_FIELD"),
    (APPLICATION, put_data(utilities=["steam"]), "INVALID_FIELD"),
    (APPLICATION, put_data(declared_difficulty=1), "INVALID_FIELD"),
    (APPLICATION, less("declared_difficulty"), "MISSING_FIELD"),
    (BILL, put_data(utility="steam"), "INVALID_FIELD"),
    (BILL, put_data(production_use="yes"), "INVALID_FIELD"),
]


@pytest.mark.parametrize(("whole", "defect", "code"), DEFECTS)
def test_one_defect_one_code(whole: Event, defect: Callable[[Event], Event], code: str) -> None:
    broken = judge([line(defect(whole))])
    assert broken.rejected == {1: code}
    assert judge([line(whole)]).accepted == (1,)


@pytest.mark.parametrize(
    ("whole", "change"),
    [
        (REGISTRATION, put_data(payee=None)),
        (REGISTRATION, put_data(name="")),
        (REGISTRATION, put_data(employees=0, annual_revenue_fen=10**15)),
        (SETTLED, less("version")),
        (SETTLED, put_data(unemployment_premium_paid_fen=0)),
        (SETTLED, put_data(remark="an unknown field", nested={"any": [1.5]})),
        (SETTLED, put(traceparent="00-1")),
        (SETTLED, put(time="2020-03-31t23:59:59.1234567z")),
        (SETTLED, put(time="2020-03-31T23:59:59-03:30")),
        (e.need(A, "n1"), put_data(details={})),
        (e.disconnection(A, "d1"), put_data(utility="provident_fund")),
        (e.bill_paid(A, "b1", "bp1", 0), put_data()),
        (e.withdrawn(A, "h1", "2020-04-01"), put_data()),
    ],
)
def test_unusual_but_well_formed(whole: Event, change: Callable[[Event], Event]) -> None:
    assert run(change(whole)) == ["accepted"]


A2 = e.assessed(A, "a1", "pension/2020-02", 200, version=2)
OTHER = e.changed(ASSESSMENT, employer_amount_fen=101)
PAYMENT = e.paid(A, "a1", "p1", 50)

PLACED: list[tuple[str, list[Event], str]] = [
    ("the same event twice", [ASSESSMENT, ASSESSMENT], "accepted duplicate"),
    ("told again at another time", [ASSESSMENT, e.at(ASSESSMENT, "2020-08-01T00:00:00Z")], "accepted duplicate"),
    ("told again with an unknown field", [ASSESSMENT, e.changed(ASSESSMENT, x=1)], "accepted duplicate"),
    (
        "told again with an unknown field in the payee",
        [REGISTRATION, e.changed(REGISTRATION, payee={**e.PAYEE, "x": 1})],
        "accepted duplicate",
    ),
    ("told again without the version 1", [ASSESSMENT, less("version")(ASSESSMENT)], "accepted duplicate"),
    ("same id, other amount", [ASSESSMENT, OTHER], "accepted ID_CONFLICT"),
    ("same id, other type", [ASSESSMENT, e.renamed(SETTLED, "assessed-a1-1")], "accepted accepted"),
    ("same id from one source", [ASSESSMENT, e.renamed(PAYMENT, "assessed-a1-1")], "accepted ID_CONFLICT"),
    ("same id, other enterprise", [SETTLED, e.settled(B, 100)], "accepted accepted"),
    ("another id, same content", [ASSESSMENT, e.renamed(ASSESSMENT, "z")], "accepted duplicate"),
    ("another id, same version, other amount", [ASSESSMENT, e.renamed(OTHER, "z")], "accepted VERSION_CONFLICT"),
    ("higher version", [ASSESSMENT, A2], "accepted accepted"),
    ("lower version later", [A2, ASSESSMENT], "accepted superseded"),
    ("lower version later, twice", [A2, ASSESSMENT, ASSESSMENT], "accepted superseded duplicate"),
    ("id of a superseded one", [A2, ASSESSMENT, OTHER], "accepted superseded ID_CONFLICT"),
    ("id of a rejected one is free", [e.changed(ASSESSMENT, period="2020-13"), ASSESSMENT], "INVALID_FIELD accepted"),
    ("first of a conflict stands", [ASSESSMENT, e.renamed(OTHER, "z"), A2], "accepted VERSION_CONFLICT accepted"),
    ("version 2 in another period", [ASSESSMENT, e.changed(A2, period="2020-03")], "accepted VERSION_CONFLICT"),
    ("version 1 in another period", [A2, e.changed(ASSESSMENT, period="2020-03")], "accepted VERSION_CONFLICT"),
    ("version 2 of another insurance", [ASSESSMENT, e.changed(A2, insurance="medical")], "accepted VERSION_CONFLICT"),
    (
        "version 2 of another enterprise",
        [ASSESSMENT, e.assessed(B, "a1", "pension/2020-02", 200, version=2)],
        "accepted VERSION_CONFLICT",
    ),
    (
        "a second date of deregistration",
        [e.deregistered(A, "2020-03-01"), e.deregistered(A, "2020-04-01")],
        "accepted VERSION_CONFLICT",
    ),
    ("a payment told twice", [PAYMENT, e.renamed(PAYMENT, "z")], "accepted duplicate"),
    (
        "a payment with another amount",
        [PAYMENT, e.renamed(e.changed(PAYMENT, amount_fen=51), "z")],
        "accepted VERSION_CONFLICT",
    ),
    ("registrations of two dates", [REGISTRATION, e.registered(A, "2020-03-01")], "accepted accepted"),
    (
        "a new account, same version",
        [REGISTRATION, e.renamed(e.changed(REGISTRATION, payee=None), "z")],
        "accepted VERSION_CONFLICT",
    ),
    ("application and withdrawal share an id", [APPLICATION, e.withdrawn(A, "h1", "2020-03-02")], "accepted accepted"),
    ("headcounts of two periods", [e.headcount(A, "2019-11", 5), e.headcount(A, "2019-12", 5)], "accepted accepted"),
    (
        "headcount and layoffs of a period",
        [e.headcount(A, "2019-11", 5), e.layoffs(A, "2019-11", 5)],
        "accepted accepted",
    ),
]


@pytest.mark.parametrize(("sentence", "events", "expected"), PLACED, ids=[row[0] for row in PLACED])
def test_repeats_versions_and_conflicts(sentence: str, events: list[Event], expected: str) -> None:
    assert run(*events) == expected.split(), sentence


def test_empty_lines_count_but_are_no_records() -> None:
    verdicts = judge([line(SETTLED) + b"\r\n", b"\n", b"{\n"])
    assert verdicts.accepted == (1,)
    assert verdicts.rejected == {3: "NOT_JSON"}


@pytest.mark.parametrize(
    ("time", "fate"),
    [
        ("2020-03-31T23:59:59.999999+08:00", "accepted"),
        ("2020-03-31T23:59:59.9999999+08:00", "accepted"),
        ("2020-04-01T00:00:00+08:00", "later"),
        ("2020-03-31T15:59:59Z", "accepted"),
        ("2020-03-31T16:00:00Z", "later"),
        ("2020-03-31T23:00:00-01:00", "later"),
        ("2020-04-01T05:00:00+14:00", "accepted"),
    ],
)
def test_the_last_day_ends_at_midnight_in_shanghai(time: str, fate: str) -> None:
    assert fates(judge([line(e.at(SETTLED, time))], date(2020, 3, 31))) == [fate]


def test_what_is_later_conflicts_with_nothing() -> None:
    later = e.at(OTHER, "2020-04-01T00:00:00+08:00")
    earlier = e.at(ASSESSMENT, "2020-03-31T00:00:00+08:00")
    assert fates(judge([line(later), line(earlier)], date(2020, 3, 31))) == ["later", "accepted"]


def test_a_line_is_the_json_the_contract_describes() -> None:
    told = json.loads(line(ASSESSMENT))
    assert told["subject"] == told["data"]["uscc"] == A
    assert told["specversion"] == "1.0"
