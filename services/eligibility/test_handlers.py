"""From facts to decisions on the wire: valid, with identity, cause and payee; and the days passed on."""

from datetime import date

import msgspec
import pytest

from services.eligibility import packs
from services.eligibility.cases import PACK, A, enterprise, payee
from services.eligibility.fact_cases import (
    TIME,
    Partition,
    assessed,
    day,
    pack,
    paid,
    record,
    registered,
    review,
)
from services.eligibility.handlers import IN_FORCE, EligibilityFold, InForce, decode_state
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.topics import DECISIONS, FACTS
from shared.ids import decision_id
from shared.streaming.errors import Stop
from shared.streaming.records import Output, Record

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def partition() -> Partition:
    return Partition(EligibilityFold(packs.by_hash))


def events(outputs: list[Output]) -> list[AnyEvent]:
    return [decoder(DECISIONS).validate_json(output.value) for output in outputs]


def test_a_decision_on_the_wire(partition: Partition) -> None:
    partition.take(pack(), registered(1))
    taken = assessed(1000, 2, traceparent=TRACEPARENT)
    (output,) = partition.take(taken)
    assert (output.topic, output.partition, output.key) == (DECISIONS, taken.partition, A.encode())
    (event,) = events([output])
    identity = decision_id(A, "exemption", "pension/2020-02", 1)
    assert (event.id, event.type, event.subject) == (identity, "relief.decision.made.v1", A)
    assert (event.source, event.time, event.traceparent) == ("/relief/eligibility", TIME, TRACEPARENT)
    assert event.data.model_dump(exclude={"origin", "policy"}) == {
        "decision_id": identity,
        "uscc": A,
        "measure": "exemption",
        "key": "pension/2020-02",
        "prefecture": "650100",
        "size_class": "small",
        "revision": 1,
        "outcome": "granted",
        "amount_fen": 1000,
        "delta_fen": 1000,
        "effective_on": date(2020, 2, 1),
        "reasons": [],
        "facts": ["cn.tax.enterprise.registered.v1-1", "cn.tax.contribution.assessed.v1-2"],
        "payee_sealed": None,
        "payee_digest": None,
    }
    assert event.data.policy.sha256 == PACK.ref.sha256
    origin = event.data.origin
    assert (origin.topic, origin.partition, origin.offset, origin.index) == (FACTS, taken.partition, 2, 0)


def test_what_pays_out_carries_the_sealed_payee_and_several_decisions_of_one_fact_are_numbered(
    partition: Partition,
) -> None:
    partition.take(pack(), assessed(1000, 1), paid(1000, 2))
    waived, returned = events(partition.take(registered(3)))
    assert (waived.data.measure, waived.data.origin.index, waived.data.payee_sealed) == ("exemption", 0, None)
    assert (returned.data.measure, returned.data.origin.index) == ("contribution_return", 1)
    assert (returned.data.payee_sealed, returned.data.payee_digest) == (payee("1").sealed, payee("1").digest)


def test_another_payee_is_a_revision_with_no_difference(partition: Partition) -> None:
    partition.take(pack(), assessed(1000, 1), paid(1000, 2), registered(3))
    (event,) = events(partition.take(registered(4, account="2", version=2)))
    data = event.data
    assert (data.measure, data.revision, data.amount_fen, data.delta_fen) == ("contribution_return", 2, 1000, 0)
    assert data.payee_digest == payee("2").digest


def test_a_fact_without_a_pack_decides_nothing_and_a_later_review_does(partition: Partition) -> None:
    assert partition.take(registered(), assessed(1000, 1), review(2)) == []
    assert partition.take(pack(offset=3)) == [], "no record fans out over the enterprises"
    (event,) = events(partition.take(review(4)))
    assert (event.data.amount_fen, event.data.revision) == (1000, 1)
    assert partition.take(review(5)) == []


def test_an_unknown_pack_stops(partition: Partition) -> None:
    partition.take(pack())
    with pytest.raises(Stop, match="activates policy pack 999999999999…, which is not installed"):
        partition.take(pack("9" * 64, 1))
    assert partition.states()[IN_FORCE] == InForce(PACK.ref.sha256)


def test_a_pack_that_is_gone_stops_at_the_next_fact(partition: Partition) -> None:
    partition.take(pack(), registered(1))

    def without(sha256: str) -> None:
        raise Stop(f"{sha256} is not installed")

    partition.fold = EligibilityFold(without)  # type: ignore[arg-type]  # never gives one
    with pytest.raises(Stop, match="not installed"):
        partition.take(assessed(1000, 2))


def test_days_are_passed_on_in_order_and_old_ones_are_not(partition: Partition) -> None:
    outputs = partition.take(day("2020-02-02"), day("2020-02-01", 1), day("2020-02-02", 2), day("2020-02-05", 3))
    assert [event.data.date.isoformat() for event in events(outputs)] == ["2020-02-02", "2020-02-05"]
    assert {output.partition for output in outputs} == {day("2020-02-02").partition}
    partition.take(pack(offset=4))
    assert partition.states()[IN_FORCE] == InForce(PACK.ref.sha256, "2020-02-05")


def test_the_cause_is_intakes_record(partition: Partition) -> None:
    taken = partition.fold.decode(assessed(1, 7))
    cause = partition.fold.cause(taken)
    assert cause is not None
    assert (cause.source, cause.position) == ("upstream.tax.v1/5", (7, 0))


def test_facts_of_other_services_touch_no_state(partition: Partition) -> None:
    data = {"uscc": A, "application_id": "h1", "submitted_on": date(2020, 3, 2)}
    withdrawal = record("relief.holdover.withdrawal.v1", data)
    assert list(partition.fold.keys(partition.fold.decode(withdrawal))) == []
    assert partition.take(withdrawal) == []
    assert partition.stored == {}


def test_a_fact_from_the_same_state_gives_the_same_bytes() -> None:
    history = [pack(), registered(1), assessed(1000, 2), paid(1000, 3), day("2020-02-02", 4), registered(5, version=2)]
    one, other = (Partition(EligibilityFold(packs.by_hash)) for _ in range(2))
    assert one.take(*history) == other.take(*history)
    assert one.stored == other.stored


def test_enterprises_do_not_touch_one_another(partition: Partition) -> None:
    other = enterprise(2)
    partition.take(pack(), registered(1), assessed(1000, 2))
    (event,) = events(partition.take(registered(3, uscc=other), assessed(7, 4, uscc=other)))
    assert (event.subject, event.data.amount_fen) == (other, 7)
    assert partition.take(review(5)) == []


@pytest.mark.parametrize(
    "value", [None, b"", b"[" * 9_000, b'{"type":"relief.day.started.v1","data":{"secret":"6217"}}']
)
def test_what_is_no_fact_stops_at_once_and_is_not_repeated_in_the_sentence(value: bytes | None) -> None:
    with pytest.raises(Stop, match=r"offset 7 of relief\.facts\.v1/3 holds no fact that") as stop:
        EligibilityFold(packs.by_hash).decode(Record(FACTS, 3, 7, b"key", value))
    assert "6217" not in str(stop.value)


def test_what_another_version_has_stored_stops_with_what_to_do() -> None:
    before = msgspec.msgpack.encode(["e", [], None, {}, {}, {}, {}, {}, {}, {}, {}])
    with pytest.raises(Stop, match="run `relief rebuild eligibility`"):
        decode_state(before)
