"""Runners, stores and publishers with one rule left out each: whoever keeps watch has to notice."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka.structs import TopicPartition

from shared.streaming.chunks import Chunk
from shared.streaming.errors import Retry
from shared.streaming.records import Mark, Output
from shared.streaming.runner import Runner
from shared.streaming.treatment import Attempts
from tests.faults.simulation.network import NetworkPublisher
from tests.faults.simulation.stores import Server


class NoFence(Server):
    """A commit goes through wherever the store stands."""

    def _stands(self, partition: TopicPartition, expected: int | None) -> bool:
        return True


class NoWaiting(NetworkPublisher):
    """The next batch goes out while nobody knows yet what became of the one before."""

    async def _send(self, producer: Any, where: TopicPartition, outputs: list[Output]) -> None:
        size = self._process.world.plan.batch
        sent = [self._send_batch(producer, where, outputs[at : at + size]) for at in range(0, len(outputs), size)]
        results = await asyncio.gather(*sent, return_exceptions=True)
        if any(isinstance(result, BaseException) for result in results):
            self._discard(producer)
            raise Retry("a batch failed")


class NoCommitWait(NetworkPublisher):
    """What was not acknowledged is taken for published."""

    async def publish(self, outputs: Sequence[Output]) -> None:
        try:
            await super().publish(outputs)
        except Retry:
            self._process.world.note("goes on without an acknowledgement")


class FromKafka(Runner[Any, Any]):
    """Kafka's committed offset is where it begins, and the proof is not asked for."""

    def _stand(self, partition: TopicPartition, mark: Mark, attempts: Attempts) -> None:
        super()._stand(partition, mark, attempts)
        log: Any = self._bound()
        self._cursors[partition].proof = None
        log.seek(partition, log.log.committed.get(partition, mark.next_offset))


class NoNumbers(Runner[Any, Any]):
    """Whatever chunk arrives is the next one."""

    async def _take(self, chunk: Chunk) -> None:
        cursor = self._cursors.get(chunk.partition)
        if cursor is not None and chunk.number > cursor.number:
            cursor.number = chunk.number - 1
        await super()._take(chunk)
