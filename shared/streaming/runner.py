"""The runner: the only place that knows offsets, fences, retries, back-off and drain.

One batch of one partition: load states and position; if they do not meet what is in hand, drop the batch and rewind;
step; publish and wait for every acknowledgement (or keep the outputs in the commit); commit by compare-and-set. A
crash anywhere repeats the same records from the same state, with the same outputs. Kafka's own offset is written
afterwards, for lag monitoring (`place` says what else it is asked).
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import structlog
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming import crash
from shared.streaming.advisory import Advisory
from shared.streaming.chunks import Chunk
from shared.streaming.consumer import Consumer, PartitionLost
from shared.streaming.errors import Retry
from shared.streaming.folding import step_through
from shared.streaming.lag import Lag
from shared.streaming.place import Moved, check_proof, find_place
from shared.streaming.records import F, Fold, Mark, Output, Raw, S, digest
from shared.streaming.store import Store
from shared.streaming.treatment import Attempts, Treatment

log = structlog.get_logger()


class Publishes(Protocol):
    async def publish(self, outputs: Sequence[Output]) -> None: ...


@dataclass(slots=True)
class _Cursor:
    """What this process takes next of a partition that it owns. A new place is a new cursor."""

    next_offset: int
    # Of the last chunk taken, or given out before the seek: the next one continues it, or something was lost between.
    number: int
    # The record seen again first, after a seek to it: it proves that the log is the one the state came from.
    proof: tuple[int, bytes] | None
    attempts: Attempts


class Runner(Generic[F, S]):
    """Drives one fold over the partitions assigned to this process."""

    def __init__(
        self,
        name: str,
        fold: Fold[F, S],
        store: Store[S],
        publisher: Publishes | None,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        if store.publishes_first and publisher is None:
            raise ValueError("a log-fed store needs a publisher")
        self.name, self._fold, self._store, self._publisher = name, fold, store, publisher
        self._sleep = sleep
        self._treatment = Treatment(name, jitter or random.Random())  # noqa: S311  # spreads retries, hides nothing
        self._advisory = Advisory(name)
        self._consumer: Consumer | None = None
        self._numbers: dict[TopicPartition, int] = defaultdict(int)
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._busy: dict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._recoveries: dict[TopicPartition, asyncio.Task[None]] = {}
        self._closing = False
        self.lag = Lag()

    @property
    def stopped(self) -> dict[TopicPartition, str]:
        """Partitions that stopped until a person has looked, with why."""
        return self._treatment.stopped

    def bind(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Pause, find each partition's place in the store, seek, resume."""
        if partitions:
            self._bound().pause(*partitions)
        if not self._closing:
            for partition in partitions:
                self._recover_later(partition, 0.0, Attempts())

    async def revoked(self, partitions: set[TopicPartition], budget_seconds: float = 10.0) -> None:
        """Let the batches in hand end, within the budget; what does not end in time is fenced by the store."""
        for partition in partitions:
            self._forget(partition)
        await self._drain(partitions, budget_seconds)
        await self._advisory.commit(self._bound(), partitions)

    async def drain(self, budget_seconds: float = 10.0) -> None:
        """On SIGTERM: no new batch, end those in hand, tell Kafka where we stand. There is no way back."""
        self._closing = True
        await self.revoked(set(self._busy) | set(self._cursors) | set(self._recoveries), budget_seconds)

    def _forget(self, partition: TopicPartition) -> None:
        self._cursors.pop(partition, None)
        self._treatment.forget(partition)
        self.lag.forget(partition)
        task = self._recoveries.pop(partition, None)
        if task is not None:
            task.cancel()

    async def _drain(self, partitions: set[TopicPartition], budget_seconds: float) -> None:
        async def idle() -> None:
            for partition in partitions:
                async with self._busy[partition]:
                    pass

        try:
            await asyncio.wait_for(idle(), budget_seconds)
        except TimeoutError:
            log.warning("drain budget used up", runner=self.name, seconds=budget_seconds)

    def number(self, partition: TopicPartition) -> int:
        self._numbers[partition] += 1
        return self._numbers[partition]

    async def handle(self, chunks: Sequence[Chunk]) -> None:
        """Take what a poll has read; partitions go side by side, each in order. Failures are treated here."""
        await asyncio.gather(*(self._take(chunk) for chunk in chunks))

    def broken(self, partition: TopicPartition, error: Exception) -> None:
        """The partition cannot be read on."""
        cursor = self._cursors.get(partition)
        if cursor is not None:
            self._failed(partition, cursor, error)

    async def _take(self, chunk: Chunk) -> None:
        partition = chunk.partition
        async with self._busy[partition]:
            cursor = self._cursors.get(partition)
            if cursor is None or chunk.number <= cursor.number:
                return  # not ours (yet), or read before the seek, which brings the right ones
            try:
                if chunk.number != cursor.number + 1:
                    raise Moved  # what was read between was lost on the way here
                cursor.number = chunk.number
                records = self._proven(partition, cursor, chunk.records)
                if records:
                    await self._process(partition, cursor, records)
            except Exception as error:  # noqa: BLE001  # every failure has a treatment; none may reach FastStream
                self._failed(partition, cursor, error)
            except BaseException:
                if self._cursors.get(partition) is cursor:
                    del self._cursors[partition]  # cut off in the middle: nothing may go on from here
                raise

    def _proven(self, partition: TopicPartition, cursor: _Cursor, records: Sequence[Raw]) -> Sequence[Raw]:
        """The records that are new; Stop unless the first after a seek is the one the stored state came from."""
        if cursor.proof is None:
            return records
        check_proof(self.name, partition, cursor.proof, records[0])
        cursor.proof = None
        return [record for record in records if record.offset >= cursor.next_offset]

    async def _process(self, partition: TopicPartition, cursor: _Cursor, records: Sequence[Raw]) -> None:
        started = time.perf_counter()
        fold = self._fold
        facts = [fold.decode(record) for record in records]
        keys = dict.fromkeys(key for fact in facts for key in fold.keys(fact))
        async with self._store.session(partition, keys) as session:
            mark = session.mark
            if mark is None or mark.next_offset != cursor.next_offset:
                raise Moved
            marks = dict(mark.watermarks)
            outputs = step_through(fold, records, facts, session.states, marks)
            if self._store.publishes_first:
                assert self._publisher is not None
                crash.reached("before_publish")
                await self._publisher.publish(outputs)
                crash.reached("after_publish")
            last = records[-1]
            after = Mark(last.offset + 1, last.offset, digest(last), marks)
            crash.reached("before_commit")
            if not await session.commit(after, outputs):
                metrics.FENCES.labels(partition.topic).inc()
                raise Moved
            crash.reached("after_commit")
        cursor.next_offset, cursor.attempts = after.next_offset, Attempts()
        self._committed(partition, cursor, len(records), time.perf_counter() - started)

    def _committed(self, partition: TopicPartition, cursor: _Cursor, records: int, seconds: float) -> None:
        self._advisory.done(partition, cursor.next_offset)
        topic = partition.topic
        metrics.RECORDS_CONSUMED.labels(topic).inc(records)
        metrics.BATCHES.labels(topic, "committed").inc()
        metrics.BATCH_SECONDS.labels(topic).observe(seconds)
        if self._cursors.get(partition) is not cursor:
            return  # taken from us meanwhile: the commit stands, the rest is the new owner's to tell
        self._treatment.committed(partition)
        end = None if self._gone(partition) else self._bound().highwater(partition)
        if end is not None:
            self.lag.ends(partition, end)
        self.lag.done(partition, cursor.next_offset)

    def _failed(self, partition: TopicPartition, cursor: _Cursor, error: Exception, what: str = "batch") -> None:
        if self._cursors.get(partition) is not cursor:
            return  # no longer ours, or another place was found meanwhile
        del self._cursors[partition]
        if self._gone(partition):
            return
        self._bound().pause(partition)
        wait: float | None
        if isinstance(error, Moved | PartitionLost):
            metrics.BATCHES.labels(partition.topic, "rewound").inc()
            reason = "log" if isinstance(error, PartitionLost) else "store"
            wait = self._treatment.moved(partition, cursor.attempts, reason)
        else:
            metrics.BATCHES.labels(partition.topic, "failed").inc()
            wait = self._treatment.failed(partition, error, cursor.attempts, what)
        if wait is not None:
            self._recover_later(partition, wait, cursor.attempts)

    def _recover_later(self, partition: TopicPartition, wait: float, attempts: Attempts) -> None:
        running = self._recoveries.get(partition)
        if running is not None:
            running.cancel()
        self._recoveries[partition] = asyncio.create_task(self._recover(partition, wait, attempts))

    async def _recover(self, partition: TopicPartition, wait: float | None, attempts: Attempts) -> None:
        """Until it succeeds, or the partition stops or is taken from us: stand where the store says."""
        place: Mark | None = None
        while place is None and wait is not None:
            if wait:
                await self._sleep(wait)
            found: Mark | Exception
            try:
                found = await find_place(self.name, self._bound(), self._store, partition)
            except Exception as error:  # noqa: BLE001  # the same treatment as in a batch
                found = error
            if self._recoveries.get(partition) is not asyncio.current_task() or self._gone(partition):
                return  # taken from us, or begun anew, while we waited
            if isinstance(found, Mark):
                place = found
            elif isinstance(found, Moved):
                wait = self._treatment.moved(partition, attempts, "store")
            else:
                wait = self._treatment.failed(partition, found, attempts, "place")
        del self._recoveries[partition]
        if place is not None:
            self._stand(partition, place, attempts)

    def _stand(self, partition: TopicPartition, mark: Mark, attempts: Attempts) -> None:
        consumer = self._bound()
        proof = (mark.last_offset, mark.digest) if mark.digest else None
        consumer.seek(partition, proof[0] if proof else mark.next_offset)
        self._cursors[partition] = _Cursor(mark.next_offset, self._numbers[partition], proof, attempts)
        self._treatment.stands(partition)
        # Also where nothing new comes: after a crash Kafka may know less than the store.
        self._advisory.done(partition, mark.next_offset)
        self.lag.done(partition, mark.next_offset)
        consumer.resume(partition)

    async def check_idle(self) -> None:
        """A store that lost its writes while nothing came in is found, and what it lost is done again."""
        await asyncio.gather(*(self._check(partition) for partition in list(self._cursors)))

    async def _check(self, partition: TopicPartition) -> None:
        if self._busy[partition].locked():
            return  # a batch finds out by itself
        async with self._busy[partition]:
            cursor = self._cursors.get(partition)
            if cursor is None:
                return
            try:
                mark = await self._store.mark(partition)
                # The number: records were read and never arrived, and nothing came after them that would show it.
                if mark is None or mark.next_offset != cursor.next_offset or self._numbers[partition] != cursor.number:
                    raise Moved
            except Exception as error:  # noqa: BLE001  # the same treatment as in a batch
                self._failed(partition, cursor, error, "place")

    async def measure_lag(self) -> bool:
        """Also of partitions that are idle, waiting or stopped; whether the broker answered."""
        return await self.lag.measure(self._bound())

    async def commit_advisory(self) -> None:
        await self._advisory.commit(self._bound())

    def problem(self) -> str | None:
        """None, or a sentence on why this runner is not making progress."""
        return "the consumer has not started" if self._consumer is None else self._treatment.problem()

    def _gone(self, partition: TopicPartition) -> bool:
        return partition not in self._bound().assignment()

    def _bound(self) -> Consumer:
        if self._consumer is None:
            raise Retry("the consumer is not bound yet")
        return self._consumer
