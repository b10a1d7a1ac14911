"""Whatever bytes come, each consumer takes them, rejects them (intake only) or stops with a sentence: nothing else.

More than the usual: FUZZ_EXAMPLES=20000 pytest --timeout 0 on this file.
"""

import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eligibility import packs
from services.eligibility.handlers import EligibilityFold
from services.holdover import cases as holdover
from services.holdover.handlers import DecisionsFold, FactsFold
from services.intake.handlers import IntakeFold, Sealing
from services.intake.status import StatusFold
from services.ledger.handlers import LedgerFold
from services.payments.commands import CommandsFold
from services.payments.handlers import PaymentsFold
from shared.contracts import topics
from shared.streaming.errors import Stop
from shared.streaming.records import Fold, Record, States
from tests.faults.fuzzing import profile
from tests.faults.hostile import BY_TOPIC, bent, large

PROFILE = profile(150)
# Of the largest input a topic takes: what reading it may cost at most.
SECONDS_AT_MOST, PEAK_AT_MOST = 3.0, 40
PACK = packs.named("xinjiang-2020")
STRUCTURED = ("content-type", b"application/cloudevents+json")


@dataclass(frozen=True)
class Reader:
    """One consumer and one topic it reads."""

    name: str
    topic: str
    fold: Callable[[], Fold[Any, Any]]

    def __str__(self) -> str:
        return f"{self.name} of {self.topic}"


def _intake() -> IntakeFold:
    return IntakeFold(
        Sealing(lambda plain, _: plain.hex(), lambda plain: plain.hex()[:32], lambda plain, _: plain.hex())
    )


READERS = [
    *(Reader("intake", topic, _intake) for topic in (*topics.UPSTREAM, topics.OPERATIONS)),
    Reader("intake's status", topics.DECISIONS, StatusFold),
    Reader("eligibility", topics.FACTS, lambda: EligibilityFold(lambda _: PACK)),
    Reader("payments", topics.DECISIONS, PaymentsFold),
    Reader("payments", topics.COMMANDS, lambda: CommandsFold(10**9)),
    Reader("ledger", topics.LEDGER_EXEMPTIONS, LedgerFold),
    Reader("ledger", topics.LEDGER_REFUNDS, LedgerFold),
    Reader("holdover", topics.FACTS, lambda: FactsFold(holdover.signer())),
    Reader("holdover", topics.DECISIONS, lambda: DecisionsFold(lambda _: holdover.TERMS, holdover.signer())),
]
readers = pytest.mark.parametrize("reader", READERS, ids=str)


def take(reader: Reader, record: Record) -> str:
    """What became of it. Whatever else it raises is what this test looks for."""
    fold = reader.fold()
    sentence: str | None = None
    try:
        fact = fold.decode(record)
        keys = list(fold.keys(fact))
        cause = fold.cause(fact)
        outputs = fold.step(States({}), fact, record)
    except Stop as stop:
        sentence = str(stop)
    if sentence is not None:
        assert reader.name != "intake", "only intake rejects, and it never stops for a record"
        assert reader.topic != topics.COMMANDS, "what comes from outside stops nothing"
        assert len(sentence) < 4_000, "a sentence, not the record"
        return "stopped"
    assert all(isinstance(key, str) for key in keys)
    for key in keys:
        key.encode()  # a state's key goes to a store: a lone surrogate would fail there
    assert cause is None or cause.position >= (0, 0)
    for output in outputs:
        json.loads(output.value)
    return "taken"


@readers
def test_an_example_itself_is_taken(reader: Reader) -> None:
    """Otherwise the rest of this file would look at nothing but refusals."""
    outcomes = {
        take(reader, Record(reader.topic, 3, 7, one.event["subject"].encode(), one.raw, (STRUCTURED,)))
        for one in BY_TOPIC[reader.topic]
    }
    assert "taken" in outcomes


@readers
def test_bent_records_are_taken_rejected_or_stop(reader: Reader) -> None:
    @PROFILE
    @given(
        bent(reader.topic), st.sampled_from(("own", "own", "own", "none", "other")), st.integers(-(2**63), 2**63 - 1)
    )
    def holds(found: Any, whose: str, moment: int) -> None:
        example, raw = found
        key = {"own": example.event["subject"].encode(), "none": None, "other": b"\xff\x00"}[whose]
        take(reader, Record(reader.topic, 3, 7, key, raw, (STRUCTURED,), moment))

    holds()


@readers
def test_no_member_is_taken_for_one_that_another_kind_has(reader: Reader) -> None:
    """Names drawn at random are never those that a reader may look for."""
    values: tuple[Any, ...] = (5, "x", [], {}, None)
    names = sorted({name for examples in BY_TOPIC.values() for one in examples for name in one.event["data"]})
    for one in BY_TOPIC[reader.topic]:
        for name in (name for name in names if name not in one.event["data"]):
            for value in values:
                raw = json.dumps(one.event | {"data": one.event["data"] | {name: value}}).encode()
                take(reader, Record(reader.topic, 3, 7, one.event["subject"].encode(), raw, (STRUCTURED,)))


HEADER = st.sampled_from([b"", b"\xff", b"\x00", b"x" * 17_000, "é".encode(), b"1.0", None]) | st.binary(max_size=20)


@pytest.mark.parametrize("topic", [*topics.UPSTREAM, topics.OPERATIONS])
def test_bent_records_in_binary_mode_are_taken_or_rejected(topic: str) -> None:
    names = (
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "ce_traceparent",
        "CE_ID",
        "ce_\udcff",
    )
    reader = Reader("intake", topic, _intake)

    @PROFILE
    @given(bent(topic), st.dictionaries(st.sampled_from((*names, "content-type")), HEADER, max_size=3), st.booleans())
    def holds(found: Any, changed: dict[str, Any], whole: bool) -> None:
        example, raw = found
        headers = {f"ce_{name}": str(value).encode() for name, value in example.event.items() if name != "data"}
        headers["content-type"] = b"application/json"
        data = raw if whole else json.dumps(example.event["data"]).encode()
        sent: Any = tuple((headers | changed).items()) + tuple(changed.items())[:1]
        take(reader, Record(topic, 3, 7, example.event["subject"].encode(), data, sent))

    holds()


@readers
@pytest.mark.parametrize("value", large().items(), ids=lambda one: one[0])
def test_a_large_record_costs_no_more_than_its_size_allows(reader: Reader, value: tuple[str, bytes]) -> None:
    record = Record(reader.topic, 3, 7, b"key", value[1], (STRUCTURED,))
    take(reader, record)  # what is made once is not this record's
    tracemalloc.start()
    try:
        began = time.perf_counter()
        take(reader, record)
        seconds, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < SECONDS_AT_MOST
    assert peak < PEAK_AT_MOST * len(value[1])
