"""What is done about a failure: try again with bounded back-off, or stop the partition loudly."""

import random
from dataclasses import dataclass

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming import backoff
from shared.streaming.errors import Retry, Stop
from shared.streaming.place import name

log = structlog.get_logger()

ATTEMPTS_BEFORE_STOP = 5


@dataclass(slots=True)
class Attempts:
    """In a row, without a commit between them."""

    failures: int = 0
    unexpected: int = 0
    moves: int = 0


class Treatment:
    """Which partitions of one runner have stopped, and which are being tried again, each with why."""

    def __init__(self, runner: str, jitter: random.Random) -> None:
        self._runner, self._jitter = runner, jitter
        self.stopped: dict[TopicPartition, str] = {}
        self._troubles: dict[TopicPartition, tuple[str, str]] = {}

    def moved(self, partition: TopicPartition, attempts: Attempts, reason: str) -> float:
        """Seconds until the place is looked for: none the first time, but two who drive each other away wait."""
        metrics.REWINDS.labels(partition.topic, reason).inc()
        attempts.moves += 1
        return backoff.seconds(attempts.moves - 2, self._jitter) if attempts.moves > 1 else 0.0

    def failed(self, partition: TopicPartition, error: Exception, attempts: Attempts, what: str) -> float | None:
        """Seconds until the next attempt; None: the partition has stopped until a person has looked."""
        passing = isinstance(error, Retry | KafkaError | OSError)
        known = passing or isinstance(error, Stop)
        attempts.failures += 1
        attempts.unexpected += not known
        why, trace = (str(error), None) if known else (repr(error), error)
        if isinstance(error, Stop) or attempts.unexpected >= ATTEMPTS_BEFORE_STOP:
            self.stopped[partition] = why
            self._troubles.pop(partition, None)
            self._count(partition.topic)
            log.error("partition stopped", runner=self._runner, partition=name(partition), why=why, exc_info=trace)
            return None
        kind = "passing" if known else "unexpected"
        metrics.RETRIES.labels(f"{what}_{kind}").inc()
        wait = backoff.seconds(attempts.failures - 1, self._jitter)
        self._troubles[partition] = (what, why)
        log.warning(
            "failed, trying again", what=what, runner=self._runner, partition=name(partition), kind=kind,
            error=repr(error), wait_seconds=round(wait, 2), exc_info=trace,
        )  # fmt: skip
        return wait

    def committed(self, partition: TopicPartition) -> None:
        self._troubles.pop(partition, None)

    def stands(self, partition: TopicPartition) -> None:
        """Its place was found: that trouble is over. A batch that failed has yet to show that it goes through."""
        if self._troubles.get(partition, ("", ""))[0] == "place":
            del self._troubles[partition]

    def forget(self, partition: TopicPartition) -> None:
        self._troubles.pop(partition, None)
        if self.stopped.pop(partition, None) is not None:
            self._count(partition.topic)

    def problem(self) -> str | None:
        """None, or a sentence on a partition that is not making progress."""
        for partition, why in self.stopped.items():
            return f"{len(self.stopped)} partition(s) stopped, {name(partition)} because: {why}"
        for partition, (_, why) in self._troubles.items():
            return f"{len(self._troubles)} partition(s) are being tried again, {name(partition)} because: {why}"
        return None

    def _count(self, topic: str) -> None:
        metrics.STOPPED_PARTITIONS.labels(topic).set(sum(partition.topic == topic for partition in self.stopped))
