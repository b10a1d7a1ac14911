"""What a sender can get wrong, each with its code; and what both modes of the binding say alike."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest

from services.intake.cases import (
    CONTACT,
    PAYEE,
    PERSONAL,
    STRUCTURED,
    Event,
    applied,
    assessed,
    binary,
    day,
    enterprise,
    headcount,
    need,
    record,
    registered,
)
from services.intake.decoding import ENVELOPE_MAX_BYTES, RECORD_MAX_BYTES, Refused, decode, unknown_fields
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.rejected import RejectCode
from shared.contracts.topics import APPLICATIONS, INSURANCE, OPERATIONS, TAX
from shared.streaming.records import Record

A, B = enterprise(1), enterprise(2)
BAD_CHECK = A[:-1] + ("0" if A[-1] != "0" else "1")


def decoded(taken: Record) -> AnyEvent | Refused:
    return decode(taken, decoder(taken.topic))


def event_of(taken: Record) -> AnyEvent:
    event = decoded(taken)
    assert not isinstance(event, Refused), event
    return event


def without(told: Event, *path: str) -> Event:
    *parents, last = path
    copy: Event = json.loads(json.dumps(told))
    inner = copy
    for name in parents:
        inner = inner[name]
    del inner[last]
    return copy


def raw(told: Event, before: str, after: str) -> bytes:
    text = json.dumps(told)
    assert before in text
    return text.replace(before, after).encode()


ASSESSED = assessed(A)
NEED = need(A)
# What is wrong with it, the record, the code, and what the sentence must name.
REFUSED: list[tuple[str, Record, str, str]] = [
    ("no value", record(None, key=A), "TOMBSTONE", "no value"),
    ("an empty value", record(b"", key=A), "NOT_JSON", "JSON"),
    ("2 MB", record(b"x" * 2_000_000, key=A), "TOO_LARGE", "2000000 bytes"),
    ("2 MB of valid JSON", record(registered(A, name="x" * 2_000_000)), "TOO_LARGE", str(RECORD_MAX_BYTES)),
    ("2 MB in binary mode", binary(registered(A, name="x" * 2_000_000)), "TOO_LARGE", str(RECORD_MAX_BYTES)),
    ("one byte above the limit", record(b"x" * (RECORD_MAX_BYTES + 1), key=A), "TOO_LARGE", str(RECORD_MAX_BYTES)),
    ("at the limit it is read", record(b"x" * RECORD_MAX_BYTES, key=A), "NOT_JSON", "JSON"),
    ("headers of 1 MB", record(ASSESSED, headers=[*STRUCTURED, ("x", b"y" * 1_000_000)]), "TOO_LARGE", "headers"),
    ("a key of 1 MB", record(ASSESSED, key="k" * 1_000_000), "TOO_LARGE", str(ENVELOPE_MAX_BYTES)),
    ("a header that is not UTF-8", binary(ASSESSED, ce_source=b"\xff"), "BAD_HEADERS", "UTF-8"),
    ("a header name that is not UTF-8", record(ASSESSED, headers=[("ce\udcff", b"")]), "BAD_HEADERS", "UTF-8"),
    ("a header that is null", record(ASSESSED, headers=[("h", None)]), "BAD_HEADERS", "UTF-8"),  # type: ignore[list-item]  # Kafka allows it
    ("a time in a header that is none", binary(ASSESSED, ce_time=b"yesterday"), "BAD_HEADERS", "time"),
    ("two ids in headers", record(b"{}", headers=[("ce_id", b"a"), ("ce_id", b"b")]), "BAD_HEADERS", "ce_id"),
    ("binary data that is no JSON type", binary(ASSESSED, content_type=b"text/csv"), "BAD_HEADERS", "datacontenttype"),
    ("an envelope without its version", binary(ASSESSED, ce_specversion=None), "MISSING_FIELD", "specversion"),
    ("binary mode without a type", binary(ASSESSED, ce_type=None), "MISSING_FIELD", "type"),
    ("bytes that are not UTF-8", record(b'{"id": "\xff"}', key=A), "NOT_UTF8", "byte 8"),
    ("a truncated object", record(b'{"specversion": "1.0", ', key=A), "NOT_JSON", "JSON"),
    ("a list", record(json.dumps([ASSESSED]).encode(), key=A), "NOT_JSON", "JSON"),
    ("NaN for an amount", record(raw(ASSESSED, "100000", "NaN"), key=A), "NOT_JSON", "JSON"),
    ("NaN in details", record(raw(NEED, "12", "NaN"), APPLICATIONS, key=A), "NOT_JSON", "JSON"),
    ("NaN in an unknown field", record(raw(ASSESSED, '"version"', '"x": NaN, "version"'), key=A), "NOT_JSON", "JSON"),
    ("binary data that is cut off", record(b'{"uscc', headers=binary(ASSESSED).headers, key=A), "NOT_JSON", "JSON"),
    ("a type nobody knows", record(ASSESSED | {"type": "cn.tax.unknown.v1"}), "UNKNOWN_TYPE", "type"),
    ("a type of another topic", record(headcount(A), TAX), "UNKNOWN_TYPE", "type"),
    ("no type", record(without(ASSESSED, "type")), "MISSING_FIELD", "type"),
    ("no id", record(without(ASSESSED, "id")), "MISSING_FIELD", "id"),
    ("no data", record(without(ASSESSED, "data")), "MISSING_FIELD", "data"),
    ("no amount", record(without(ASSESSED, "data", "employer_amount_fen")), "MISSING_FIELD", "employer_amount_fen"),
    ("no payee", record(without(registered(A), "data", "payee")), "MISSING_FIELD", "payee"),
    ("payee without bank", record(without(registered(A), "data", "payee", "bank_code")), "MISSING_FIELD", "bank_code"),
    ("a bad check character", record(assessed(BAD_CHECK)), "BAD_USCC", "uscc"),
    ("a negative amount", record(assessed(A, amount_fen=-1)), "OUT_OF_RANGE", "employer_amount_fen"),
    ("an absurd amount", record(assessed(A, amount_fen=10**15 + 1)), "OUT_OF_RANGE", "employer_amount_fen"),
    ("an amount of 5,000 digits", record(raw(ASSESSED, "100000,", "9" * 5000 + ","), key=A), "OUT_OF_RANGE", ""),
    ("version 0", record(assessed(A, version=0)), "OUT_OF_RANGE", "version"),
    ("an amount in quotes", record(assessed(A, employer_amount_fen="1")), "INVALID_FIELD", "employer_amount_fen"),
    ("an amount with decimals", record(assessed(A, employer_amount_fen=1.5)), "INVALID_FIELD", "employer_amount_fen"),
    ("an unknown insurance", record(assessed(A, insurance="dental")), "INVALID_FIELD", "insurance"),
    ("a month 13", record(assessed(A, period="2020-13")), "INVALID_FIELD", "period"),
    ("the 30th of February", record(assessed(A, due_on="2020-02-30")), "INVALID_FIELD", "due_on"),
    ("due before its year and its assessment", record(assessed(A, due_on="2019-12-31")), "INVALID_FIELD", "due_on"),
    ("a time without an offset", record(ASSESSED | {"time": "2020-03-31T12:00:00"}), "INVALID_FIELD", "time"),
    ("version 0.3 of the envelope", record(ASSESSED | {"specversion": "0.3"}), "INVALID_FIELD", "specversion"),
    ("an unknown prefecture", record(registered(A, prefecture="110000")), "UNKNOWN_PREFECTURE", "prefecture"),
    ("an unknown industry", record(registered(A, industry="mining")), "UNKNOWN_INDUSTRY", "industry"),
    ("no utility", record(applied(A, utilities=[]), APPLICATIONS), "INVALID_FIELD", "utilities"),
    ("a key that is not the subject", record(ASSESSED, key=B), "WRONG_KEY", "key"),
    ("no key", Record(TAX, 0, 0, None, json.dumps(ASSESSED).encode(), STRUCTURED), "WRONG_KEY", "key"),
    ("a subject that is not the uscc", record(ASSESSED | {"subject": B}), "WRONG_KEY", "subject"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "taken", "code", "named"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_wrong_has_a_code_and_a_sentence(wrong: str, taken: Record, code: str, named: str) -> None:
    refused = decoded(taken)
    assert isinstance(refused, Refused), wrong
    assert (refused.code, named in refused.message) == (code, True), refused
    assert re.fullmatch(r"[A-Za-z].{5,300}\.", refused.message), "one sentence, on one line"


@pytest.mark.parametrize(
    ("due_on", "time"),
    [("2019-12-31", "2019-12-31T23:59:59+08:00"), ("2020-01-01", "2020-03-31T12:00:00+08:00")],
    ids=["paid in advance", "due before its month, and assessed late"],
)
def test_a_due_date_out_of_the_ordinary_is_no_contradiction(due_on: str, time: str) -> None:
    told = decoded(record(assessed(A, due_on=due_on) | {"time": time}))
    assert not isinstance(told, Refused), told


def test_every_code_that_decoding_can_give_is_held_by_a_case() -> None:
    of_acceptance = {"ID_CONFLICT", "VERSION_CONFLICT"}
    assert {row[2] for row in REFUSED} == set(get_args(RejectCode)) - of_acceptance


@pytest.mark.parametrize("mode", [record, binary])
@pytest.mark.parametrize(
    ("told", "topic"),
    [
        (registered(A), TAX),
        (registered(A, payee=None), TAX),
        (ASSESSED, TAX),
        (headcount(A), INSURANCE),
        (applied(A), APPLICATIONS),
        (applied(A, contact="by the gate"), APPLICATIONS),
        (NEED, APPLICATIONS),
        (day("2020-02-01"), OPERATIONS),
    ],
)
def test_both_modes_give_the_same_event(mode: Callable[..., Record], told: Event, topic: str) -> None:
    event = event_of(mode(told, topic))
    assert (event.id, event.source, event.subject) == (told["id"], told["source"], told["subject"])
    assert event.data.model_dump(mode="json") == told["data"]
    assert event.time.isoformat() == told["time"]


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"application/cloudevents+json; charset=utf-8", b"Application/CloudEvents+JSON"],
)
def test_structured_mode_is_what_the_content_type_says_whatever_other_headers_are_there(content_type: bytes) -> None:
    headers = [("Content-Type", content_type), ("ce_id", b"spoofed"), ("traceid", b"1"), ("traceid", b"2")]
    assert event_of(record(ASSESSED, headers=headers)).id == ASSESSED["id"]


def test_a_structured_value_without_headers_is_read() -> None:
    assert event_of(record(ASSESSED, headers=())).id == ASSESSED["id"]


def test_binary_data_cannot_speak_for_the_envelope() -> None:
    spoofing = ASSESSED | {"data": ASSESSED["data"] | {"id": "x", "subject": B, "type": "y", "specversion": "9"}}
    event = event_of(binary(spoofing))
    assert (event.id, event.subject, event.type) == (ASSESSED["id"], A, ASSESSED["type"])
    assert unknown_fields(event) == 4
    broken_out = json.dumps(ASSESSED["data"])[:-1] + '}, "subject": "' + B + '", "data": {}'
    refused = decoded(record(broken_out.encode(), key=A, headers=binary(ASSESSED).headers))
    assert isinstance(refused, Refused)
    assert refused.code == "NOT_JSON"


def test_unknown_fields_are_counted_and_known_ones_are_not() -> None:
    told = registered(A, payee=PAYEE | {"nickname": "x"}, branch="y", remark="z") | {"extension": "fine"}
    assert unknown_fields(event_of(record(told))) == 3
    assert unknown_fields(event_of(record(registered(A)))) == 0


PRIVATE = "Li Ming 0991-5550123"
SPOILED: list[tuple[Event, str]] = [
    (registered(A, payee=PAYEE | {"bank_code": PRIVATE}), TAX),
    (registered(A, payee=PAYEE | {"account_number": PRIVATE}), TAX),
    (registered(A, payee=PRIVATE), TAX),
    (registered(A, industry=PRIVATE), TAX),
    (registered(A, employees=PRIVATE), TAX),
    (registered(A) | {"time": PRIVATE}, TAX),
    (registered(A) | {"type": PRIVATE}, TAX),
    (registered(A) | {"subject": PRIVATE}, TAX),
    (registered(PRIVATE), TAX),
    (applied(A, contact={PRIVATE: 5}), APPLICATIONS),
    (applied(A, contact={PRIVATE * 500: "x"}), APPLICATIONS),
    (applied(A, contact=[PRIVATE]), APPLICATIONS),
    (applied(A, utilities=[PRIVATE]), APPLICATIONS),
    (need(A, details={PRIVATE: {PRIVATE: float("nan")}}), APPLICATIONS),
    (need(A, details={PRIVATE: "\x00"}), APPLICATIONS),
    (need(A, details=PRIVATE, contact=CONTACT), APPLICATIONS),
]


@pytest.mark.parametrize(("told", "topic"), SPOILED)
@pytest.mark.parametrize("mode", [record, binary])
def test_no_sentence_repeats_what_the_record_says(mode: Callable[..., Record], told: Event, topic: str) -> None:
    refused: Any = decoded(mode(told, topic))
    assert isinstance(refused, Refused)
    assert len(refused.message) < 300
    for text in (*PERSONAL, PRIVATE, A):
        assert text not in refused.message


def test_a_sentence_names_fields_of_the_contract_and_nothing_else() -> None:
    refused = decoded(record(applied(A, contact={PRIVATE: 5}), APPLICATIONS))
    assert refused == Refused(
        "INVALID_FIELD",
        "The field data.contact is wrong: Input should be a valid string; correct it and send the record again.",
    )
