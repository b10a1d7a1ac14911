"""Days, packs and reviews: from one operations record to the facts partitions."""

import pytest

from services.intake.cases import Event, Partition, assessed, binary, day, enterprise, operation, record
from services.intake.handlers import INPUTS, IntakeFold
from shared.contracts.registry import decoder
from shared.contracts.topics import FACTS, OPERATIONS, topics
from shared.streaming.records import partition_of

A, B = enterprise(1), enterprise(2)
PARTITIONS = topics()[FACTS].partitions
PACK = {"pack": "xinjiang-2020", "version": "1", "sha256": "0" * 64}


@pytest.mark.parametrize("told", [day("2020-02-01"), operation("pack.activated", "pack-1", PACK)])
def test_a_day_and_a_pack_go_to_every_facts_partition_once(partition: Partition, told: Event) -> None:
    outputs = partition.take(record(told, OPERATIONS))
    assert [output.partition for output in outputs] == list(range(PARTITIONS))
    for output in outputs:
        fact = decoder(FACTS).validate_json(output.value)
        assert (fact.type, fact.id, fact.data.origin.index) == (told["type"], told["id"], output.partition)
    assert partition.codes(record(told, OPERATIONS, 1)) == ["-"]


def test_an_older_day_and_the_same_day_are_ignored(partition: Partition) -> None:
    days = [day("2020-02-02"), day("2020-02-01"), day("2020-02-02", "again"), day("2020-02-05"), day("2020-02-03")]
    records = [record(told, OPERATIONS, offset) for offset, told in enumerate(days)]
    assert partition.codes(*records) == ["12", "-", "-", "12", "-"]


def test_an_operation_with_other_content_is_refused(partition: Partition) -> None:
    first, other = day("2020-02-01", "day-x"), day("2020-03-01", "day-x")
    assert partition.codes(record(first, OPERATIONS), record(other, OPERATIONS, 1)) == ["12", "ID_CONFLICT"]
    assert partition.codes(record(day("2020-03-01"), OPERATIONS, 2)) == ["12"]


def test_a_review_goes_to_its_enterprises_partition(partition: Partition) -> None:
    review = operation("review.requested", "review-1", {"uscc": B, "reason": "the second pack"})
    (output,) = partition.take(record(review, OPERATIONS))
    assert (output.partition, output.key) == (partition_of(B.encode(), PARTITIONS), B.encode())
    fact = decoder(FACTS).validate_json(output.value)
    assert (fact.subject, fact.data.uscc) == (B, B)


def test_a_broken_operation_is_rejected(partition: Partition) -> None:
    broken = [day("2020-02-30"), operation("review.requested", "r", {"uscc": "x", "reason": ""}), assessed(A)]
    records = [record(told, OPERATIONS, offset) for offset, told in enumerate(broken)]
    assert partition.codes(*records) == ["INVALID_FIELD", "BAD_USCC", "UNKNOWN_TYPE"]


def test_all_that_intake_reads_can_be_decoded(fold: IntakeFold) -> None:
    assert {topic.name for topic in topics().values() if "intake" in topic.readers} - set(INPUTS) == {
        "relief.decisions.v1"
    }
    for topic in INPUTS:
        assert fold.decode(binary(day("2020-02-01"), topic)) is not None


@pytest.mark.parametrize("extra", ["91650100MA78TEST0X", 5, None])
def test_a_member_that_no_contract_names_keeps_a_day_from_no_partition(partition: Partition, extra: object) -> None:
    told = day("2020-02-01")
    assert partition.codes(record(told | {"data": told["data"] | {"uscc": extra}}, OPERATIONS)) == ["12"]
