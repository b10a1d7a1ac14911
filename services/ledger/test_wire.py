"""The quick reading of ledger events against the contract's own: never wider, never another event."""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger import wire
from services.ledger.cases import EXEMPTIONS, REFUNDS, enterprise, exemption
from services.ledger.domain.posting import LedgerEvent
from services.ledger.journal_cases import batches
from shared.contracts import registry
from shared.contracts.vocabulary import TOTAL_MAX_FEN
from shared.streaming.errors import Stop
from shared.streaming.records import Record

EXAMPLES = Path(registry.__file__).parent / "examples"
EVENTS: list[tuple[str, Any]] = [
    *((record.topic, json.loads(record.value or b"")) for batch in batches(1) for record in batch),
    *(
        (topic, json.loads(path.read_bytes()))
        for topic in (EXEMPTIONS, REFUNDS)
        for path in sorted((EXAMPLES / topic).iterdir())
    ),
]
REMOVED = object()


def both(topic: str, value: bytes) -> tuple[LedgerEvent | None, LedgerEvent | None]:
    """As the quick reading has it, and as the contract does; None where it does not."""
    record = Record(topic, 3, 7, b"key", value)
    try:
        by_contract = wire._by_contract(record)
    except Stop:
        by_contract = None
    return wire._plain(record), by_contract


def agree(topic: str, value: bytes) -> None:
    quick, by_contract = both(topic, value)
    assert quick is None or quick == by_contract


def test_the_quick_reading_takes_what_payments_writes() -> None:
    for topic, event in EVENTS:
        quick, by_contract = both(topic, json.dumps(event).encode())
        assert quick is not None, event
        assert quick == by_contract


def beside(value: Any) -> list[Any]:
    """What is nearly right at a place, and what is wrong everywhere."""
    always = [None, True, "", 0, -1, 1, 1.0, 1e3, [], {}, REMOVED, TOTAL_MAX_FEN, TOTAL_MAX_FEN + 1, -TOTAL_MAX_FEN - 1]
    always += ["1899-12-31", "1900-01-01", "2199-12-31", "2200-01-01", "2020-02-30", "2020-13", "x" * 256, "x" * 257]
    always += ["x" * 4096, "x" * 4097, "a b", "\u0085", "\u0662", "2020-02-29T12:00:00Z", "2020-02-30T12:00:00Z"]
    if isinstance(value, str):
        always += [
            value.upper(),
            value.title(),
            f"{value}\n",
            f" {value}",
            value[:-1],
            f"{value}0",
            f"{value[:-1]}\u0660",
        ]
    return always


def test_what_is_nearly_right_is_read_alike_or_left_to_the_contract() -> None:
    """Every type, every place, every value that `beside` thinks of."""
    for topic, event in {event["type"]: (topic, event) for topic, event in EVENTS}.values():
        for path in [*places(event), ("more",), ("data", "more"), ("data", "origin", "more")]:
            inner = event
            for key in path:
                inner = inner.get(key) if isinstance(inner, dict) else None
            for value in beside(inner):
                changed = json.loads(json.dumps(event))
                put(changed, path, value)
                agree(topic, json.dumps(changed, ensure_ascii=False).encode())


def test_bytes_that_are_no_text_are_left_to_the_contract_wherever_they_stand() -> None:
    for topic, event in EVENTS[:3]:
        text = json.dumps(event).encode()
        for place in range(len(text)):
            if text[place : place + 1] == b"{":
                agree(topic, text[: place + 1] + b'"more": "\xff", ' + text[place + 1 :])
            agree(topic, text[:place] + b"\xff" + text[place + 1 :])


hexes = st.text("0123456789abcdefABCDEF", min_size=30, max_size=34)
clocks = st.builds(
    "{}{}{}{}".format,
    st.dates(date(1890, 1, 1), date(2210, 1, 1)).map(date.isoformat),
    st.sampled_from(["T", "t", " ", "", "_"]),
    st.sampled_from(
        ["00:00:00", "23:59:59", "24:00:00", "23:59:60", "12:30", "1:2:3", "12:30:00.1", "12:30:00.1234567"]
    ),
    st.sampled_from(["Z", "z", "+08:00", "-00:00", "+0800", "+08", "", "+23:59", "+24:00", "-14:00", "Z\n"]),
)
texts = st.one_of(
    st.sampled_from(
        ["", " ", "2019", "2020-02", "2020-13", "2020-02\n", "1.0", "relief.decisions.v1", "0" * 257, "\u0662" * 4]
    ),
    st.sampled_from([event["type"] for _, event in EVENTS]),
    st.sampled_from(["650100", "659000", "000000", "pension", "medical", "job_stabilisation", "application/json"]),
    hexes,
    clocks,
    st.dates(date(1890, 1, 1), date(2210, 1, 1)).map(date.isoformat),
    st.sampled_from([enterprise(1), enterprise(1).lower(), enterprise(1)[:-1] + "0", "a b", f"{'a' * 32} {'b' * 32}"]),
    st.text(max_size=5),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([TOTAL_MAX_FEN, TOTAL_MAX_FEN + 1, -TOTAL_MAX_FEN, -TOTAL_MAX_FEN - 1, 2**63, 2**64, 10**30]),
    st.floats(allow_nan=False),
)
values = st.one_of(texts, numbers, st.none(), st.booleans(), st.builds(list), st.builds(dict), st.just(REMOVED))


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [*([path] if path else []), *(place for key, part in inner for place in places(part, (*path, key)))]


def put(event: Any, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        event = event.get(key)
        if not isinstance(event, dict):
            return
    if value is REMOVED:
        event.pop(path[-1], None)
    else:
        event[path[-1]] = value


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_other_values_are_read_alike_or_left_to_the_contract(data: st.DataObject) -> None:
    topic, event = data.draw(st.sampled_from(EVENTS))
    event = json.loads(json.dumps(event))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from([*places(event), ("more",), ("data", "more"), ("data", "origin", "more")]))
        put(event, path, data.draw(values))
    agree(topic, json.dumps(event, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_other_bytes_are_read_alike_or_left_to_the_contract(data: st.DataObject) -> None:
    topic, event = data.draw(st.sampled_from(EVENTS))
    text = json.dumps(event).encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    agree(topic, text[:start] + data.draw(st.binary(max_size=3)) + text[end:])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_name_that_comes_twice_is_read_alike(data: st.DataObject) -> None:
    topic, event = data.draw(st.sampled_from(EVENTS))
    path = data.draw(st.sampled_from(places(event)))
    inner = event
    for key in path[:-1]:
        inner = inner[key]
    written, name = json.dumps(event), path[-1]
    pair = f"{json.dumps(name)}: {json.dumps(inner[name])}"
    other = f"{json.dumps(name)}: {json.dumps(data.draw(values.filter(lambda value: value is not REMOVED)))}"
    twice = data.draw(st.sampled_from([f"{pair}, {other}", f"{other}, {pair}"]))
    agree(topic, written.replace(pair, twice, 1).encode())


@settings(max_examples=300, deadline=None)
@given(
    st.builds(datetime.combine, st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.times()),
    st.integers(-13 * 60, 13 * 60),
    st.booleans(),
)
def test_every_time_that_payments_passes_on_is_read(at: datetime, minutes: int, whole: bool) -> None:
    told = at.replace(microsecond=0 if whole else at.microsecond, tzinfo=timezone(timedelta(minutes=minutes)))
    topic, event = EVENTS[0]
    quick, by_contract = both(topic, json.dumps(event | {"time": told.isoformat()}).encode())
    assert by_contract is not None
    assert quick == by_contract or (told.month, told.day) == (2, 29)


@pytest.mark.parametrize("event_id", ["f" * 31, "F" * 32, "a,b", "{}"])
def test_an_event_whose_id_is_no_hash_stops(event_id: str) -> None:
    good = exemption(enterprise(1), "granted", 70, offset=5)
    event = json.loads(good.value or b"") | {"id": event_id}
    with pytest.raises(
        Stop, match=r"offset 5 of ledger\.exemptions\.v1/3 holds an event whose id is not 32 hex digits"
    ):
        wire.read(Record(good.topic, good.partition, good.offset, good.key, json.dumps(event).encode()))
