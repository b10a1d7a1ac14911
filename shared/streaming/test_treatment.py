"""What is done about a failure, and that the other partitions go on meanwhile."""

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from shared.streaming import backoff
from shared.streaming.errors import Retry, Stop
from shared.streaming.fakes import IN, Log, Process, memory_store, snapshot, verify
from shared.streaming.records import Mark
from shared.streaming.store import MemoryStore
from shared.streaming.treatment import ATTEMPTS_BEFORE_STOP

OTHER = TopicPartition("numbers", 1)


@pytest.mark.parametrize(
    "error", [Retry("Redis: away"), KafkaConnectionError(), ConnectionResetError(), TimeoutError()]
)
async def test_what_passes_by_itself_is_tried_without_end(error: Exception) -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    process = await Process(log, store).take(IN)
    process.publisher.raises = [error] * 40
    await process.turn(40)
    assert process.runner.stopped == {}
    assert "being tried again" in (process.runner.problem() or "")
    await process.turn()
    assert process.runner.problem() is None
    await verify(log, store, process)
    assert len(process.slept) == 40


async def test_the_waits_grow_and_are_bounded() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    process.publisher.raises = [Retry("away")] * 30
    await process.turn(31)
    slept = process.slept
    assert all(0 < wait <= backoff.MAX_SECONDS for wait in slept)
    assert slept[0] <= 0.1 < slept[3] < slept[6] < backoff.MAX_SECONDS / 2 <= slept[10]
    assert len(set(slept)) == 30, "spread, so that not all come back at the same time"
    process.publisher.raises = [Retry("away")]
    log.add(2)
    await process.turn(2)
    assert process.slept[-1] <= 0.1, "a commit begins the count anew"


async def test_an_unexpected_exception_is_tried_again_then_stops_its_partition_and_others_go_on() -> None:
    log, store = Log(), memory_store()
    process = await Process(log, store).take(IN, OTHER)
    log.add(1, 2)
    log.append(IN, "a", b"no JSON at all")
    log.add(3)
    for amount in range(2 * ATTEMPTS_BEFORE_STOP):
        log.add(amount, partition=OTHER)
        await process.turn()
    assert list(process.runner.stopped) == [IN]
    assert "JSONDecodeError" in process.runner.stopped[IN]
    assert "1 partition(s) stopped, numbers/0" in (process.runner.problem() or "")
    assert len(process.slept) == ATTEMPTS_BEFORE_STOP - 1
    await verify(log, store, process, partition=OTHER)
    mark = await store.mark(IN)
    assert mark is not None
    assert mark.next_offset == 0, "nothing of the batch was taken, and nothing skipped"


async def test_an_unexpected_exception_that_does_not_come_back_costs_nothing() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    process = await Process(log, store).take(IN)
    process.fold.raises = [None, ValueError("cosmic ray")]
    await process.turn(2)
    assert process.runner.stopped == {}
    await verify(log, store, process)


async def test_passing_failures_do_not_use_up_the_attempts_of_an_unexpected_one() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    process.publisher.raises_before = [Retry("away")] * ATTEMPTS_BEFORE_STOP + [ValueError("once")]
    await process.turn(ATTEMPTS_BEFORE_STOP + 2)
    assert process.runner.stopped == {}
    await verify(log, store, process)


async def test_seeing_the_proof_again_does_not_begin_the_count_anew() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn()
    log.append(IN, "a", b"no JSON at all")
    await process.turn(3 * ATTEMPTS_BEFORE_STOP)
    assert IN in process.runner.stopped


async def test_stop_is_obeyed_at_once_and_a_new_assignment_tries_anew() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    process.publisher.raises_before = [Stop("Too large.")]
    await process.turn(2)
    assert process.runner.stopped == {IN: "Too large."}
    assert process.slept == []
    await process.lose(IN)
    assert process.runner.stopped == {}
    await process.take(IN)
    await process.turn()
    await verify(log, store, process)


class Elsewhere(MemoryStore[int]):
    """A store that another owner moves under us, again and again."""

    def __init__(self) -> None:
        super().__init__(lambda total: str(total).encode(), int)
        self.times = 0

    def write(self, partition: TopicPartition, expected: int | None, mark: Mark, changes: dict[str, Any]) -> bool:
        self.times -= 1
        return self.times < 0 and super().write(partition, expected, mark, changes)


async def test_two_who_drive_each_other_away_do_not_spin() -> None:
    log, store = Log(), Elsewhere()
    log.add(1)
    process = await Process(log, store).take(IN)
    store.times = 12
    await process.turn(12)
    assert len(process.slept) == 11, "at once the first time, then with waits"
    assert process.slept[-1] > 1
    await process.turn()
    await verify(log, store, process)


async def test_a_store_that_is_away_when_the_place_is_looked_for_is_asked_until_it_is_back() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = Process(log, store)
    process.consumer.assigned = {IN}
    asked = 0

    async def away(partition: TopicPartition) -> Mark | None:
        nonlocal asked
        asked += 1
        if asked < 10:
            raise Retry("Redis: away")
        return None

    store.mark = away  # type: ignore[method-assign]
    process.runner.bind(process.consumer)
    await process.runner.assigned({IN})
    assert IN in process.consumer.paused
    await process.settle()
    assert len(process.slept) == 9
    assert process.runner.problem() is None, "found: that trouble is over, though nothing has come in"
    await process.turn()
    assert snapshot(store, IN)[0].next_offset == 1


async def test_a_place_that_cannot_be_found_for_no_known_reason_stops_the_partition() -> None:
    log, store = Log(), memory_store()
    process = Process(log, store)

    async def broken(partition: TopicPartition) -> Mark | None:
        raise KeyError("bytes of another version")

    store.mark = broken  # type: ignore[method-assign]
    await process.take(IN)
    assert "KeyError" in process.runner.stopped[IN]
    assert len(process.slept) == ATTEMPTS_BEFORE_STOP - 1
