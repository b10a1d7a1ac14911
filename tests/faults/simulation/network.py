"""A producer whose batches may land, fail, do both, or never be heard of again; under the real publisher."""

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from shared.streaming.errors import Retry
from shared.streaming.publisher import Publisher
from tests.faults.simulation.works import Name, Sent
from tests.faults.simulation.world import World

if TYPE_CHECKING:
    from tests.faults.simulation.process import Process

_FAULTS = ("send_lost", "send_landed", "send_silent", "send_silent_landed", "send_late")


class Batch:
    def __init__(self, limit: int) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self._limit = limit

    def append(self, *, key: bytes, value: bytes, timestamp: int | None) -> object:
        if len(self.records) == self._limit:
            return None
        self.records.append((key, value))
        return True


class Producer:
    def __init__(self, process: "Process") -> None:
        self._process, self._world = process, process.world
        # Where a stop takes too long, the publisher ends these itself.
        self._sender, self.client = None, self

    async def close(self) -> None:
        """The connections: what is on the network stays there."""

    def create_batch(self) -> Batch:
        return Batch(self._world.plan.batch)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        await self._process.point("send")
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # On the network from here on: it goes on without the process.
        task = asyncio.create_task(_carry(self._world, batch, TopicPartition(Name(topic), partition), acknowledged))
        self._world.carried.add(task)
        task.add_done_callback(self._world.carried.discard)
        return acknowledged

    async def stop(self) -> None:
        await self._process.point("close")


async def _carry(world: World, batch: Batch, where: TopicPartition, acknowledged: "asyncio.Future[None]") -> None:
    await asyncio.sleep(world.chance.choice((0.0, 0.01, 0.1)))
    fault = world.meets(*_FAULTS)
    kind = fault.kind if fault else "lands"
    if kind not in ("send_lost", "send_silent", "send_late"):
        _land(world, batch, where)
    await asyncio.sleep(world.chance.choice((0.0, 0.01, 0.1)))
    if not acknowledged.done():
        if kind == "lands":
            acknowledged.set_result(None)
        elif not kind.startswith("send_silent"):
            acknowledged.set_exception(KafkaConnectionError(kind))
    if fault and kind == "send_late":
        await asyncio.sleep(fault.amount)
        _land(world, batch, where)


def _land(world: World, batch: Batch, where: TopicPartition) -> None:
    if world.over:
        return
    for key, value in batch.records:
        world.append(where, Sent(key, value))
    world.note("lands in", where.partition, [world.work.identity(value) for _, value in batch.records])


class NetworkPublisher(Publisher):
    """The real one, but for where its producer comes from."""

    def __init__(self, process: "Process") -> None:
        super().__init__("nowhere", process.name)
        self._process = process

    async def _current(self) -> Any:
        async with self._starting:
            if self._producer is None:
                await self._process.point("connect")
                if self._process.world.meets("producer_refused"):
                    raise Retry("Kafka cannot be reached")
                self._producer = Producer(self._process)
            return self._producer
