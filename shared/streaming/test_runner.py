"""Whatever fails, and wherever: no record is lost or counted twice (the fold adds up, and forgives nothing)."""

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming.errors import Retry
from shared.streaming.fakes import IN, Crash, Log, Process, lose_writes, memory_store, snapshot, verify
from shared.streaming.records import Mark

OTHER = TopicPartition("numbers", 1)


async def test_records_are_taken_from_the_logs_start_and_told_in_order() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    log.add(10, 20, key="b")
    process = await Process(log, store).take(IN)
    await process.turn()
    log.add(4)
    await process.turn()
    await verify(log, store, process)


@pytest.mark.parametrize("max_records", [1, 2, 3, 4, 7])
async def test_where_a_batch_ends_makes_no_difference(max_records: int) -> None:
    log, store = Log(), memory_store()
    for amount in range(7):
        log.add(amount, key="ab"[amount % 2])
    process = await Process(log, store, max_records=max_records).take(IN)
    await process.turn(7)
    await verify(log, store, process)
    whole = await Process(log, memory_store()).take(IN)
    await whole.turn()
    assert process.publisher.out == whole.publisher.out


@pytest.mark.parametrize("after_publish", [True, False])
async def test_a_crash_around_publishing_repeats_the_same_outputs(after_publish: bool) -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    first = await Process(log, store, max_records=2).take(IN)
    (first.publisher.raises if after_publish else first.publisher.raises_before).append(Crash())
    with pytest.raises(Crash):
        await first.turn()
    second = await Process(log, store).take(IN)
    await second.turn()
    await verify(log, store, first, second)
    assert len(first.publisher.out) == (2 if after_publish else 0)


async def test_a_crash_before_kafka_is_told_repeats_nothing_and_kafka_learns_it_later() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    first = await Process(log, store).take(IN)
    await first.turn()
    first.consumer.commit_raises.append(Crash())
    with pytest.raises(Crash):
        await first.runner.commit_advisory()
    assert IN not in log.committed
    second = await Process(log, store).take(IN)
    await second.turn()
    assert second.publisher.out == []
    await second.runner.commit_advisory()
    assert log.committed[IN] == 3
    await verify(log, store, first, second)


@pytest.mark.parametrize("wrong", [0, 2])
async def test_kafkas_offset_is_never_a_start(wrong: int) -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    first = await Process(log, store, max_records=1).take(IN)
    await first.turn()
    log.committed[IN] = wrong
    second = await Process(log, store).take(IN)
    await second.turn()
    await verify(log, store, first, second)


async def test_a_stale_owner_is_fenced_and_goes_on_where_the_store_stands() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    frozen = await Process(log, store).take(IN)
    frozen.publisher.gate = asyncio.Event()
    turning = asyncio.create_task(frozen.turn())
    await frozen.publisher.waiting.wait()
    owner = await Process(log, store).take(IN)
    await owner.turn()
    log.add(4)
    await owner.turn()
    fences = metrics.FENCES.labels(IN.topic)._value.get()
    frozen.publisher.gate.set()
    await turning
    assert metrics.FENCES.labels(IN.topic)._value.get() == fences + 1
    await verify(log, store, frozen, owner)
    log.add(5)
    await frozen.turn(2)
    await verify(log, store, frozen, owner)


async def test_an_owner_that_another_one_overtook_drops_its_batch_before_publishing() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    slow = await Process(log, store).take(IN)
    owner = await Process(log, store, max_records=1).take(IN)
    await owner.turn()
    await slow.turn()
    assert slow.publisher.out == []
    await slow.turn()
    await verify(log, store, slow, owner)


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("busy", [True, False])
async def test_what_the_store_lost_is_done_again(everything: bool, busy: bool) -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3, 4)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn(2)
    kept = None if everything else snapshot(store, IN)
    await process.turn(2)
    lose_writes(store, IN, kept)
    if busy:
        log.add(5)
    else:
        await process.runner.check_idle()
        await process.settle()
    await process.turn(8)
    await verify(log, store, process)


async def test_what_the_store_loses_while_a_batch_is_in_hand_is_done_again() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn()
    kept = snapshot(store, IN)
    await process.turn()
    process.publisher.gate = asyncio.Event()
    turning = asyncio.create_task(process.turn())
    await process.publisher.waiting.wait()
    lose_writes(store, IN, kept)
    process.publisher.gate.set()
    await turning
    process.publisher.gate = None
    await process.turn(4)
    await verify(log, store, process)


async def test_a_repeat_is_dropped_by_its_source_and_position_in_each_partition_read() -> None:
    log, store = Log(), memory_store()
    told = [("x/0", 5, 0), ("x/0", 5, 1), ("x/0", 5, 0), ("x/1", 5, 0), ("x/0", 4, 9), ("x/0", 6, 0)]
    for amount, origin in enumerate(told, 1):
        log.append(IN, "a", {"amount": 10**amount, "origin": origin})
    log.append(OTHER, "a", {"amount": 7, "origin": ("x/0", 5, 0)})
    process = await Process(log, store, max_records=2).take(IN, OTHER)
    await process.turn(4)
    async with store.session(IN, ["a"]) as session:
        assert session.states.get("a") == 10 + 100 + 10_000 + 1_000_000
    async with store.session(OTHER, ["a"]) as session:
        assert session.states.get("a") == 7
    # Kept with the state: another process drops them too.
    log.append(IN, "a", {"amount": 1, "origin": ("x/1", 5, 0)})
    heir = await Process(log, store).take(IN)
    await heir.turn()
    assert heir.publisher.out == []


async def test_a_revoke_waits_for_the_batch_in_hand_and_tells_kafka() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    process = await Process(log, store).take(IN)
    process.publisher.gate = asyncio.Event()
    turning = asyncio.create_task(process.turn())
    await process.publisher.waiting.wait()
    losing = asyncio.create_task(process.lose(IN, budget_seconds=5))
    await asyncio.sleep(0)
    process.publisher.gate.set()
    await asyncio.gather(turning, losing)
    assert log.committed[IN] == 2
    log.add(3)
    await process.turn()
    assert len(process.publisher.out) == 2
    heir = await Process(log, store).take(IN)
    await heir.turn()
    await verify(log, store, process, heir)


async def test_a_batch_that_outlasts_the_revoke_is_fenced_and_its_failure_moves_nothing() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    process = await Process(log, store).take(IN)
    process.publisher.gate = asyncio.Event()
    process.publisher.raises.append(Retry("too late"))
    turning = asyncio.create_task(process.turn())
    await process.publisher.waiting.wait()
    await process.lose(IN)
    process.consumer.assigned = {IN}  # aiokafka still shows the old assignment until the group has joined again
    process.publisher.gate.set()
    await turning
    assert process.runner._recoveries == {}
    heir = await Process(log, store).take(IN)
    await heir.turn()
    await verify(log, store, process, heir)


async def test_records_read_before_a_rebalance_are_not_taken_after_it() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3, 4)
    process = await Process(log, store, max_records=2).take(IN)
    await process.turn()
    stale = await process.poller.poll(process.consumer)
    await process.lose(IN)
    lose_writes(store, IN)
    await process.take(IN)
    await process.runner.handle(stale.chunks)
    await process.turn(3)
    await verify(log, store, process)


async def test_a_drain_ends_the_batch_in_hand_takes_no_other_and_tells_kafka() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    process = await Process(log, store, max_records=2).take(IN)
    process.publisher.gate = asyncio.Event()
    turning = asyncio.create_task(process.turn())
    await process.publisher.waiting.wait()
    draining = asyncio.create_task(process.runner.drain(5))
    await asyncio.sleep(0)
    process.publisher.gate.set()
    await asyncio.gather(turning, draining)
    assert log.committed[IN] == 2
    await process.turn()
    await process.runner.assigned({IN})  # a rebalance while we end
    await process.turn(2)
    assert len(process.publisher.out) == 2
    assert await store.mark(IN) == await _mark_at(log, 2)


async def test_a_drain_keeps_to_its_budget() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    process.publisher.gate = asyncio.Event()
    turning = asyncio.create_task(process.turn())
    await process.publisher.waiting.wait()
    await asyncio.wait_for(process.runner.drain(0.05), 2)
    turning.cancel()


async def _mark_at(log: Log, next_offset: int) -> Mark | None:
    store = memory_store()
    process = await Process(log, store, max_records=next_offset).take(IN)
    await process.turn()
    return await store.mark(IN)
