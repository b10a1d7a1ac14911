"""What happens to a history: its records and its faults, all drawn from the seed and kept apart from the schedule."""

import random
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Kind = Literal["log-fed", "database"]

# Fired at once where they are due: the process that stands there dies, or sleeps and believes that it still owns.
SUDDEN = ("kill", "freeze", "rebalance", "lose")
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
    """A record to come: `holes` offsets before it are not used; `origin` numbers what its writer told."""

    at_seconds: float
    partition: int
    key: str
    holes: int
    origin: int


@dataclass(frozen=True)
class Plan:
    seed: int
    kind: Kind
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
    return Plan(
        seed,
        kind,
        processes=chance.randint(1, 3),
        max_records=chance.choice((1, 2, 3, 5)),
        batch=chance.choice((1, 2, 3)),
        arrivals=tuple(_arrivals(chance)),
        faults=tuple(sorted(_fault(chance, kind) for _ in range(chance.randint(0, 9)))),
    )


def _arrivals(chance: random.Random) -> list[Arrival]:
    """A writer that is safe as ours are: what it tells again comes with the same origin and in the same order."""
    found: list[Arrival] = []
    last = [0, 0]
    for _ in range(chance.randint(6, 16)):
        partition = chance.randrange(2)
        origin = max(1, last[partition] - chance.randint(0, 2)) if chance.random() < 0.15 else last[partition] + 1
        for again in range(origin, max(origin, last[partition]) + 1):
            key = f"{partition}{'abc'[(again * again + partition) % 3]}"
            holes = chance.choice((0, 0, 0, 1, 3))
            found.append(Arrival(round(chance.random() * 8, 2), partition, key, holes, again))
        last[partition] = max(origin, last[partition])
    # In order within a partition: the times are sorted, the contents stay as they were told.
    for number in (0, 1):
        mine = [place for place, one in enumerate(found) if one.partition == number]
        times = sorted(found[place].at_seconds for place in mine)
        for place, at in zip(mine, times, strict=True):
            found[place] = found[place]._replace(at_seconds=at)
    return sorted(found, key=lambda one: one.at_seconds)


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
