"""What happens to a history: its records and its faults, all drawn from the seed and kept apart from the schedule."""

import random
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.faults.simulation.works import PARTITIONS, WORKS, Kind, Sent

# Fired at once where they are due: the process that stands there dies, or sleeps and believes that it still owns; the
# log is trimmed of what was done.
SUDDEN = ("kill", "freeze", "rebalance", "trim", "lose")
# Met by the next one who does such a thing: what the producer, the store, the reads and the step may do to it.
MET = (
    "send_lost", "send_landed", "send_silent", "send_silent_landed", "send_late", "producer_refused",
    "commit_before", "commit_after", "load_fails", "poll_lost", "read_lost", "read_bad", "step_fails",
)  # fmt: skip


class Fault(NamedTuple):
    """`at`: due from this await point of the whole run on. `amount`: seconds of sleep, or how many writes are lost."""

    at: int
    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}@{self.at}" + (f"({self.amount:g})" if self.amount else "")


class Arrival(NamedTuple):
    """A record to come: `holes` offsets before it are not used."""

    at_seconds: float
    partition: int
    holes: int
    sent: Sent


@dataclass(frozen=True)
class Plan:
    seed: int
    kind: Kind
    work: str
    processes: int
    max_records: int
    batch: int
    arrivals: tuple[Arrival, ...]
    faults: tuple[Fault, ...]

    def with_faults(self, faults: tuple[Fault, ...]) -> "Plan":
        return replace(self, faults=faults)


def draw(seed: int) -> Plan:
    chance = random.Random(seed * 2)
    kind: Kind = "log-fed" if chance.random() < 0.6 else "database"
    # As often the chain as a service.
    services = [name for name, work in WORKS.items() if kind in work.kinds and name != "chain"]
    work = "chain" if chance.random() < 0.5 else chance.choice(services)
    return Plan(
        seed,
        kind,
        work,
        processes=chance.randint(1, 3),
        max_records=chance.choice((1, 2, 3, 5)),
        batch=chance.choice((1, 2, 3)),
        arrivals=tuple(_arrivals(chance, work)),
        faults=tuple(sorted(_faults(chance, kind))),
    )


def _arrivals(chance: random.Random, work: str) -> list[Arrival]:
    """Writers that are safe as ours are: what they tell again is told in the same order and to its end."""
    found: list[Arrival] = []
    for partition in range(PARTITIONS):
        told: list[Sent] = []
        stream = WORKS[work].stream(chance, partition)
        for number in range(len(stream)):
            first = max(0, number - chance.randint(0, 2)) if chance.random() < 0.15 else number
            told += stream[first : number + 1]
        times = sorted(round(chance.random() * 8, 2) for _ in told)
        found += [
            Arrival(at, partition, chance.choice((0, 0, 0, 1, 3)), one) for at, one in zip(times, told, strict=True)
        ]
    return sorted(found, key=lambda one: one.at_seconds)


def _faults(chance: random.Random, kind: Kind) -> list[Fault]:
    """Never a trimmed log with a store that forgets: what was done and then lost could not be done again."""
    faults = [_fault(chance, kind) for _ in range(chance.randint(0, 9))]
    forgets = any(fault.kind == "lose" for fault in faults)
    return [fault for fault in faults if not (forgets and fault.kind == "trim")]


def _fault(chance: random.Random, kind: Kind) -> Fault:
    sudden = [name for name in SUDDEN if name != "lose" or kind == "log-fed"]
    name = chance.choice(sudden if chance.random() < 0.5 else MET)
    amount = 0.0
    if name == "freeze":
        amount = chance.choice((0.3, 1.0, 5.0, 20.0, 45.0))
    elif name == "lose":
        amount = float(chance.choice((1, 1, 2, 4, 99)))
    elif name == "send_late":
        amount = chance.choice((0.1, 1.0, 10.0, 40.0))
    return Fault(chance.randint(1, 400), name, amount)
