"""Who reads a partition and who writes to it, over a log in memory."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.structs import TopicPartition

from shared.streaming.consumer import Poller
from shared.streaming.errors import Retry
from shared.streaming.fakes import FakeConsumer, Log
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.records import Fold, Output
from shared.streaming.runner import Runner
from tests.faults.money_machine_fate import Died


class Landing:
    """What the relay publishes comes to lie in the log; `lands`: only so many records of the next call, which fails."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.lands: int | None = None

    async def publish(self, outputs: Sequence[Output]) -> None:
        for output in outputs[: self.lands]:
            partition = TopicPartition(output.topic, output.partition)
            self._log.append(partition, output.key.decode(), output.value)
        if self.lands is not None:
            self.lands = None
            raise Retry("not every record was acknowledged")


@dataclass
class Reader:
    """One owner of one partition, as it runs in a service."""

    consumer: FakeConsumer
    runner: Runner[Any, Any]
    partition: TopicPartition

    async def stand(self) -> "Reader":
        self.consumer.assigned = {self.partition}
        self.runner.bind(self.consumer)
        await self.runner.assigned({self.partition})
        await self._settle()
        return self

    async def turn(self, records: int) -> None:
        poll = await Poller(self.runner, records, 0.0).poll(self.consumer)
        await self.runner.handle(poll.chunks)
        await self._settle()

    async def _settle(self) -> None:
        while running := [task for task in self.runner._recoveries.values() if not task.done()]:
            for one in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(one, Died):
                    raise one


def reader(log: Log, partition: TopicPartition, fold: Fold[Any, Any], store: PostgresStore[Any]) -> Reader:
    """It stands nowhere yet."""
    jitter = random.Random(7)
    return Reader(FakeConsumer(log), Runner("machine", fold, store, None, sleep=_at_once, jitter=jitter), partition)


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(0)
