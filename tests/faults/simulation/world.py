"""What all processes of a history share: logs, faults that are due, the clock, and the notes of what happened."""

import asyncio
import random
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from shared.streaming.fakes import Log
from shared.streaming.records import Record
from tests.faults.simulation.plan import SUDDEN, Fault, Plan
from tests.faults.simulation.works import PARTITIONS, WORKS, Name, Sent

if TYPE_CHECKING:
    from tests.faults.simulation.process import Process

STEP_SECONDS = (0.0, 0.0, 0.0, 0.01, 0.05, 0.2)


class World:
    """One history. `over`: it has ended, and what still runs moves nothing any more."""

    def __init__(self, plan: Plan, chance: random.Random) -> None:
        self.plan, self.chance = plan, chance
        self.work = WORKS[plan.work]
        self.inputs = tuple(TopicPartition(Name(self.work.topic), number) for number in range(PARTITIONS))
        self.log = Log()
        self.points = 0
        self.over = False
        self.notes: list[str] = []
        self.wanted = asyncio.Event()
        self.graves: list[asyncio.Future[None]] = []
        self.deaths: list[Process] = []
        # What is on the network: it lands without those who sent it.
        self.carried: set[asyncio.Task[None]] = set()
        self._sudden = [fault for fault in plan.faults if fault.kind in SUDDEN]
        self._met = [fault for fault in plan.faults if fault.kind not in SUDDEN]
        self.lose: Any = lambda fault: None
        self.trim: Any = lambda: None

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def note(self, *words: object) -> None:
        self.notes.append(f"{self.points:4} {self.now():7.2f} {' '.join(map(str, words))}")

    async def write(self) -> None:
        """The writer upstream: the plan's records as their time comes."""
        for one in self.plan.arrivals:
            await asyncio.sleep(max(0.0, one.at_seconds - self.now()))
            self.append(self.inputs[one.partition], one.sent, one.holes)

    def append(self, partition: TopicPartition, sent: Sent, holes: int = 0) -> None:
        offset = self.log.end.get(partition, 0) + holes
        record = Record(str(partition.topic), partition.partition, offset, sent.key, sent.value, sent.headers)
        self.log.records.setdefault(partition, {})[offset] = record
        self.log.end[partition] = offset + 1

    def meets(self, *kinds: str) -> Fault | None:
        """The first fault that is due of these kinds; it is used up by being met."""
        for place, fault in enumerate(self._met):
            if fault.at > self.points:
                return None  # they are in order of their time
            if fault.kind in kinds:
                self.note("meets", fault)
                return self._met.pop(place)
        return None

    def due(self, process: "Process") -> None:
        """Whatever is due at this await point happens now, to the process that stands here."""
        while self._sudden and self._sudden[0].at <= self.points and not self.over:
            fault = self._sudden.pop(0)
            self.note(fault, "at", process.name)
            if fault.kind == "kill":
                process.die()
            elif fault.kind == "freeze":
                process.freeze(fault.amount)
            elif fault.kind == "lose":
                self.lose(fault)
            elif fault.kind == "trim":
                self.trim()
            else:
                self.wanted.set()

    @property
    def pending(self) -> bool:
        """Whether something sudden is still to come; what nobody meets never happens."""
        return bool(self._sudden)
