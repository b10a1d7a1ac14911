"""How far behind a partition is, and since when."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming.consumer import Consumer

log = structlog.get_logger()

SIGHTINGS_AT_MOST = 512
MEASURE_SECONDS = 5.0


class Lag:
    """Counts offsets, and the seconds since this process first saw the log reach beyond what is done.

    By our own clock and not by the records' timestamps: those are the senders', and may say anything.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[TopicPartition, int] = {}
        # (when, end): the log was seen to end there; only what is still ahead of us, oldest first.
        self._sightings: dict[TopicPartition, deque[tuple[float, int]]] = {}

    def done(self, partition: TopicPartition, next_offset: int) -> None:
        self._next[partition] = next_offset
        self._tell(partition)

    def ends(self, partition: TopicPartition, end: int) -> None:
        """The log was seen to end at this offset."""
        sightings = self._sightings.setdefault(partition, deque())
        if not sightings or end > sightings[-1][1]:
            sightings.append((self._clock(), end))
            if len(sightings) > SIGHTINGS_AT_MOST:  # behind for long: halve the grain, keep the oldest
                self._sightings[partition] = deque(list(sightings)[::2])
        self._tell(partition)

    async def measure(self, consumer: Consumer) -> bool:
        """Ask where the logs end of all that is assigned, be it idle, waiting or stopped; whether an answer came."""
        partitions = sorted(consumer.assignment())
        if not partitions:
            return True
        try:
            ends = await asyncio.wait_for(consumer.end_offsets(partitions), MEASURE_SECONDS)
        except (KafkaError, OSError) as error:
            log.info("cannot measure the lag", error=repr(error))
            return False
        for partition, end in ends.items():
            if partition in consumer.assignment():
                self.ends(partition, end)
        return True

    def forget(self, partition: TopicPartition) -> None:
        self._next.pop(partition, None)
        self._sightings.pop(partition, None)
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
            with contextlib.suppress(KeyError):
                gauge.remove(partition.topic, str(partition.partition))

    def worst(self) -> tuple[float, TopicPartition | None]:
        """The longest any partition has been behind, in seconds, and which."""
        partition = max(self._next, key=self._age, default=None)
        return (0.0, None) if partition is None else (self._age(partition), partition)

    def _age(self, partition: TopicPartition) -> float:
        sightings = self._sightings.get(partition)
        return self._clock() - sightings[0][0] if sightings else 0.0

    def _tell(self, partition: TopicPartition) -> None:
        next_offset, sightings = self._next.get(partition), self._sightings.get(partition)
        if next_offset is None or sightings is None:
            return
        end = sightings[-1][1] if sightings else next_offset
        while sightings and sightings[0][1] <= next_offset:
            sightings.popleft()
        labels = (partition.topic, str(partition.partition))
        metrics.LAG_RECORDS.labels(*labels).set(max(0, end - next_offset))
        metrics.LAG_SECONDS.labels(*labels).set(self._age(partition))
