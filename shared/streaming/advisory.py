"""Telling Kafka how far we are: for lag monitors, and for the one question that `place` asks it."""

import asyncio

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.streaming import crash
from shared.streaming.consumer import Consumer

log = structlog.get_logger()

COMMIT_SECONDS = 5.0  # aiokafka itself would try for ever


class Advisory:
    """Offsets that are done in the store and not yet told."""

    def __init__(self, runner: str) -> None:
        self._runner = runner
        self._untold: dict[TopicPartition, int] = {}

    def done(self, partition: TopicPartition, next_offset: int) -> None:
        self._untold[partition] = next_offset

    async def commit(self, consumer: Consumer, partitions: set[TopicPartition] | None = None) -> None:
        """Of these partitions, or of all. A failure costs no money; the next call tries again."""
        wanted = set(self._untold) if partitions is None else partitions & set(self._untold)
        offsets = {partition: self._untold.pop(partition) for partition in wanted}
        mine = consumer.assignment()
        offsets = {partition: offset for partition, offset in offsets.items() if partition in mine}
        if not offsets:
            return
        crash.reached("before_kafka_commit")
        try:
            await asyncio.wait_for(consumer.commit(offsets), COMMIT_SECONDS)
        except (KafkaError, OSError, ValueError, AssertionError) as error:
            log.info("advisory offset commit failed", runner=self._runner, error=repr(error))
            self._untold = offsets | self._untold
