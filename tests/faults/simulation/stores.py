"""Both kinds of store, with what a server between does: answers that fail, commits of unknown outcome, lost writes."""

import asyncio
import copy
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from shared.streaming.errors import Retry
from shared.streaming.records import Mark, Output, States
from shared.streaming.store import MemoryStore, Session
from tests.faults.simulation.plan import Fault
from tests.faults.simulation.world import World

if TYPE_CHECKING:
    from tests.faults.simulation.process import Process

FROZEN_SECONDS = 30.0


class Transaction:
    """Held by a process until it ends, dies, or has been silent for too long: then the server ends it."""

    def __init__(self, process: "Process") -> None:
        self.process, self._began = process, process.world.now()

    @property
    def alive(self) -> bool:
        return not self.process.dead and self.process.slept_since(self._began) < FROZEN_SECONDS


class Server(MemoryStore[Any]):
    """What outlives every process: marks and states by partition, outbox, pointer, locks, and what it once held."""

    def __init__(self, world: World) -> None:
        super().__init__(world.work.encode, world.work.decode)
        self.world = world
        self.history: dict[TopicPartition, list[tuple[Any, Any]]] = {one: [] for one in world.inputs}
        self.outbox: list[Output] = []
        self.relayed = 0
        self.held: dict[object, Transaction] = {}
        world.lose, world.trim = self.lose, self.trim

    def write(self, partition: TopicPartition, expected: int | None, mark: Mark, changes: dict[str, Any]) -> bool:
        before = (copy.deepcopy(self._marks.get(partition)), dict(self._states.get(partition, {})))
        done = super().write(partition, expected, mark, changes)
        if done:
            self.history[partition].append(before)
        return done

    def lose(self, fault: Fault) -> None:
        """Redis comes back without its last writes; it loses those of all partitions that came after some moment."""
        for partition, once in self.history.items():
            for _ in range(min(int(fault.amount), len(once))):
                mark, states = once.pop()
                self._states[partition] = states
                if mark is None:
                    self._marks.pop(partition, None)
                else:
                    self._marks[partition] = mark

    def trim(self) -> None:
        """As its operator may: of what is done, and known to Kafka as done."""
        for partition, mark in self._marks.items():
            done = min(mark.next_offset, self.world.log.committed.get(partition, 0))
            self.world.log.trim(partition, max(done, self.world.log.begin.get(partition, 0)))

    async def lock(self, what: object, process: "Process", wait: bool = True) -> Transaction | None:
        while (holder := self.held.get(what)) is not None and holder.alive:
            if not wait:
                return None
            await asyncio.sleep(0.1)
            await process.point("lock")
        mine = self.held[what] = Transaction(process)
        return mine

    def unlock(self, what: object, mine: Transaction | None) -> None:
        if mine is not None and self.held.get(what) is mine:
            del self.held[what]


class ProcessStore:
    """One process's connection to the server; every answer is awaited, and may not come."""

    def __init__(self, server: Server, process: "Process", publishes_first: bool) -> None:
        self._server, self._process, self.publishes_first = server, process, publishes_first

    async def mark(self, partition: TopicPartition) -> Mark | None:
        await self._process.point("mark")
        self._fails("load_fails")
        return await self._server.mark(partition)

    @asynccontextmanager
    async def session(self, partition: TopicPartition, keys: Iterable[str]) -> AsyncIterator[Session[Any]]:
        await self._process.point("load")
        self._fails("load_fails")
        mine = None
        try:
            if not self.publishes_first:
                mine = await self._server.lock(partition, self._process)
            async with self._server.session(partition, keys) as loaded:
                await self._process.point("loaded")
                yield _Session(self, partition, loaded.mark, loaded.states, mine)
        finally:
            self._server.unlock(partition, mine)

    async def restart(self, partition: TopicPartition, next_offset: int, seen: Mark | None) -> bool:
        await self._process.point("restart")
        return await self._server.restart(partition, next_offset, seen)

    async def check(self) -> str | None:
        return None

    async def commit(
        self, partition: TopicPartition, before: Mark | None, after: Mark, changes: dict[str, Any],
        outputs: Sequence[Output], mine: Transaction | None,
    ) -> bool:  # fmt: skip
        await self._process.point("commit")
        self._fails("commit_before")
        server = self._server
        if mine is not None and (server.held.get(partition) is not mine or not mine.alive):
            raise Retry("the server ended the transaction")
        done = server.write(partition, before.next_offset if before else None, after, changes)
        if done and not self.publishes_first:
            server.outbox += outputs
        server.world.note(self._process.name, "commits" if done else "is fenced at", partition, after.next_offset)
        self._fails("commit_after")
        await self._process.point("committed")
        return done

    def _fails(self, kind: str) -> None:
        if self._server.world.meets(kind):
            raise Retry(f"the store: {kind}")


class _Session:
    def __init__(
        self, store: ProcessStore, partition: TopicPartition, mark: Mark | None, states: States[Any],
        mine: Transaction | None,
    ) -> None:  # fmt: skip
        self._store, self._partition, self._mine = store, partition, mine
        self.mark, self.states = mark, states

    async def commit(self, mark: Mark, outputs: Sequence[Output]) -> bool:
        changes = self.states.changes()
        return await self._store.commit(self._partition, self.mark, mark, changes, outputs, self._mine)
