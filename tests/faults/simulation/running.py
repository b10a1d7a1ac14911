"""One history from beginning to rest, and the smallest plan that still fails."""

import asyncio
import logging
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.structs import TopicPartition

from shared.streaming.publisher import Publisher
from shared.streaming.runner import Runner
from tests.faults.simulation.loop import Deadlock, SimulatedLoop
from tests.faults.simulation.network import NetworkPublisher
from tests.faults.simulation.oracle import Wrong, check, done
from tests.faults.simulation.plan import Fault, Plan
from tests.faults.simulation.process import Process
from tests.faults.simulation.stores import Server
from tests.faults.simulation.world import World

PATIENCE_SECONDS, REJOIN_SECONDS, RETURN_SECONDS = 900.0, 8.0, 3.0


@dataclass(frozen=True)
class Parts:
    """What a history is run with; a test puts broken ones in."""

    runner: type[Runner[Any, Any]] = Runner
    publisher: Callable[[Process], Publisher] = NetworkPublisher
    server: type[Server] = Server


@dataclass(frozen=True)
class Outcome:
    """`wrong` is None where all came out as in a straight run; `trimmed`: the offsets that input logs lost."""

    wrong: str | None
    notes: tuple[str, ...]
    points: int
    trimmed: int


class Group:
    """Who owns what: everybody leaves, whoever has left in time gets a share; the others come in the next round."""

    def __init__(self, world: World, server: Server, parts: Parts) -> None:
        self.world, self._server, self._parts = world, server, parts
        self.members: list[Process] = []
        self._born = 0
        self._leaving: dict[Process, asyncio.Task[None]] = {}

    def join(self) -> None:
        self._born += 1
        name = f"process{self._born}"
        self.members.append(Process(self.world, self._server, name, self._parts.runner, self._parts.publisher))
        self.world.wanted.set()

    async def run(self) -> None:
        while True:
            await self.world.wanted.wait()
            self.world.wanted.clear()
            await self._rebalance()
            while self.world.deaths:
                self.members.remove(self.world.deaths.pop())
                await asyncio.sleep(self.world.chance.random() * RETURN_SECONDS)
                self.join()

    async def _rebalance(self) -> None:
        for member in self.members:
            if not member.dead and member not in self._leaving:
                self._leaving[member] = asyncio.create_task(member.leave())
        await asyncio.wait([*self._leaving.values(), _nothing()], timeout=REJOIN_SECONDS)
        ready = []
        for one in self.members:
            leaving = self._leaving.get(one)
            if one.dead or (leaving is not None and leaving.done()):
                self._leaving.pop(one, None)
            if not one.dead and leaving is not None and leaving.done():
                leaving.result()
                ready.append(one)
        shares: dict[Process, set[TopicPartition]] = {one: set() for one in ready}
        for partition in self.world.inputs:
            if ready:
                shares[self.world.chance.choice(ready)].add(partition)
        taking = [asyncio.create_task(one.take(share)) for one, share in shares.items()]
        await asyncio.wait([*taking, _nothing()], timeout=REJOIN_SECONDS)
        if self._leaving:
            # They still believe that they own what others have got.
            asyncio.get_running_loop().call_later(REJOIN_SECONDS, self.world.wanted.set)


def _nothing() -> "asyncio.Task[None]":
    return asyncio.create_task(asyncio.sleep(0))


def run(plan: Plan, parts: Parts = Parts()) -> Outcome:  # frozen
    loop = SimulatedLoop(random.Random(plan.seed * 2 + 1))
    world = World(plan, random.Random(plan.seed))
    try:
        wrong = loop.run_until_complete(_history(world, parts))
    except Deadlock:
        wrong = "everybody waits, and nothing will happen any more"
    finally:
        world.over = True
        _end(loop)
    return Outcome(wrong, tuple(world.notes), world.points, sum(world.log.begin.values()))


async def _history(world: World, parts: Parts) -> str | None:
    server = parts.server(world)
    group = Group(world, server, parts)
    for _ in range(world.plan.processes):
        group.join()
    writing, ruling = asyncio.create_task(world.write()), asyncio.create_task(group.run())
    while world.now() < PATIENCE_SECONDS:
        await asyncio.sleep(1.0)
        if ruling.done():
            ruling.result()
        stopped = [why for one in group.members for why in one.runner.stopped.values()]
        if stopped:
            return f"a partition stopped: {stopped[0]}"
        if writing.done() and not world.pending and not world.carried and done(world, server):
            break
    else:
        return f"not at rest after {PATIENCE_SECONDS:.0f} seconds"
    # What nobody noticed by then has to be noticed: sleepers wake, and stale work is refused.
    await asyncio.sleep(60.0)
    try:
        check(world, server)
    except Wrong as wrong:
        return str(wrong)
    return None


def _end(loop: SimulatedLoop) -> None:
    """Everything that still runs is cut off; `over` keeps it from moving anything."""
    for _ in range(5):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop.close()


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Delta debugging over the faults: none of those left can be taken away."""
    faults, parts = plan.faults, 2
    while len(faults) > 0:
        size = max(1, len(faults) // parts)
        for begin in range(0, len(faults), size):
            fewer: tuple[Fault, ...] = faults[:begin] + faults[begin + size :]
            if fails(plan.with_faults(fewer)):
                faults, parts = fewer, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(faults))
    return plan.with_faults(faults)


@contextmanager
def quiet() -> Iterator[None]:
    """A history's failures are meant: none of them is logged."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)
