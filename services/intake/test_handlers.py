"""From records to facts and rejects: what goes out is valid, the same every time, and tells nobody's account."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.cases import (
    CONTACT,
    PAYEE,
    PERSONAL,
    TIME,
    Event,
    Partition,
    applied,
    assessed,
    bill,
    deregistered,
    enterprise,
    headcount,
    need,
    paid,
    record,
    registered,
)
from services.intake.handlers import IntakeFold
from shared.contracts.registry import decoder
from shared.contracts.topics import APPLICATIONS, FACTS, INSURANCE, REJECTED, TAX, UTILITY, topics
from shared.ids import derived
from shared.observability import metrics
from shared.sealing import Unsealer
from shared.streaming.records import partition_of

A, B = enterprise(1), enterprise(2)
PARTITIONS = topics()[FACTS].partitions
ONE_OF_EACH: list[tuple[str, Event]] = [
    (TAX, registered(A)),
    (TAX, registered(A, "2020-01-01", payee=None)),
    (TAX, deregistered(A)),
    (TAX, assessed(A)),
    (TAX, paid(A)),
    (INSURANCE, headcount(A)),
    (UTILITY, bill(A)),
    (APPLICATIONS, applied(A)),
    (APPLICATIONS, need(A, contact="Li Ming, 0991-5550123")),
]


@pytest.mark.parametrize(("topic", "told"), ONE_OF_EACH, ids=[told["type"] for _, told in ONE_OF_EACH])
def test_a_fact_is_valid_keeps_what_was_sent_and_goes_to_the_enterprises_partition(
    partition: Partition, topic: str, told: Event
) -> None:
    (output,) = partition.take(record(told, topic, offset=7, partition=3))
    assert (output.topic, output.partition, output.key) == (FACTS, partition_of(A.encode(), PARTITIONS), A.encode())
    fact = decoder(FACTS).validate_json(output.value)
    assert (fact.id, fact.source, fact.type, fact.time.isoformat()) == (told["id"], told["source"], told["type"], TIME)
    origin = fact.data.origin
    assert (origin.topic, origin.partition, origin.offset, origin.index) == (topic, 3, 7, 0)
    sealed = {"payee", "contact"}
    kept = fact.data.model_dump(mode="json", exclude={"origin", *sealed})
    assert kept.items() >= {name: value for name, value in told["data"].items() if name not in sealed}.items()


@pytest.mark.parametrize(("topic", "told"), ONE_OF_EACH, ids=[told["type"] for _, told in ONE_OF_EACH])
def test_no_output_carries_an_account_a_payee_or_a_contact_in_the_open(
    partition: Partition, topic: str, told: Event
) -> None:
    conflicting = json.loads(json.dumps(told)) | {"time": "2020-04-01T00:00:00Z"}
    conflicting["data"] |= {"name": "changed", "submitted_on": "2020-03-03", "deregistered_on": "2020-04-01"}
    spoiled = told | {"data": told["data"] | {"uscc": "x"}}
    outputs = [
        *partition.take(record(told, topic)),
        *partition.take(record(conflicting, topic, 1)),
        *partition.take(record(spoiled, topic, 2)),
    ]
    assert len(outputs) >= 2
    for output in outputs:
        for text in PERSONAL:
            assert text.encode() not in output.value
    assert not [state for state in partition.stored.values() for text in PERSONAL if text.encode() in state]


def test_payments_opens_what_was_sealed_to_it_for_this_enterprise(partition: Partition, secrets: Path) -> None:
    unsealer = Unsealer(secrets / "payments.private.jwks.json")
    (fact,) = partition.told(record(registered(A)))
    assert json.loads(unsealer.unseal(fact["data"]["payee_sealed"], A.encode())) == PAYEE
    (application,) = partition.told(record(applied(A), APPLICATIONS))
    assert json.loads(unsealer.unseal(application["data"]["contact_sealed"], A.encode())) == CONTACT


def test_the_payees_digest_changes_with_the_account_and_with_nothing_else(partition: Partition) -> None:
    def digest(effective_on: str, **changed: Any) -> str | None:
        (fact,) = partition.told(record(registered(A, effective_on, **changed)))
        found: str | None = fact["data"]["payee_digest"]
        return found

    first = digest("2019-01-01")
    assert digest("2019-02-01", name="renamed", payee=PAYEE | {"remark": "unknown"}) == first
    assert digest("2019-03-01", payee=PAYEE | {"account_number": "6222000011112223"}) != first
    assert digest("2019-04-01", payee=None) is None


def test_unknown_fields_are_counted_and_not_kept(partition: Partition) -> None:
    counter = metrics.UNKNOWN_FIELDS.labels("cn.tax.enterprise.registered.v1")
    before = counter._value.get()
    (output,) = partition.take(record(registered(A, payee=PAYEE | {"nickname": "SECRET"}, remark="SECRET")))
    assert counter._value.get() - before == 2
    assert b"SECRET" not in output.value
    again = registered(A, payee=PAYEE)
    assert partition.codes(record(again, offset=1)) == ["-"], "what the contract does not know is no other content"


def test_a_trace_goes_on(partition: Partition) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (fact,) = partition.told(record(registered(A) | {"traceparent": traceparent}))
    assert fact["traceparent"] == traceparent
    (fact,) = partition.told(record(assessed(A)))
    assert "traceparent" not in fact


# ---- conflicts -----------------------------------------------------------------------------------------------------

NOBODYS_ORDER = need(A, details={"from": "Urumqi", "people": 12})
PLACED: list[tuple[str, str, list[Event], str]] = [
    ("an event twice", TAX, [assessed(A), assessed(A)], "1 -"),
    ("in another time zone", TAX, [assessed(A), assessed(A) | {"time": "2020-03-31T04:00:00Z"}], "1 -"),
    ("a new id for the same", TAX, [assessed(A), assessed(A) | {"id": "other"}], "1 -"),
    ("members in another order", APPLICATIONS, [need(A), NOBODYS_ORDER], "1 -"),
    ("the same id from another source", TAX, [assessed(A), paid(A) | {"id": "as-a1-1-100000", "source": "//b"}], "1 1"),
    ("an old version late", TAX, [assessed(A, version=2), assessed(A)], "1 -"),
    ("an id with other content", TAX, [assessed(A), assessed(A) | {"data": assessed(A, version=2)["data"]}],
     "1 ID_CONFLICT"),
    ("a version with other content", TAX, [assessed(A), assessed(A, amount_fen=1)], "1 VERSION_CONFLICT"),
    ("a payment of another amount", TAX, [paid(A), paid(A, amount_fen=1)], "1 VERSION_CONFLICT"),
    ("two dates of deregistration", TAX, [deregistered(A), deregistered(A, "2020-05-01")], "1 VERSION_CONFLICT"),
    ("an assessment moved to another month", TAX, [assessed(A), assessed(A, version=2, period="2020-03")],
     "1 VERSION_CONFLICT"),
    ("an assessment moved to another insurance", TAX, [assessed(A), assessed(A, version=2, insurance="medical")],
     "1 VERSION_CONFLICT"),
    ("an assessment of another enterprise", TAX, [assessed(A), assessed(B, version=2)], "1 VERSION_CONFLICT"),
    ("a payment of another enterprise", TAX, [paid(A), paid(B)], "1 VERSION_CONFLICT"),
    ("a bill of another enterprise", UTILITY, [bill(A), bill(B, version=2)], "1 VERSION_CONFLICT"),
    ("a claim that was refused claims nothing", TAX,
     [assessed(A), assessed(B, version=2), assessed(A, version=3), assessed(B, version=4)],
     "1 VERSION_CONFLICT 1 VERSION_CONFLICT"),
    ("registrations of two dates", TAX, [registered(A), registered(A, "2020-01-01")], "1 1"),
]  # fmt: skip


@pytest.mark.parametrize(("history", "topic", "told", "expected"), PLACED, ids=[row[0] for row in PLACED])
def test_repeats_and_conflicts(
    partition: Partition, history: str, topic: str, told: list[Event], expected: str
) -> None:
    records = [record(one, topic, offset) for offset, one in enumerate(told)]
    assert partition.codes(*records) == expected.split(), history


def test_old_versions_and_repeats_are_counted(partition: Partition) -> None:
    superseded, duplicates = metrics.SUPERSEDED.labels(assessed(A)["type"]), metrics.DUPLICATES.labels(TAX)
    before = superseded._value.get(), duplicates._value.get()
    partition.codes(*(record(told) for told in (assessed(A, version=2), assessed(A), assessed(A, version=2))))
    assert (superseded._value.get() - before[0], duplicates._value.get() - before[1]) == (1, 1)


def test_members_that_no_contract_names_are_looked_at_by_nobody(partition: Partition) -> None:
    def told(name: str, **extra: object) -> Event:
        return paid(A, name) | {"id": f"{name}{extra}", "data": paid(A, name)["data"] | extra}

    records = [told("p1", version=2), told("p1", version=3), told("p2", payee=5), told("p3", version="x")]
    assert partition.codes(*(record(one, TAX, offset) for offset, one in enumerate(records))) == ["1", "-", "1", "1"]


CORRECTABLE = [
    *((TAX, assessed(A, version=n, amount_fen=n)) for n in (1, 2, 3)),
    *((TAX, registered(A, day, version=n, employees=n)) for day in ("2019-01-01", "2020-01-01") for n in (1, 2)),
    *((TAX, paid(A, name)) for name in ("p1", "p2")),
]


@settings(max_examples=40, deadline=None)
@given(st.permutations(CORRECTABLE), st.lists(st.sampled_from(CORRECTABLE), max_size=5))
def test_the_last_facts_are_the_same_in_any_order(
    fold: IntakeFold, order: list[tuple[str, Event]], again: list[tuple[str, Event]]
) -> None:
    partition = Partition(fold)
    latest: dict[tuple[str, str], Any] = {}
    for offset, (topic, told) in enumerate([*order, *again]):
        for fact in partition.told(record(told, topic, offset)):
            data = fact["data"]
            name = data.get("assessment_id") if "version" in data else data["payment_id"]
            latest[fact["type"], data.get("effective_on", name)] = (data.get("version", 1), fact["id"])
    assert sorted(latest.values()) == [
        (1, "pa-p1-100000"),
        (1, "pa-p2-100000"),
        (2, "re-2019-01-01-2"),
        (2, "re-2020-01-01-2"),
        (3, "as-a1-3-3"),
    ]


# ---- rejects -------------------------------------------------------------------------------------------------------


def test_a_rejected_record_is_known_by_its_position_and_opened_by_operators_alone(
    partition: Partition, secrets: Path
) -> None:
    wrong = record(assessed(A, amount_fen=-1), offset=42, partition=5)
    (output,) = partition.take(wrong)
    event = decoder(REJECTED).validate_json(output.value)
    position = f"{TAX}/5/42"
    assert (event.id, event.subject, output.key) == (derived("rejected", position), position, position.encode())
    assert output.partition == partition_of(position.encode(), topics()[REJECTED].partitions)
    assert (event.data.code, event.data.size_bytes) == ("OUT_OF_RANGE", len(wrong.value or b""))
    origin = event.data.origin
    assert (origin.topic, origin.partition, origin.offset, origin.index) == (TAX, 5, 42, 0)
    operators = Unsealer(secrets / "operators.private.jwks.json")
    assert operators.unseal(event.data.raw_sealed, position.encode()) == wrong.value
    (elsewhere,) = partition.told(dataclasses.replace(wrong, offset=43))
    assert elsewhere["id"] != event.id


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"x" * 2_000_000])
@pytest.mark.parametrize("timestamp", [-1, -(2**62), 0, 1_583_000_000_123, 2**62])
def test_whatever_was_sent_and_whenever_the_reject_is_valid(
    partition: Partition, value: bytes | None, timestamp: int
) -> None:
    (output,) = partition.take(record(value, key="?", timestamp=timestamp))
    event = decoder(REJECTED).validate_json(output.value)
    assert (event.data.raw_sealed is None) == (value is None or not value or len(value) > 256 * 1024)
    assert len(output.value) < 400_000


def test_a_conflict_tells_both_contents(partition: Partition) -> None:
    partition.codes(record(assessed(A)))
    (conflict,) = partition.told(record(assessed(A, amount_fen=1), offset=1))
    decoder(REJECTED).validate_python(conflict | {"time": TIME}, strict=False)
    data = conflict["data"]
    assert data["content_digest"] != data["conflicts_with"]
    (again,) = partition.told(record(assessed(A, amount_fen=2), offset=2))
    assert again["data"]["conflicts_with"] == data["conflicts_with"], "the first stands"


def test_a_record_from_the_same_state_gives_the_same_bytes(fold: IntakeFold) -> None:
    histories = [*ONE_OF_EACH, (TAX, assessed(A, amount_fen=-1)), (TAX, assessed(B))]
    one, other = Partition(fold), Partition(fold)
    for offset, (topic, told) in enumerate(histories):
        taken = record(told, topic, offset)
        before = dict(one.stored)
        assert one.take(taken) == other.take(taken)
        assert one.stored == other.stored
        repeated = Partition(fold)
        repeated.stored = dict(before)
        first = repeated.take(taken)
        repeated.stored = dict(before)
        assert repeated.take(taken) == first
