"""The quick way of reading a fact is narrower than the contract, and reads the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eligibility import decoding
from services.eligibility.decoding import Taken
from shared.contracts.topics import FACTS
from shared.streaming.errors import Stop
from shared.streaming.records import Record
from shared.uscc import with_check_character

USCC = with_check_character("91650100MAFACT001")
DATA: dict[str, dict[str, Any]] = {
    "cn.tax.contribution.assessed.v1": {
        "assessment_id": "MA1-202002-me-1", "version": 2, "insurance": "medical", "period": "2020-02",
        "employer_amount_fen": 10**15, "due_on": "2020-02-25",
    },
    "cn.tax.contribution.paid.v1": {
        "assessment_id": "MA1-202002-me-1", "payment_id": "p1", "amount_fen": 0, "paid_on": "2020-01-30",
    },
    "cn.insurance.headcount.reported.v1": {"period": "2019-01", "version": 1, "insured_employees": 12},
    "cn.insurance.year.settled.v1": {"year": 2019, "version": 1, "unemployment_premium_paid_fen": 23037},
    "cn.utility.bill.issued.v1": {
        "bill_id": "b1", "version": 1, "utility": "electricity", "supplier_id": "e-1", "account_no": "6764597495",
        "period": "2019-12", "amount_fen": 55913, "due_on": "2020-01-20", "production_use": True,
    },
}  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from([
        "", "2020-13", "2100-01", "1899-12-31", "2020-02-30", "a b", "\x7f", "ü", "x" * 257,
        "x" * 200 + " " + "y" * 200, "2020-03-02T10:00:00+0800", "2020-03-02t10:00:00z", "2020-03-02T10:00:00.5Z",
        "2020-03-02T10:00:00", "2020-03-02T24:00:00Z", "1900-12-31T23:59:59+08:00", "2199-01-01T00:00:00Z",
        "2020-03-02T10:00:00+24:00", "cn.tax.contribution.paid.v1",
    ]),
    st.lists(st.text(max_size=3), max_size=3),
)  # fmt: skip


def event(kind: str) -> dict[str, Any]:
    origin = {"topic": "upstream.tax.v1", "partition": 3, "offset": 7, "index": 0}
    return {
        "specversion": "1.0", "id": "as-1", "source": "//tax.example/xinjiang", "type": kind, "subject": USCC,
        "time": "2020-02-01T09:03:42+08:00", "datacontenttype": "application/json", "traceparent": "00-1-2-01",
        "data": {"uscc": USCC, **DATA[kind], "origin": origin},
    }  # fmt: skip


def record(value: bytes) -> Record:
    return Record(FACTS, 3, 7, USCC.encode(), value)


def inherited(taken: Taken) -> tuple[Any, ...]:
    seen = taken.occasion
    return taken.fact, taken.cause, seen.id, seen.subject, seen.time, seen.traceparent


def hold_together(value: bytes) -> bool:
    """Whether it was read the quick way; then the contract has to read the same of it."""
    quick = decoding.ordinary(record(value))
    if quick is None:
        return False
    assert inherited(quick) == inherited(decoding.in_full(record(value)))
    return True


@pytest.mark.parametrize("kind", DATA)
def test_what_intake_writes_is_read_the_quick_way(kind: str) -> None:
    assert hold_together(json.dumps(event(kind)).encode())


def _places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [path, *(place for name in value for place in _places(value[name], (*path, name)))]


@settings(max_examples=600, deadline=None)
@given(kind=st.sampled_from(list(DATA)), data=st.data())
def test_whatever_is_read_the_quick_way_the_contract_reads_the_same(kind: str, data: st.DataObject) -> None:
    changed = event(kind)
    for _ in range(data.draw(st.integers(1, 2))):
        *inner, name = data.draw(st.sampled_from([place for place in _places(changed) if place]))
        within = changed
        for part in inner:
            within = within[part]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                within[name] = data.draw(JUNK)
            case "remove":
                del within[name]
            case "add":
                within[name + "x"] = data.draw(JUNK)
    hold_together(json.dumps(changed, ensure_ascii=data.draw(st.booleans())).encode())


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(list(DATA)), data=st.data())
def test_a_name_given_twice_means_the_same_both_ways(kind: str, data: st.DataObject) -> None:
    whole = json.dumps(event(kind))
    place = data.draw(st.sampled_from([path for path in _places(event(kind)) if path]))
    twice = json.dumps({place[-1]: data.draw(JUNK)})[1:-1]
    # Before or after what it was, in the envelope or in the data.
    at = whole.index("{", 1) + 1 if len(place) > 1 else 1
    changed = f"{whole[:at]}{twice}, {whole[at:]}" if data.draw(st.booleans()) else f"{whole[:-1]}, {twice}}}"
    hold_together(changed.encode())


TIMES = [
    "1900-12-31T23:59:59+08:00", "1900-01-01T00:00:00+08:00", "1899-12-31T23:59:59Z", "2199-12-31T23:59:59-08:00",
    "2200-01-01T00:00:00Z", "2020-03-02T10:00:00+0800", "2020-03-02t10:00:00z", "2020-03-02T10:00:00.9999999Z",
    "2020-03-02T10:00:00", "2020-03-02T24:00:00Z", "2020-02-30T10:00:00Z", "2020-03-02T10:00:60Z",
]  # fmt: skip
DAYS = ["1899-12-31", "1900-01-01", "2199-12-31", "2200-01-01", "2020-02-30", "2020-2-3", "20200203"]


@pytest.mark.parametrize("kind", DATA)
def test_the_edges_of_the_calendar_are_the_same_both_ways(kind: str) -> None:
    for time in TIMES:
        hold_together(json.dumps(event(kind) | {"time": time}).encode())
    for name in {"due_on", "paid_on"} & DATA[kind].keys():
        for day in DAYS:
            changed = event(kind)
            changed["data"][name] = day
            hold_together(json.dumps(changed).encode())


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"a":' * 5_000])
def test_what_is_no_fact_stops(value: bytes) -> None:
    with pytest.raises(Stop, match="holds no fact"):
        decoding.read(record(value))
