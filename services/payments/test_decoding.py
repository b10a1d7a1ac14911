"""The quick way of reading a decision is narrower than the contract, and reads the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments import decoding
from services.payments.cases import enterprise, made
from shared.streaming.errors import Stop
from shared.streaming.records import Record

USCC = enterprise(1)
GRANTS = [
    made(USCC, "exemption", "pension/2020-02", 1, 700, facts=["re-1", "as 2"]),
    made(USCC, "refund", "2019", 3, 10**15, payee="Ali"),
    made(USCC, "contribution_return", "medical/2020-03", 2, 1),
]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from(["", "2020-13", "pension/2020-99", "0" * 32, "\x7f", "a b", "2020-02-30", "denied", "holdover"]),
    st.lists(st.text(max_size=3), max_size=3),
)  # fmt: skip


def holding(record: Record, value: bytes | None) -> Record:
    return Record(record.topic, record.partition, record.offset, record.key, value)


@pytest.mark.parametrize("record", GRANTS, ids=lambda record: str(record.offset))
def test_what_eligibility_writes_is_read_the_quick_way(record: Record) -> None:
    quick = decoding._ordinary(record)
    assert quick is not None
    assert quick == decoding._by_contract(record)


def _places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [path, *(place for name in value for place in _places(value[name], (*path, name)))]


@settings(max_examples=400, deadline=None)
@given(record=st.sampled_from(GRANTS), data=st.data())
def test_whatever_is_read_the_quick_way_the_contract_reads_the_same(record: Record, data: st.DataObject) -> None:
    event = json.loads(record.value or b"")
    *inner, name = data.draw(st.sampled_from([place for place in _places(event) if place]))
    within = event
    for part in inner:
        within = within[part]
    match data.draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            within[name] = data.draw(JUNK)
        case "remove":
            del within[name]
        case "add":
            within[name + "x"] = data.draw(JUNK)
    changed = holding(record, json.dumps(event).encode())
    try:
        quick = decoding._ordinary(changed)
    except Stop:
        with pytest.raises(Stop):
            decoding._by_contract(changed)
        return
    if quick is not None:
        assert quick == decoding._by_contract(changed)


@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"a":' * 5_000])
def test_what_is_no_decision_stops(value: bytes | None) -> None:
    with pytest.raises(Stop, match="holds no decision"):
        decoding.read(holding(GRANTS[0], value))
