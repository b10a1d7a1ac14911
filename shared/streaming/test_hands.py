"""While one partition's batch waits, others go on; and no more is in hand than there is room for."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.structs import TopicPartition

from shared.streaming.chunks import Chunk
from shared.streaming.consumer import Poller
from shared.streaming.fakes import FakeConsumer, Log

ONE, OTHER = TopicPartition("numbers", 0), TopicPartition("numbers", 1)


class Slow:
    """A receiver whose batches take until they are let go."""

    def __init__(self) -> None:
        self.gates: dict[TopicPartition, asyncio.Event] = {ONE: asyncio.Event(), OTHER: asyncio.Event()}
        self.done: list[tuple[TopicPartition, int]] = []
        self._number = 0

    def number(self, partition: TopicPartition) -> int:
        self._number += 1
        return self._number

    def broken(self, partition: TopicPartition, error: Exception) -> None:
        raise error

    async def handle(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            await self.gates[chunk.partition].wait()
            self.done.append((chunk.partition, len(chunk.records)))


@pytest.fixture
def log() -> Log:
    log = Log()
    for amount in range(6):
        log.add(amount)
        log.add(amount, partition=OTHER)
    return log


@pytest.fixture
def consumer(log: Log) -> FakeConsumer:
    consumer = FakeConsumer(log)
    consumer.assigned = {ONE, OTHER}
    consumer.positions = {ONE: 0, OTHER: 0}
    return consumer


async def turn(poller: Poller, consumer: FakeConsumer) -> list[TopicPartition]:
    """As the edge does it; of which partitions something was read."""
    chunks = (await poller.poll(consumer)).chunks
    for chunk in chunks:
        poller.hands.take(chunk)
    await asyncio.sleep(0)
    return [chunk.partition for chunk in chunks]


async def test_a_partition_that_waits_keeps_no_other_from_going_on(consumer: FakeConsumer) -> None:
    slow = Slow()
    poller = Poller(slow, 2, 0.0)
    slow.gates[OTHER].set()
    assert await turn(poller, consumer) == [ONE, OTHER]
    assert [await turn(poller, consumer) for _ in range(3)] == [[OTHER], [OTHER], []]
    slow.gates[ONE].set()
    await asyncio.sleep(0)
    await turn(poller, consumer)
    assert slow.done == [(OTHER, 2), (OTHER, 2), (OTHER, 2), (ONE, 2), (ONE, 2)]


async def test_no_more_is_read_than_there_is_room_for(consumer: FakeConsumer) -> None:
    slow = Slow()
    poller = Poller(slow, 3, 0.0, at_once=3)
    assert await turn(poller, consumer) == [ONE]
    assert await turn(poller, consumer) == []
    slow.gates[ONE].set()
    await asyncio.sleep(0)
    assert await turn(poller, consumer) == [OTHER], "it is the other one's turn"
    await poller.hands.drop()
    assert slow.done == [(ONE, 3)]


async def test_a_poll_that_finds_nothing_ends_as_soon_as_there_is_room(consumer: FakeConsumer) -> None:
    slow = Slow()
    poller = Poller(slow, 3, 3600.0, at_once=3)
    await turn(poller, consumer)
    waiting = asyncio.create_task(poller.poll(consumer))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    slow.gates[ONE].set()
    assert (await waiting).chunks == ()
