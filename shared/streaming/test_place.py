"""Where a partition may go on, and where it has to stop: nothing is skipped silently."""

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from shared.streaming.fakes import IN, FakeConsumer, Log, Process, lose_writes, memory_store, verify
from shared.streaming.place import Moved, find_place
from shared.streaming.records import Mark, Record
from shared.streaming.store import MemoryStore


async def done(log: Log, store: MemoryStore[int], *amounts: int) -> Process:
    log.add(*amounts)
    process = await Process(log, store).take(IN)
    await process.turn()
    await process.runner.commit_advisory()
    return process


async def test_a_record_that_is_not_the_one_taken_stops_the_partition() -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1, 2, 3)
    taken = log.records[IN][2]
    log.records[IN][2] = Record(IN.topic, IN.partition, 2, taken.key, b'{"amount": 4}')
    log.add(9)
    heir = await Process(log, store).take(IN)
    await heir.turn()
    assert "does not hold at offset 2" in heir.runner.stopped[IN]
    assert heir.publisher.out == []
    assert "numbers/0" in (heir.runner.problem() or "")


async def test_a_record_that_was_taken_and_is_gone_stops_the_partition() -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1, 2, 3)
    del log.records[IN][2]
    log.add(9)
    heir = await Process(log, store).take(IN)
    await heir.turn()
    assert "does not hold at offset 2" in heir.runner.stopped[IN]
    assert heir.publisher.out == []


async def test_a_log_that_ends_before_our_place_stops_the_partition() -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1, 2, 3)
    again = Log()
    again.add(1, 2)
    heir = await Process(again, store).take(IN)
    assert "the log ends at 2" in heir.runner.stopped[IN]


async def test_an_owner_that_goes_on_while_we_look_is_not_taken_for_a_recreated_log() -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1)

    class Slow(FakeConsumer):
        async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            ends = await super().end_offsets(partitions)
            log.add(3)
            await owner.turn()
            return ends

    owner = await Process(log, store).take(IN)
    log.add(2)
    consumer = Slow(log)
    consumer.assigned = {IN}
    assert (await find_place("late", consumer, store, IN)).next_offset == 1


@pytest.mark.parametrize("marker", ["lost", "behind the log's start"])
async def test_a_log_trimmed_of_what_was_done_is_taken_from_its_start_with_empty_state(marker: str) -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1, 2, 3)
    log.trim(IN, 2)
    lose_writes(store, IN, None if marker == "lost" else (Mark(1, 0, b"x"), {"a": b"1"}))
    heir = await Process(log, store).take(IN)
    await heir.turn()
    async with store.session(IN, ["a"]) as session:
        assert session.states.get("a") == 3
        assert session.mark is not None
        assert session.mark.next_offset == 3


@pytest.mark.parametrize("committed", [None, 1])
@pytest.mark.parametrize("marker", ["lost", "behind the log's start"])
async def test_a_log_trimmed_of_more_than_was_done_stops_the_partition(committed: int | None, marker: str) -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    log.trim(IN, 2)
    if committed is not None:
        log.committed[IN] = committed
    if marker != "lost":
        lose_writes(store, IN, (Mark(1, 0, b"x"), {"a": b"1"}))
    process = await Process(log, store).take(IN)
    await process.turn()
    assert "begins at offset 2" in process.runner.stopped[IN]
    assert "records are missing" in process.runner.stopped[IN]
    assert process.publisher.out == []


async def test_a_log_trimmed_under_us_is_held_to_the_same_rules() -> None:
    log, store = Log(), memory_store()
    process = await done(log, store, 1)
    log.add(2, 3)
    log.trim(IN, 2)
    await process.turn()
    assert "begins at offset 2" in process.runner.stopped[IN]


async def test_a_log_trimmed_up_to_our_place_goes_on_without_the_proof() -> None:
    log, store = Log(), memory_store()
    await done(log, store, 1, 2)
    log.trim(IN, 2)
    log.add(3)
    heir = await Process(log, store).take(IN)
    await heir.turn()
    async with store.session(IN, ["a"]) as session:
        assert session.states.get("a") == 6


async def test_a_stale_owner_that_found_no_marker_does_not_wipe_out_what_a_new_one_did() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    owner = Process(log, store)

    class Frozen(FakeConsumer):
        """Freezes after the store was asked, until another owner has begun and gone on."""

        async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            await owner.take(IN)
            await owner.turn()
            return await super().beginning_offsets(partitions)

    consumer = Frozen(log)
    consumer.assigned = {IN}
    with pytest.raises(Moved):
        await find_place("frozen", consumer, store, IN)
    await verify(log, store, owner)


async def test_a_topic_recreated_while_we_run_stops_the_partition() -> None:
    log, store = Log(), memory_store()
    process = await done(log, store, 1, 2, 3)
    log.records.clear()
    log.end.clear()
    log.add(1)
    await process.turn()
    await asyncio.sleep(0)
    assert "the log ends at 1" in process.runner.stopped[IN]
