"""A log, a consumer and a publisher in memory, and a fold that forgives nothing: for tests of the runner alone.

The consumer behaves as aiokafka's does where the runner could tell the difference. The fold adds up, and is not
idempotent on purpose: whatever is lost or repeated shows as a wrong sum.
"""

import asyncio
import copy
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from shared.streaming.consumer import Poller
from shared.streaming.records import Cause, Fold, Output, Raw, Record, States
from shared.streaming.runner import Runner
from shared.streaming.store import MemoryStore, Store

IN = TopicPartition("numbers", 0)
OUT = "sums"


class Crash(BaseException):
    """The process dies here."""


class Log:
    """Topics in memory: records by partition and offset, with holes, and a beginning that can move."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, dict[int, Record]] = {}
        self.begin: dict[TopicPartition, int] = {}
        self.end: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}

    def append(self, partition: TopicPartition, key: str, value: Any, holes_before: int = 0) -> int:
        offset = self.end.get(partition, 0) + holes_before
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        record = Record(partition.topic, partition.partition, offset, key.encode(), body)
        self.records.setdefault(partition, {})[offset] = record
        self.end[partition] = offset + 1
        return offset

    def add(self, *amounts: int, partition: TopicPartition = IN, key: str = "a") -> None:
        for amount in amounts:
            self.append(partition, key, {"amount": amount})

    def trim(self, partition: TopicPartition, begin: int) -> None:
        self.begin[partition] = begin


class FakeConsumer:
    """One member of a group; who owns what is for the test to say."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.assigned: set[TopicPartition] = set()
        self.paused: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        # What the next reads of a partition raise; what happens while an offset is asked for.
        self.unreadable: dict[TopicPartition, list[Exception]] = {}
        self.commit_raises: list[BaseException] = []
        self.seeks: list[tuple[TopicPartition, int]] = []

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._mine(partition)
        self.seeks.append((partition, offset))
        self.positions[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._mine(partition)
            self.paused.add(partition)

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._mine(partition)
            self.paused.discard(partition)

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def highwater(self, partition: TopicPartition) -> int | None:
        assert partition in self.assigned
        return self.log.end.get(partition, 0)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(0)
        return {partition: self.log.begin.get(partition, 0) for partition in partitions}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(0)
        return {partition: self.log.end.get(partition, 0) for partition in partitions}

    async def committed(self, partition: TopicPartition) -> int | None:
        await asyncio.sleep(0)
        return self.log.committed.get(partition)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.sleep(0)
        if self.commit_raises:
            raise self.commit_raises.pop(0)
        self.log.committed.update(offsets)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        return {
            partition: records
            for partition in partitions
            if partition in self.assigned and (records := self._read(partition, max_records or 500))
        }

    def _read(self, partition: TopicPartition, at_most: int) -> list[Record]:
        if partition in self.paused:
            return []
        if self.unreadable.get(partition):
            raise self.unreadable[partition].pop(0)
        if partition not in self.positions:
            raise NoOffsetForPartitionError(partition)
        position, end = self.positions[partition], self.log.end.get(partition, 0)
        if not self.log.begin.get(partition, 0) <= position <= end:
            raise OffsetOutOfRangeError({partition: position})
        stored = self.log.records.get(partition, {})
        found = [stored[offset] for offset in range(position, end) if offset in stored][:at_most]
        if found:
            self.positions[partition] = found[-1].offset + 1
        return found

    def _mine(self, partition: TopicPartition) -> None:
        if partition not in self.assigned:
            raise IllegalStateError(f"No current assignment for partition {partition}")


class RecordingPublisher:
    """Keeps what was published. `raises`: what the next calls end with, after or before the records are out."""

    def __init__(self) -> None:
        self.out: list[Output] = []
        self.raises: list[BaseException | None] = []
        self.raises_before: list[BaseException | None] = []
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()

    async def publish(self, outputs: Sequence[Output]) -> None:
        await asyncio.sleep(0)
        if self.raises_before and (error := self.raises_before.pop(0)) is not None:
            raise error
        self.out += outputs
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if self.raises and (error := self.raises.pop(0)) is not None:
            raise error


class Number(NamedTuple):
    key: str
    amount: int
    cause: Cause | None


class Adding(Fold[Number, int]):
    """`{"amount": n, "origin"?: [source, offset, index]}`: adds n to the key's sum and tells sum and amount."""

    def __init__(self, out: str = OUT) -> None:
        self._out = out
        self.raises: list[Exception | None] = []

    def decode(self, record: Raw) -> Number:
        data = json.loads(record.value or b"null")
        origin = data.get("origin")
        cause = Cause(origin[0], (origin[1], origin[2])) if origin else None
        return Number((record.key or b"").decode(), data["amount"], cause)

    def keys(self, fact: Number) -> Iterable[str]:
        return (fact.key,)

    def cause(self, fact: Number) -> Cause | None:
        return fact.cause

    def step(self, states: States[int], fact: Number, record: Raw) -> Sequence[Output]:
        if self.raises and (error := self.raises.pop(0)) is not None:
            raise error
        total = (states.get(fact.key) or 0) + fact.amount
        states.put(fact.key, total)
        told = {"id": f"{record.topic}/{record.partition}/{record.offset}", "sum": total, "amount": fact.amount}
        return [Output(self._out, record.partition, fact.key.encode(), json.dumps(told).encode())]


class Process:
    """One service process: runner, consumer and publisher over a shared log and store. Nothing in it really waits."""

    def __init__(self, log: Log, store: Store[int], name: str = "adder", max_records: int = 500) -> None:
        self.slept: list[float] = []
        self.consumer, self.publisher, self.fold = FakeConsumer(log), RecordingPublisher(), Adding()
        jitter = random.Random(7)  # noqa: S311
        self.runner = Runner(name, self.fold, store, self.publisher, sleep=self._sleep, jitter=jitter)
        self.poller = Poller(self.runner, max_records, 0.0)

    async def take(self, *partitions: TopicPartition, settle: bool = True) -> "Process":
        """A rebalance that gives this process these partitions, and they have found their places."""
        self.consumer.assigned = set(partitions)
        self.consumer.paused.clear()
        self.consumer.positions.clear()
        self.runner.bind(self.consumer)
        await self.runner.assigned(set(partitions))
        if settle:
            await self.settle()
        return self

    async def lose(self, *partitions: TopicPartition, budget_seconds: float = 0.05) -> None:
        await self.runner.revoked(set(partitions), budget_seconds)
        self.consumer.assigned -= set(partitions)

    async def turn(self, times: int = 1) -> None:
        """Poll and handle, and let the places be found that this left open."""
        for _ in range(times):
            poll = await self.poller.poll(self.consumer)
            await self.runner.handle(poll.chunks)
            await self.settle()

    async def settle(self) -> None:
        while running := [task for task in self.runner._recoveries.values() if not task.done()]:
            await asyncio.gather(*running, return_exceptions=True)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def memory_store() -> MemoryStore[int]:
    return MemoryStore(lambda total: str(total).encode(), int)


def lose_writes(store: MemoryStore[int], partition: TopicPartition, kept: tuple[Any, Any] | None = None) -> None:
    """What Redis may do: lose any suffix of its writes (back to `kept`, a `snapshot`), or everything."""
    store._marks.pop(partition, None)
    store._states.pop(partition, None)
    if kept is not None:
        store._marks[partition], store._states[partition] = copy.deepcopy(kept)


def snapshot(store: MemoryStore[int], partition: TopicPartition) -> tuple[Any, Any]:
    return copy.deepcopy((store._marks[partition], store._states.get(partition, {})))


async def verify(log: Log, store: Store[int], *processes: Process, partition: TopicPartition = IN) -> None:
    """The oracle, which knows the log alone: no record lost or counted twice, whatever happened on the way.

    Outputs may be repeated, but every repeat equals the first, and the firsts are in the log's order.
    """
    records = sorted(log.records.get(partition, {}).items())
    amounts = [(record.key or b"", json.loads(record.value or b"")["amount"]) for _, record in records]
    told: dict[str, bytes] = {}
    for process in processes:
        for output in process.publisher.out:
            if output.partition == partition.partition:
                identity = json.loads(output.value)["id"]
                assert told.setdefault(identity, output.value) == output.value, "a repeat differs from the first"
    sums: dict[bytes, int] = {}
    expected = []
    for (offset, _), (key, amount) in zip(records, amounts, strict=True):
        sums[key] = sums.get(key, 0) + amount
        told_as = {"id": f"{partition.topic}/{partition.partition}/{offset}", "sum": sums[key], "amount": amount}
        expected.append(json.dumps(told_as).encode())
    assert sorted(told.values()) == sorted(expected)
    if len(processes) == 1:
        assert list(told.values()) == expected, "the first occurrences are out of order"
    async with store.session(partition, [key.decode() for key in sums]) as session:
        assert {key: session.states.get(key.decode()) for key in sums} == sums
        assert session.mark is not None
        assert session.mark.next_offset == (records[-1][0] + 1 if records else 0)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Returns once it holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # what is waited for is in other processes
            await asyncio.sleep(0.02)
