"""FastStream at the edge: a batch subscriber that hands raw records to the runner, and the service's lifespan.

The runner does what the framework's acknowledgement cannot (kafka-notes): explicit offsets per partition, rewind, and
treatment of every failure. Nothing here looks into a record: a record whose headers cannot be read is intake's to reject.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from shared.streaming.errors import Retry, Stop
from shared.streaming.runner import Runner

log = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
IDLE_CHECK_SECONDS = 5.0
DRAIN_SECONDS = 10.0
STALLED_SECONDS = 60.0


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka logs and swallows what a listener raises; the runner's tasks must not raise here, and do not."""

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._edge.runner.revoked(revoked, DRAIN_SECONDS)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._edge.bind()
        await self._edge.runner.assigned(assigned)


class Edge:
    """One consumer group of one service: subscriber, runner, heartbeat."""

    def __init__(
        self,
        broker: KafkaBroker,
        runner: Runner[Any, Any],
        topics: Sequence[str],
        group: str,
        instance: str | None,
        max_records: int = 2000,
        poll_ms: int = 20,
    ) -> None:
        self.runner, self._topics = runner, tuple(topics)
        self._subscriber = broker.subscriber(
            *topics,
            batch=True,
            group_id=group,
            group_instance_id=instance,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=max_records,
            batch_timeout_ms=poll_ms,
            # Every rebalance stops all (no cooperative protocol): static members, and more time than a drain takes.
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=int(DRAIN_SECONDS * 1000) + 20_000,
            max_poll_interval_ms=300_000,
            fetch_max_bytes=16 * 1024 * 1024,
            max_partition_fetch_bytes=1024 * 1024,
            listener=Listener(self),
            parser=_raw,
            decoder=_nothing,
            title=f"{group}",
            description=f"Batches of raw records for {group}; see topics.yaml for the events.",
        )
        self._subscriber(self._handle)
        self._beats: list[asyncio.Task[None]] = []
        self._beat = time.monotonic()

    async def _handle(self, message: KafkaMessage) -> None:
        records = message.raw_message
        await self.runner.handle(records if isinstance(records, tuple) else (records,))

    def bind(self) -> None:
        consumer = self._subscriber.consumer
        if consumer is None:
            raise Retry("the subscriber has no consumer yet")
        self.runner.bind(consumer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside: housekeeping beats. On leaving: drain within the budget. The broker is started and stopped outside."""
        self._beats = [asyncio.create_task(self._keep_house())]
        try:
            yield
        finally:
            for task in self._beats:
                task.cancel()
            await asyncio.gather(*self._beats, return_exceptions=True)
            with contextlib.suppress(Retry):
                await self.runner.drain(DRAIN_SECONDS)

    async def _keep_house(self) -> None:
        last_check = time.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._beat = time.monotonic()
            try:
                await self.runner.commit_advisory()
                if self._beat - last_check >= IDLE_CHECK_SECONDS:
                    last_check = self._beat
                    await self.runner.check_idle()
            except (Retry, Stop) as error:
                log.info("housekeeping will try again", runner=self.runner.name, error=str(error))

    def problem(self) -> str | None:
        """For readiness: a stopped partition, a dead consumer, a loop that no longer beats."""
        tasks = [task for task in self._subscriber.tasks if not task.done()]
        if self._beats and not tasks:
            return f"the consumer loop of {self.runner.name} has ended; restart the service"
        if self._beats and time.monotonic() - self._beat > STALLED_SECONDS:
            return f"{self.runner.name} has not beaten for {STALLED_SECONDS:.0f} seconds"
        return self.runner.problem()


async def _raw(records: Any) -> KafkaAckableMessage:
    """Tolerant parser: FastStream's own decodes headers, fails on bad ones, and the record would be passed over."""
    return KafkaAckableMessage(body=b"", raw_message=records, consumer=_NO_CONSUMER)


async def _nothing(message: KafkaAckableMessage) -> None:
    return None


class _NoConsumer:
    """Acknowledgement is the runner's; nobody else may move the group's offsets."""

    async def commit(self) -> None:
        raise AssertionError("only the runner commits offsets")

    def seek(self, partition: TopicPartition, offset: int) -> None:
        raise AssertionError("only the runner seeks")


_NO_CONSUMER = _NoConsumer()
