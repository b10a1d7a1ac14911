"""Between aiokafka and the runner nothing goes missing: holes are the log's, gaps are ours."""

import pytest
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.structs import TopicPartition

from shared.streaming import consumer
from shared.streaming.consumer import Poller
from shared.streaming.fakes import IN, Log, Process, memory_store, verify
from shared.streaming.treatment import ATTEMPTS_BEFORE_STOP

OTHER = TopicPartition("numbers", 1)


async def test_holes_in_the_log_are_no_reason_to_stop() -> None:
    log, store = Log(), memory_store()
    log.append(IN, "a", {"amount": 1}, holes_before=3)
    log.append(IN, "a", {"amount": 2}, holes_before=2)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn(2)
    log.append(IN, "a", {"amount": 3}, holes_before=1)
    heir = await Process(log, store).take(IN)
    log.append(IN, "a", {"amount": 4}, holes_before=1)
    await heir.turn(2)
    await verify(log, store, process, heir)


async def test_a_poll_that_never_arrives_is_read_again_before_anything_after_it() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3, 4)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn()
    await process.poller.poll(process.consumer)  # a middleware of the framework raises, and this poll is gone
    await process.turn(5)
    await verify(log, store, process)


async def test_the_first_poll_after_a_seek_that_never_arrives_is_no_hole() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    process = await Process(log, store, max_records=1).take(IN)
    await process.poller.poll(process.consumer)
    await process.turn(4)
    await verify(log, store, process)


async def test_a_poll_that_never_arrives_is_noticed_though_nothing_comes_after_it() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn()
    await process.poller.poll(process.consumer)
    await process.runner.check_idle()
    await process.settle()
    await process.turn(2)
    await verify(log, store, process)


async def test_a_poll_from_before_a_seek_is_not_taken() -> None:
    log, store = Log(), memory_store()
    log.add(1, 2, 3)
    process = await Process(log, store, max_records=1).take(IN)
    await process.turn()
    stale = await process.poller.poll(process.consumer)
    heir = await Process(log, store).take(IN)
    await heir.turn()
    log.add(4)
    await process.runner.check_idle()
    await process.settle()
    await process.runner.handle(stale.chunks)
    await process.turn(2)
    await verify(log, store, process, heir)


@pytest.mark.parametrize("error", [CorruptRecordException(), UnsupportedCodecError("snappy"), UnicodeError("\\xff")])
async def test_a_partition_that_cannot_be_read_stops_alone(error: Exception) -> None:
    log, store = Log(), memory_store()
    process = await Process(log, store).take(IN, OTHER)
    process.consumer.unreadable[IN] = [error] * 99
    for amount in range(2 * ATTEMPTS_BEFORE_STOP):
        log.add(amount, partition=OTHER)
        await process.turn()
    assert list(process.runner.stopped) == [IN]
    assert "Unreadable" in process.runner.stopped[IN]
    await verify(log, store, process, partition=OTHER)


async def test_a_read_that_fails_once_loses_no_record_of_any_partition() -> None:
    log, store = Log(), memory_store()
    for amount in (1, 2, 3):
        log.add(amount)
        log.add(amount, partition=OTHER)
    process = await Process(log, store, max_records=1).take(IN, OTHER)
    await process.turn()
    process.consumer.unreadable[OTHER] = [CorruptRecordException()]
    await process.turn(6)
    await verify(log, store, process)
    await verify(log, store, process, partition=OTHER)


async def test_an_error_of_the_whole_consumer_is_told_and_stops_no_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "TROUBLE_PAUSE_SECONDS", 0.0)
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    process.consumer.unreadable[IN] = [KafkaError("the coordinator is gone")]
    await process.turn()
    assert "the coordinator is gone" in (process.poller.trouble or "")
    assert process.runner.stopped == {}
    await process.turn()
    assert process.poller.trouble is None
    await verify(log, store, process)


async def test_a_consumer_that_was_stopped_ends_the_loop() -> None:
    process = await Process(Log(), memory_store()).take(IN)
    process.consumer.unreadable[IN] = [ConsumerStoppedError()]
    with pytest.raises(ConsumerStoppedError):
        await process.poller.poll(process.consumer)


async def test_a_member_without_partitions_polls_on() -> None:
    process = await Process(Log(), memory_store()).take()
    turns = []
    process.poller.on_turn = lambda: turns.append(1)
    await process.turn(2)
    assert len(turns) == 2


async def test_partitions_come_in_turn_where_all_of_them_are_too_much_at_once() -> None:
    log, store = Log(), memory_store()
    places = [TopicPartition("numbers", number) for number in range(5)]
    for place in places:
        for amount in range(4):
            log.add(amount, partition=place)
    process = await Process(log, store, max_records=2).take(*places)
    process.poller = Poller(process.runner, 2, 0.0, at_once=3)
    read: list[tuple[int, int]] = []
    for _ in range(5):
        chunks = (await process.poller.poll(process.consumer)).chunks
        assert len(chunks) == 2, "two of two records are more than three"
        await process.runner.handle(chunks)
        read += [(chunk.partition.partition, len(chunk.records)) for chunk in chunks]
    assert read == [(number, 2) for number in (0, 1, 2, 3, 4, 0, 1, 2, 3, 4)]
    for place in places:
        await verify(log, store, process, partition=place)


async def test_a_partition_that_is_given_away_does_not_stop_the_others_turn() -> None:
    log, store = Log(), memory_store()
    places = [TopicPartition("numbers", number) for number in range(3)]
    for place in places:
        log.add(1, partition=place)
    process = await Process(log, store).take(*places)
    process.poller = Poller(process.runner, 1, 0.0, at_once=1)
    await process.runner.handle((await process.poller.poll(process.consumer)).chunks)
    process.consumer.assigned.discard(places[1])
    chunks = (await process.poller.poll(process.consumer)).chunks
    assert [chunk.partition for chunk in chunks] == [places[2]]
