"""How records come out of aiokafka's consumer, so that none can go missing between it and the runner.

FastStream swallows what its parser, its middlewares and a handler raise, and goes on with the next records; aiokafka
drops what it had read of every other partition when one record cannot be parsed. So partitions are polled one by one,
and whatever is read from a partition is numbered: the runner takes number n+1 after n, and nothing else.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    GroupAuthorizationFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from aiokafka.structs import TopicPartition

from shared.streaming.chunks import Chunk, Poll
from shared.streaming.errors import Stop
from shared.streaming.hands import AT_ONCE_RECORDS, Hands

log = structlog.get_logger()

TROUBLE_PAUSE_SECONDS = 1.0
RIGHT = "give the service's user the right that topics.yaml says it has, and start it anew."


class Consumer(Protocol):
    """The part of aiokafka's consumer that is used here."""

    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def assignment(self) -> set[TopicPartition]: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def committed(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]: ...


class PartitionLost(Exception):
    """Of one partition: the log no longer holds what was to be read next; its place has to be found again."""


class Unreadable(Exception):
    """Of one partition: the bytes that the broker sent are no records that this process can read."""


class Receiver(Protocol):
    """Who takes what a poll finds: the runner."""

    def number(self, partition: TopicPartition) -> int:
        """The next number of this partition, given out at the moment its records are read."""
        ...

    async def handle(self, chunks: Sequence[Chunk]) -> None:
        """Treats every failure itself."""
        ...

    def broken(self, partition: TopicPartition, error: Exception) -> None: ...


class Poller:
    """Reads from the assigned partitions in turn. `trouble` is a sentence while the consumer as a whole only fails.

    `refused`: one that no waiting will mend. Nothing is read of a partition that is in `hands`, nor more than fits.
    """

    def __init__(
        self, receiver: Receiver, max_records: int, idle_seconds: float, at_once: int = AT_ONCE_RECORDS
    ) -> None:
        self._receiver, self._max_records, self._idle_seconds = receiver, max_records, idle_seconds
        self.hands = Hands(receiver.handle, at_once)
        self._first: TopicPartition | None = None
        self.trouble: str | None = None
        self.refused: str | None = None
        self.trouble_since = 0.0
        self.on_turn: Callable[[], None] = lambda: None

    async def poll(self, consumer: Consumer) -> Poll:
        """What has come in; empty after a short pause when nothing has.

        `max_records` is per partition, and they come in turn: a busy one cannot keep the others waiting. Raises
        ConsumerStoppedError.
        """
        self.on_turn()
        self.hands.freed.clear()
        chunks: list[Chunk] = []
        try:
            partitions = consumer.assignment()
            read = 0
            for partition in self._in_turn(partitions):
                if not self.hands.room(read):
                    self._first = partition
                    break
                if self.hands.hold(partition):
                    continue
                chunk = await self._read(consumer, partition)
                if chunk is not None:
                    chunks.append(chunk)
                    read += len(chunk.records)
            if not partitions:
                # Without any poll aiokafka takes a member for dead, and its coordinator's errors stay unread.
                await consumer.getmany(timeout_ms=0)
            self.trouble = None
        except (GroupAuthorizationFailedError, TopicAuthorizationFailedError) as error:
            self.refused = f"Kafka does not let us be a member of the group ({error!r}): {RIGHT}"
            await self._note(error)
        except (KafkaError, AssertionError) as error:
            # What was read before it stays good: it has its number.
            await self._note(error)
        if not chunks:
            await self._wait()
        return Poll(chunks)

    async def _wait(self) -> None:
        """Until something may have come in, or there is room again."""
        try:
            await asyncio.wait_for(self.hands.freed.wait(), self._idle_seconds)
        except TimeoutError:
            return

    def _in_turn(self, partitions: set[TopicPartition]) -> list[TopicPartition]:
        """In order, from the one on that the last poll did not get to."""
        ordered = sorted(partitions)
        if self._first is None:
            return ordered
        at = bisect_left(ordered, self._first)
        return ordered[at:] + ordered[:at]

    async def _read(self, consumer: Consumer, partition: TopicPartition) -> Chunk | None:
        try:
            found = await consumer.getmany(partition, timeout_ms=0, max_records=self._max_records)
        except NoOffsetForPartitionError:
            return None  # aiokafka asks where to begin; the store knows, and the seek after assignment says
        except OffsetOutOfRangeError as error:
            self._receiver.broken(partition, PartitionLost(repr(error)))
            return None
        except TopicAuthorizationFailedError as error:
            self._receiver.broken(partition, Stop(f"Kafka does not let us read {partition.topic} ({error!r}): {RIGHT}"))
            return None
        except (CorruptRecordException, UnsupportedCodecError, RecordTooLargeError) as error:
            self._receiver.broken(partition, Unreadable(repr(error)))
            return None
        except (KafkaError, ConsumerStoppedError, AssertionError):
            raise
        except Stop as error:
            self._receiver.broken(partition, error)
            return None
        except Exception as error:  # noqa: BLE001  # whatever the parser trips over: other partitions go on
            self._receiver.broken(partition, Unreadable(repr(error)))
            return None
        records = found.get(partition)
        # No await between the read and the number: a seek is before both or after both.
        return Chunk(partition, self._receiver.number(partition), records) if records else None

    async def _note(self, error: Exception) -> None:
        sentence = f"the consumer cannot read: {error!r}"
        if self.trouble is None:
            self.trouble_since = time.monotonic()
        if self.trouble != sentence:
            log.warning("poll failed, trying again", error=repr(error))
        self.trouble = sentence
        await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
