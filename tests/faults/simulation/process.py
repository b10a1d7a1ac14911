"""A service process: the real runner, poller and publisher; it may die or sleep at every await point."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from shared.streaming.consumer import Poller
from shared.streaming.errors import Retry
from shared.streaming.fakes import FakeConsumer
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output, Raw, States
from shared.streaming.runner import Runner
from tests.faults.simulation.network import NetworkPublisher
from tests.faults.simulation.stores import ProcessStore, Server
from tests.faults.simulation.world import STEP_SECONDS, World

IDLE_SECONDS, HOUSE_SECONDS, RELAY_SECONDS = 0.5, 2.0, 0.4


class Process:
    def __init__(
        self,
        world: World,
        server: Server,
        name: str,
        runner: type[Runner[Any, Any]] = Runner,
        publisher: Callable[["Process"], Publisher] = NetworkPublisher,
    ) -> None:
        self.world, self.server, self.name = world, server, name
        self.dead = False
        self._asleep_until = 0.0
        self._sleeps: list[tuple[float, float]] = []
        first = world.plan.kind == "log-fed"
        self.consumer = Reading(self)
        self.publisher = publisher(self)
        jitter = random.Random(world.plan.seed)
        self.runner = runner(
            name,
            Failing(self),
            ProcessStore(server, self, first),
            self.publisher if first else None,
            self.sleep,
            jitter,
        )
        self.runner.bind(self.consumer)
        self._poller = Poller(self.runner, world.plan.max_records, IDLE_SECONDS)
        jobs = [self._consume(), self._keep_house(), *([] if first else [self._relay()])]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    # ---- dying and sleeping ------------------------------------------------------------------------------------

    async def point(self, what: str) -> None:
        """Where anything may come in between: a wait, another process, the end."""
        if self.world.over:
            return
        self.world.points += 1
        self.world.due(self)
        await asyncio.sleep(self.world.chance.choice(STEP_SECONDS))
        while not self.world.over and (self.dead or self.asleep):
            if self.dead:
                # Nothing of it ever goes on; kept, or the collector would run its `finally` at some moment of its own.
                self.world.graves.append(grave := asyncio.get_running_loop().create_future())
                await grave
            await asyncio.sleep(self._asleep_until - self.world.now())

    @property
    def asleep(self) -> bool:
        return self.world.now() < self._asleep_until

    def slept_since(self, began: float) -> float:
        """The longest sleep since then, as far as it has gone."""
        now = self.world.now()
        return max((min(until, now) - max(begin, began) for begin, until in self._sleeps), default=0.0)

    def die(self) -> None:
        if not self.dead:
            self.dead = True
            self.world.deaths.append(self)
            self.world.wanted.set()

    def freeze(self, seconds: float) -> None:
        now = self.world.now()
        self._asleep_until = max(self._asleep_until, now + seconds)
        self._sleeps.append((now, now + seconds))
        self.world.wanted.set()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.point("slept")

    # ---- what it does ------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        while True:
            poll = await self._poller.poll(self.consumer)
            await self.point("polled")
            if poll.chunks and self.world.meets("poll_lost"):
                continue
            for chunk in poll.chunks:
                self._poller.hands.take(chunk)

    async def _keep_house(self) -> None:
        while True:
            await self.sleep(HOUSE_SECONDS)
            await self.runner.commit_advisory()
            await self.runner.check_idle()

    async def _relay(self) -> None:
        """As the relay does it: one at a time by the pointer's lock, the pointer after the acknowledgements."""
        server = self.server
        while True:
            await self.sleep(RELAY_SECONDS)
            mine = await server.lock("pointer", self, wait=False)
            if mine is None:
                continue
            try:
                await self.point("pointer")
                relayed = server.relayed
                rows = server.outbox[relayed : relayed + 4]
                await self.point("events")
                await self.publisher.publish(rows)
                await self.point("published")
                if server.held.get("pointer") is mine and mine.alive and not self.world.over:
                    server.relayed = relayed + len(rows)
            except Retry as error:
                self.world.note(self.name, "relays again:", error)
            finally:
                server.unlock("pointer", mine)

    async def leave(self) -> None:
        await self.point("revoked")
        if self.consumer.assigned:
            await self.runner.revoked(set(self.consumer.assigned), 5.0)
        await self.point("left")
        self.consumer.assigned = set()

    async def take(self, partitions: set[TopicPartition]) -> None:
        await self.point("assigned")
        self.consumer.assigned = set(partitions)
        self.consumer.paused.clear()
        self.consumer.positions.clear()
        self.world.note(self.name, "takes", *sorted(one.partition for one in partitions))
        await self.runner.assigned(set(partitions))


class Reading(FakeConsumer):
    """Its answers take time, and reads may fail; once its record is read, no await comes before its number."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.log)
        self._process = process

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._process.point("begins")
        return {partition: self.log.begin.get(partition, 0) for partition in partitions}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._process.point("ends")
        return {partition: self.log.end.get(partition, 0) for partition in partitions}

    async def committed(self, partition: TopicPartition) -> int | None:
        await self._process.point("committed offset")
        return self.log.committed.get(partition)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self._process.point("tell Kafka")
        self.log.committed.update(offsets)
        await self._process.point("told Kafka")

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        await self._process.point("read")
        mine = [one for one in partitions if one in self.assigned and one not in self.paused and one in self.positions]
        if mine and self._process.world.meets("read_lost"):
            raise OffsetOutOfRangeError({mine[0]: self.positions[mine[0]]})
        if mine and self._process.world.meets("read_bad"):
            raise CorruptRecordException
        return await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)


class Failing:
    """The step itself stays pure; only that it fails is the plan's."""

    def __init__(self, process: Process) -> None:
        self._world, self._fold = process.world, process.world.work.fold()
        self.decode, self.keys, self.cause = self._fold.decode, self._fold.keys, self._fold.cause

    def step(self, states: States[Any], fact: Any, record: Raw) -> Sequence[Output]:
        if self._world.meets("step_fails"):
            raise RuntimeError("the step fails once")
        return self._fold.step(states, fact, record)
