"""The runner: the only place that knows offsets, fences, retries, back-off and drain.

One batch of one partition: load states and position; if they do not meet what is in hand, drop the batch and rewind;
step; publish and wait for every acknowledgement (or keep the outputs in the commit); commit by compare-and-set. A
crash anywhere repeats the same records from the same state, with the same outputs. Kafka's own offset is written
afterwards, for lag monitoring, and never read as a start but for the one case in `_first_offset`.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming.errors import Retry, Stop
from shared.streaming.records import F, Fold, Mark, Output, Raw, S, digest
from shared.streaming.store import Store

log = structlog.get_logger()

ATTEMPTS_BEFORE_STOP = 5
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 0.1, 15.0


class Consumer(Protocol):
    """The part of aiokafka's consumer that the runner uses."""

    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def assignment(self) -> set[TopicPartition]: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def committed(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...


class Publishes(Protocol):
    async def publish(self, outputs: Sequence[Output]) -> None: ...


@dataclass(slots=True)
class _Cursor:
    """What the consumer will hand over next, as far as the runner knows."""

    next_offset: int
    # The record to see again first, after a seek to it: it proves that the log is the one the state came from.
    proof: tuple[int, bytes] | None = None
    # From this call of `handle` on, records were polled after the last seek: a first record beyond the place sought
    # is then a hole in the log (a compacted record, a transaction marker); before, it may be a poll of long ago.
    polled_after_seek: int = 0
    failures: int = 0


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
        self._sleep, self._jitter = sleep, jitter or random.Random()  # noqa: S311  # spreads retries, hides nothing
        self._consumer: Consumer | None = None
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._busy: dict[TopicPartition, asyncio.Lock] = {}
        self._uncommitted: dict[TopicPartition, int] = {}
        self._recoveries: dict[TopicPartition, asyncio.Task[None]] = {}
        self._handled = 0
        self.stopped: dict[TopicPartition, str] = {}
        self.last_seen = time.monotonic()

    # ---- assignment --------------------------------------------------------------------------------------------

    def bind(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Pause, find each partition's place in the store, seek, resume."""
        consumer = self._bound()
        if partitions:
            consumer.pause(*partitions)
        for partition in partitions:
            self._busy.setdefault(partition, asyncio.Lock())
            self._recover_later(partition, 0.0)

    async def revoked(self, partitions: set[TopicPartition], budget_seconds: float = 10.0) -> None:
        """Let the batches in hand end, within the budget; what does not end in time is fenced by the store."""
        for partition in partitions:
            self._forget(partition)
        await self._drain(partitions, budget_seconds)
        await self.commit_advisory(partitions)

    async def drain(self, budget_seconds: float = 10.0) -> None:
        """On SIGTERM: no new batch, end those in hand, tell Kafka where we stand."""
        partitions = set(self._cursors) | set(self._recoveries)
        await self.revoked(partitions, budget_seconds)

    def _forget(self, partition: TopicPartition) -> None:
        self._cursors.pop(partition, None)
        if self.stopped.pop(partition, None) is not None:
            self._count_stopped(partition.topic)
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
            with contextlib.suppress(KeyError):
                gauge.remove(partition.topic, str(partition.partition))
        task = self._recoveries.pop(partition, None)
        if task is not None:
            task.cancel()

    async def _drain(self, partitions: set[TopicPartition], budget_seconds: float) -> None:
        async def idle() -> None:
            for partition in partitions:
                lock = self._busy.get(partition)
                if lock is not None:
                    async with lock:
                        pass

        try:
            await asyncio.wait_for(idle(), budget_seconds)
        except TimeoutError:
            log.warning("drain budget used up", runner=self.name, seconds=budget_seconds)

    # ---- records -----------------------------------------------------------------------------------------------

    async def handle(self, records: Sequence[Raw]) -> None:
        """Take a poll's records, which may span partitions; partitions go side by side, each in order."""
        self.last_seen = time.monotonic()
        grouped: dict[TopicPartition, list[Raw]] = {}
        for record in records:
            grouped.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        try:
            await asyncio.gather(*(self._take(partition, group) for partition, group in grouped.items()))
        finally:
            self._handled += 1

    async def _take(self, partition: TopicPartition, records: list[Raw]) -> None:
        lock = self._busy.setdefault(partition, asyncio.Lock())
        async with lock:
            cursor = self._cursors.get(partition)
            if cursor is None or partition in self.stopped:
                return  # not ours (yet): the seek after assignment brings these records again
            try:
                if not await self._meets(partition, cursor, records):
                    return
                batch = [record for record in records if record.offset >= cursor.next_offset]
                if batch:
                    await self._process(partition, cursor, batch)
                cursor.failures = 0
            except Exception as error:  # noqa: BLE001  # every failure has a treatment; none may reach FastStream
                self._failed(partition, cursor, error)

    async def _meets(self, partition: TopicPartition, cursor: _Cursor, records: list[Raw]) -> bool:
        """Whether the records continue the cursor; seeks to its place otherwise."""
        first = records[0]
        expected, seen = cursor.proof or (cursor.next_offset, b"")
        fresh = self._handled + 1 >= cursor.polled_after_seek
        if first.offset != expected and not (fresh and cursor.polled_after_seek and first.offset > expected):
            metrics.REWINDS.labels(partition.topic, "poll_elsewhere").inc()
            self._seek(partition, cursor)
            return False
        if first.offset > expected and (await self._bound().beginning_offsets([partition]))[partition] > expected:
            raise _Moved  # trimmed under us, and aiokafka went to the start on its own: `_settle` knows the rules
        if cursor.proof is not None and (first.offset != expected or digest(first) != seen):
            raise Stop(
                f"{_name(partition)} does not hold at offset {expected} the record that {self.name} took there: was "
                "the topic recreated or restored? Restore the log, or rebuild the service."
            )
        cursor.proof, cursor.polled_after_seek = None, 0
        return True

    def _seek(self, partition: TopicPartition, cursor: _Cursor) -> None:
        self._bound().seek(partition, cursor.proof[0] if cursor.proof else cursor.next_offset)
        # The call after the one that is running, or about to run, is the first whose poll began after this seek.
        cursor.polled_after_seek = self._handled + 2

    async def _process(self, partition: TopicPartition, cursor: _Cursor, records: list[Raw]) -> None:
        started = time.perf_counter()
        fold = self._fold
        facts = [fold.decode(record) for record in records]
        keys = dict.fromkeys(key for fact in facts for key in fold.keys(fact))
        async with self._store.session(partition, keys) as session:
            mark = session.mark
            if mark is None or mark.next_offset != cursor.next_offset:
                raise _Moved
            marks = dict(mark.watermarks)
            outputs: list[Output] = []
            for record, fact in zip(records, facts, strict=True):
                cause = fold.cause(fact)
                if cause is not None:
                    if cause.position <= marks.get(cause.source, (-1, -1)):
                        metrics.DUPLICATES.labels(partition.topic).inc()
                        continue
                    marks[cause.source] = cause.position
                outputs += fold.step(session.states, fact, record)
            if self._store.publishes_first:
                assert self._publisher is not None
                await self._publisher.publish(outputs)
            last = records[-1]
            after = Mark(last.offset + 1, last.offset, digest(last), marks)
            if not await session.commit(after, outputs):
                metrics.FENCES.labels(partition.topic).inc()
                raise _Moved
        cursor.next_offset = after.next_offset
        self._uncommitted[partition] = after.next_offset
        metrics.RECORDS_CONSUMED.labels(partition.topic).inc(len(records))
        metrics.BATCHES.labels(partition.topic, "committed").inc()
        metrics.BATCH_SECONDS.labels(partition.topic).observe(time.perf_counter() - started)
        self._measure_lag(partition, last)

    def _measure_lag(self, partition: TopicPartition, last: Raw) -> None:
        end = self._bound().highwater(partition)
        if end is not None:
            age = max(0.0, time.time() - last.timestamp / 1000) if end > last.offset + 1 else 0.0
            labels = (partition.topic, str(partition.partition))
            metrics.LAG_RECORDS.labels(*labels).set(max(0, end - last.offset - 1))
            metrics.LAG_SECONDS.labels(*labels).set(age)

    # ---- treatment ---------------------------------------------------------------------------------------------

    def _failed(self, partition: TopicPartition, cursor: _Cursor, error: Exception) -> None:
        self._cursors.pop(partition, None)
        if self._gone(partition):
            return
        self._bound().pause(partition)
        if isinstance(error, _Moved):
            metrics.REWINDS.labels(partition.topic, "store_elsewhere").inc()
            metrics.BATCHES.labels(partition.topic, "rewound").inc()
            self._recover_later(partition, 0.0, cursor.failures)
            return
        cursor.failures += 1
        passing = isinstance(error, Retry | KafkaError | OSError | TimeoutError)
        if isinstance(error, Stop) or (not passing and cursor.failures >= ATTEMPTS_BEFORE_STOP):
            self._stop(partition, error)
            return
        kind = "passing" if passing else "unexpected"
        metrics.RETRIES.labels(f"batch_{kind}").inc()
        metrics.BATCHES.labels(partition.topic, "failed").inc()
        wait = self._backoff(cursor.failures)
        log.warning(
            "batch failed, trying again",
            runner=self.name,
            partition=_name(partition),
            kind=kind,
            error=repr(error),
            wait_seconds=round(wait, 2),
            exc_info=None if passing else error,
        )
        self._recover_later(partition, wait, cursor.failures)

    def _stop(self, partition: TopicPartition, error: BaseException) -> None:
        self.stopped[partition] = str(error)
        self._count_stopped(partition.topic)
        known = isinstance(error, Stop)
        log.error("partition stopped", runner=self.name, partition=_name(partition), why=str(error),
                  exc_info=None if known else error)  # fmt: skip

    def _count_stopped(self, topic: str) -> None:
        metrics.STOPPED_PARTITIONS.labels(topic).set(sum(partition.topic == topic for partition in self.stopped))

    def _backoff(self, failures: int) -> float:
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures, 12))
        return ceiling * (0.5 + self._jitter.random() / 2)

    # ---- finding the place -------------------------------------------------------------------------------------

    def _recover_later(self, partition: TopicPartition, wait: float, failures: int = 0) -> None:
        running = self._recoveries.pop(partition, None)
        if running is not None:
            running.cancel()
        self._recoveries[partition] = asyncio.create_task(self._recover(partition, wait, failures))

    async def _recover(self, partition: TopicPartition, wait: float, failures: int) -> None:
        """Until it succeeds, or the partition is taken from us: stand where the store says."""
        while True:
            if wait:
                await self._sleep(wait)
            if self._gone(partition):
                return
            try:
                await self._settle(partition, failures)
            except Stop as error:
                self._stop(partition, error)
            except Exception as error:  # noqa: BLE001  # whatever it is, the partition stays paused and is tried again
                failures += 1
                wait = self._backoff(failures)
                metrics.RETRIES.labels("settling").inc()
                log.warning("cannot find the place, trying again", runner=self.name, partition=_name(partition),
                            error=repr(error), wait_seconds=round(wait, 2))  # fmt: skip
                continue
            break
        if self._recoveries.get(partition) is asyncio.current_task():
            del self._recoveries[partition]

    async def _settle(self, partition: TopicPartition, failures: int) -> None:
        consumer = self._bound()
        where = _name(partition)
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        mark = await self._store.mark(partition)
        if mark is None or mark.next_offset < begin:
            start = await self._first_offset(partition, begin, mark)
            await self._store.restart(partition, start)
            mark = Mark(start)
        if mark.next_offset > end:
            raise Stop(
                f"{self.name} stands at offset {mark.next_offset} of {where}, but the log ends at {end}: "
                "was the topic recreated or restored? Restore the log, or rebuild the service."
            )
        if self._gone(partition):
            return
        proof = (mark.last_offset, mark.digest) if mark.last_offset >= begin and mark.digest else None
        cursor = _Cursor(mark.next_offset, proof, failures=failures)
        self._seek(partition, cursor)
        self._cursors[partition] = cursor
        consumer.resume(partition)

    async def _first_offset(self, partition: TopicPartition, begin: int, mark: Mark | None) -> int:
        """The start with empty state: allowed only if the log was trimmed of nothing but what was done."""
        if begin == 0:
            return 0
        committed = await self._bound().committed(partition)
        if committed is not None and committed >= begin:
            return begin
        raise Stop(
            f"{_name(partition)} begins at offset {begin}, and {self.name} had done the records only up to "
            f"{committed if committed is not None else (mark.next_offset if mark else 0)}: records are missing. "
            "Have the sender repeat them, then set the group's offset."
        )

    async def check_idle(self) -> None:
        """Now and then: a store that lost its writes while nothing came in is found, and what it lost is done again."""
        for partition, cursor in list(self._cursors.items()):
            lock = self._busy[partition]
            if lock.locked():
                continue
            async with lock:
                if self._cursors.get(partition) is not cursor:
                    continue
                try:
                    mark = await self._store.mark(partition)
                    if mark is None or mark.next_offset != cursor.next_offset:
                        raise _Moved
                except Exception as error:  # noqa: BLE001  # same treatment as in a batch
                    self._failed(partition, cursor, error)

    async def commit_advisory(self, partitions: set[TopicPartition] | None = None) -> None:
        """Tell Kafka how far we are: for lag monitors only, so a failure is no matter."""
        wanted = set(self._uncommitted) if partitions is None else partitions & set(self._uncommitted)
        mine = wanted & self._bound().assignment()
        offsets = {partition: self._uncommitted.pop(partition) for partition in wanted}
        offsets = {partition: offset for partition, offset in offsets.items() if partition in mine}
        if not offsets:
            return
        try:
            await self._bound().commit(offsets)
        except (KafkaError, OSError, ValueError) as error:
            log.info("advisory offset commit failed", runner=self.name, error=repr(error))

    # ---- readiness ---------------------------------------------------------------------------------------------

    def problem(self) -> str | None:
        """None, or a sentence on why this runner is not making progress."""
        if self.stopped:
            partition, why = next(iter(self.stopped.items()))
            return f"{len(self.stopped)} partition(s) stopped, {_name(partition)} because: {why}"
        if self._consumer is None:
            return "the consumer has not started"
        return None

    def _gone(self, partition: TopicPartition) -> bool:
        return partition not in self._bound().assignment()

    def _bound(self) -> Consumer:
        if self._consumer is None:
            raise Retry("the consumer is not bound yet")
        return self._consumer


class _Moved(Exception):
    """The store stands elsewhere than the batch in hand."""


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
