"""FastStream at the edge: a batch subscriber that hands raw records to the runner, and the service's lifespan.

The runner does what the framework's acknowledgement cannot: explicit offsets per partition, rewind, and treatment of
every failure. Nothing here looks into a record: one whose headers cannot be read is intake's to reject.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.schemas import Topic

from shared.contracts.topics import topics
from shared.streaming import lenient as _installed  # noqa: F401  # before any consumer reads
from shared.streaming.chunks import Poll
from shared.streaming.consumer import Poller
from shared.streaming.errors import Retry, Stop
from shared.streaming.runner import Runner

log = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
CHECK_SECONDS = 5.0
DRAIN_SECONDS = 10.0
FETCH_BYTES = 4 * 1024 * 1024
FETCHED_BYTES = 24 * 1024 * 1024
PARTITION_BYTES = 64 * 1024
STALLED_SECONDS = 60.0
LAGGING_SECONDS = 300.0


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka logs and swallows what a listener raises, and goes on as if all were well: here the process ends."""

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            if revoked:
                await self._edge.runner.revoked(revoked, DRAIN_SECONDS)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody else would hear of it
            self._edge.fail(f"giving partitions back failed: {error!r}", error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            self._edge.bind()
            await self._edge.runner.assigned(assigned)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody else would hear of it
            self._edge.fail(f"taking partitions over failed: {error!r}", error)


class Edge:
    """One consumer group of one service: subscriber, runner, heartbeat.

    `on_turn` is called on every turn of the consumer loop; silence for STALLED_SECONDS means that it hangs.
    `still_admitted`, asked when the broker gives no answer, raises Stop where it does not let us in any more.
    `on_fatal` is told in one sentence when only a new process can help; by default this one ends as on SIGTERM.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        runner: Runner[Any, Any],
        names: Sequence[str],
        group: str,
        instance: str | None,
        max_records: int = 1000,
        poll_ms: int = 20,
        still_admitted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.runner = runner
        self._still_admitted = still_admitted
        self._subscriber = broker.subscriber(
            *(Topic(topic, declare=False) for topic in names),  # FastStream would create it, with one partition
            batch=True,
            group_id=group,
            group_instance_id=instance,
            ack_policy=AckPolicy.MANUAL,
            # aiokafka may not choose a place by itself: the runner learns of it and goes by the store.
            auto_offset_reset="none",
            max_records=max_records,
            batch_timeout_ms=poll_ms,
            # Every rebalance stops all (no cooperative protocol): static members, and more time than a drain takes.
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=int(DRAIN_SECONDS * 1000) + 20_000,
            max_poll_interval_ms=300_000,
            fetch_max_bytes=FETCH_BYTES,
            # What was fetched of a partition waits until that is its turn, so the partitions share the room for it.
            max_partition_fetch_bytes=max(FETCHED_BYTES // _partitions(names), PARTITION_BYTES),
            listener=Listener(self),
            parser=_raw,
            decoder=_nothing,
            title=f"{group}",
            description=f"Batches of raw records for {group}; see topics.yaml for the events.",
        )
        self._subscriber(self._handle)
        self._poller = Poller(runner, max_records, poll_ms / 1000)
        self._poller.on_turn = self._turn
        # FastStream's own polls all partitions at once, and loses records when one of them cannot be read.
        self._subscriber.get_msg = self._poller.poll  # type: ignore[method-assign]
        self._house: asyncio.Task[None] | None = None
        self._turned = time.monotonic()
        self.on_turn: Callable[[], None] = lambda: None
        self.on_fatal: Callable[[str], None] = _end_process
        self.fatal: str | None = None

    async def _handle(self, message: KafkaMessage) -> None:
        poll = message.raw_message
        assert isinstance(poll, Poll)
        for chunk in poll.chunks:
            self._poller.hands.take(chunk)

    def bind(self) -> None:
        consumer = self._subscriber.consumer
        if consumer is None:
            raise Retry("the subscriber has no consumer yet")
        self.runner.bind(consumer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside: housekeeping. On leaving: drain within the budget. The broker is started before and stopped after."""
        self._house = asyncio.create_task(self._keep_house())
        try:
            yield
        finally:
            self._house.cancel()
            await asyncio.gather(self._house, return_exceptions=True)
            self._house = None
            with contextlib.suppress(Retry):
                await self.runner.drain(DRAIN_SECONDS)
            await self._poller.hands.drop()

    async def _keep_house(self) -> None:
        last_check = 0.0
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            now = time.monotonic()
            try:
                await self.runner.commit_advisory()
                if now - last_check >= CHECK_SECONDS:
                    last_check = now
                    _, answered = await asyncio.gather(self.runner.check_idle(), self.runner.measure_lag())
                    if not answered and await self._refused():
                        return
            except (Retry, Stop) as error:
                log.info("housekeeping will try again", runner=self.runner.name, error=str(error))
            except Exception as error:  # noqa: BLE001  # it must not end unseen
                self.fail(f"housekeeping failed: {error!r}", error)
                return
            if self._poller.refused is not None:
                self.fail(self._poller.refused, None)
                return
            if self._poller.trouble is not None and now - self._poller.trouble_since > STALLED_SECONDS:
                self.fail(self._poller.trouble, None)
                return

    async def _refused(self) -> bool:
        """Whether the broker is there and lets us in no more, which aiokafka does not tell from one that is away."""
        try:
            if self._still_admitted is not None:
                await self._still_admitted()
        except Stop as error:
            self.fail(str(error), None)
            return True
        return False

    def fail(self, sentence: str, error: Exception | None) -> None:
        """Only a new process can help."""
        if self.fatal is None:
            self.fatal = sentence
            log.critical("the service has to start anew", runner=self.runner.name, why=sentence, exc_info=error)
            self.on_fatal(sentence)

    def problem(self) -> str | None:
        """For readiness: None, or a sentence on what keeps records from going through."""
        name = self.runner.name
        if self.fatal is not None:
            return f"{name} has to start anew: {self.fatal}"
        if self._house is not None and all(task.done() for task in self._subscriber.tasks):
            return f"the consumer loop of {name} has ended; restart the service"
        silent = time.monotonic() - self._turned
        if self._house is not None and silent > STALLED_SECONDS:
            return f"the consumer loop of {name} has not turned for {silent:.0f} seconds"
        if (sentence := self._poller.trouble or self.runner.problem()) is not None:
            return sentence
        age, partition = self.runner.lag.worst()
        if partition is not None and age > LAGGING_SECONDS:
            return f"{name} is {age:.0f} seconds behind in {partition.topic}/{partition.partition}"
        return None

    def _turn(self) -> None:
        self._turned = time.monotonic()
        self.on_turn()


def _partitions(names: Sequence[str]) -> int:
    """Of these topics, as far as topics.yaml knows them."""
    return sum(topics()[name].partitions if name in topics() else 1 for name in names)


def _end_process(_sentence: str) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


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
