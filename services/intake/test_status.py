"""What became of an application, from the decisions in whatever order they are read."""

import json
from itertools import permutations

import pytest

from services.intake.cases import enterprise
from services.intake.status import Decided, StatusFold, decode_state, encode_state, status_key
from shared.contracts.topics import DECISIONS, FACTS
from shared.ids import decision_id
from shared.streaming.errors import Stop
from shared.streaming.records import Record, States

A, B = enterprise(1), enterprise(2)


def decision(uscc: str, revision: int, outcome: str, measure: str = "holdover", code: str | None = None) -> Record:
    identity = decision_id(uscc, measure, "h1", revision)
    reasons = [{"code": code, "text": {"zh": "原因", "en": "why"}, "citation": "the measures"}] if code else []
    data = {
        "origin": {"topic": FACTS, "partition": 0, "offset": revision, "index": 0},
        "decision_id": identity,
        "uscc": uscc,
        "measure": measure,
        "key": "h1",
        "prefecture": "650100",
        "size_class": "small",
        "revision": revision,
        "outcome": outcome,
        "amount_fen": 0,
        "delta_fen": 0,
        "effective_on": "2020-03-02",
        "reasons": reasons,
        "facts": [],
        "policy": {"pack": "p", "version": "1", "sha256": "0" * 64},
    }
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": "/relief/eligibility",
        "type": "relief.decision.made.v1",
        "subject": uscc,
        "time": "2020-03-02T10:00:00Z",
        "data": data,
    }
    # With spaces, as another writer of JSON would have it.
    return Record(DECISIONS, 0, revision, uscc.encode(), json.dumps(event).encode())


def taken(*records: Record) -> dict[str, Decided]:
    fold, states = StatusFold(), States[Decided]({})
    for one in records:
        fact = fold.decode(one)
        assert fold.cause(fact) is None
        assert list(fold.step(states, fact, one)) == []
        assert states.changed <= set(fold.keys(fact)) | states.changed
    return {key: decode_state(encode_state(state)) for key, state in states.changes().items()}


PENDING = decision(A, 1, "pending", code="REGISTRATION_MISSING")
DENIED = decision(A, 2, "denied", code="NO_DIFFICULTY")
GRANTED = decision(A, 3, "granted")


@pytest.mark.parametrize("order", list(permutations([PENDING, DENIED, GRANTED, DENIED])))
def test_the_highest_revision_stands_in_any_order(order: tuple[Record, ...]) -> None:
    assert taken(*order) == {status_key(A, "h1"): Decided(3, "granted", [])}


def test_reasons_are_kept_in_both_languages() -> None:
    assert taken(DENIED)[status_key(A, "h1")].reasons == [("NO_DIFFICULTY", "原因", "why")]


def test_two_enterprises_may_use_one_application_id() -> None:
    both = taken(GRANTED, decision(B, 7, "denied"))
    assert both[status_key(A, "h1")].outcome == "granted"
    assert both[status_key(B, "h1")].outcome == "denied"


@pytest.mark.parametrize("measure", ["exemption", "refund", "contribution_return"])
def test_other_measures_are_passed_over(measure: str) -> None:
    assert taken(decision(A, 1, "granted", measure)) == {}
    assert StatusFold().decode(Record(DECISIONS, 0, 0, None, None)) is None


@pytest.mark.parametrize(
    "value", [b'"holdover"', b'"holdover"' + b"[" * 9_000, b'{"data":{"measure":"holdover","x":"6217"}}']
)
def test_what_is_no_decision_stops_at_once_and_is_not_repeated_in_the_sentence(value: bytes) -> None:
    with pytest.raises(Stop, match=r"offset 7 of relief\.decisions\.v1/3 holds no decision") as stop:
        StatusFold().decode(Record(DECISIONS, 3, 7, b"key", value))
    assert "6217" not in str(stop.value)
