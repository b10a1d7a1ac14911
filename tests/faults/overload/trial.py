"""One overload: what the path can take, ten times that, and what became of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.contracts.topics import UPSTREAM
from tests.faults.overload.callers import USCC, Callers, Heard
from tests.faults.overload.feeding import feed
from tests.faults.overload.memory import Memory
from tests.integration.money import Money
from tests.integration.outcome import decided, net_fen
from tests.integration.region import Upstream, enterprises_of, expected, simulate
from tests.integration.running import STAGES, Running

TIMES = 10
CEILING_MB = 400
# What only fills up in the beginning looks like growth in a short time.
GROWTH_SECONDS = 60
# So many records are also judged by the independent reading of the policy, which keeps all of them in memory.
JUDGED_AT_MOST = 300_000
_WARMED_BY = 40


@dataclass(frozen=True)
class Wanted:
    """`most`: records prepared at most; where ten times the rate would be more, it ends sooner than after `seconds`.
    `calibrated_by`: enterprises whose records show what is sustainable.
    """

    seconds: float = 120.0
    most: int = 8_000_000
    calibrated_by: int = 400
    settle_seconds: float = 3_600.0


@dataclass(slots=True)
class Figures:
    """Rates in records a second. `broken`: a sentence for each promise that did not hold."""

    sustainable: float = 0.0
    sent: int = 0
    fed_seconds: float = 0.0
    recovered_seconds: float = 0.0
    memory_mb: dict[str, int] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    broken: list[str] = field(default_factory=list)

    @property
    def times(self) -> float:
        """How much more than is sustainable came in."""
        return self.sent / max(self.fed_seconds, 0.001) / max(self.sustainable, 0.001)


def tried(running: Running, directory: Path, wanted: Wanted, say: Callable[[str], None] = lambda _: None) -> Figures:
    """Leaves the installation settled. An AssertionError where it does not settle."""
    figures = Figures()
    first = simulate(_WARMED_BY, 9_001, directory / "warm-up")
    running.send(first)
    running.settle(seconds=wanted.settle_seconds)
    calibration = simulate(wanted.calibrated_by, 9_002, directory / "calibration")
    began = time.monotonic()
    running.send(calibration)
    running.settle(seconds=wanted.settle_seconds)
    figures.sustainable = len(calibration) / (time.monotonic() - began)
    first += calibration
    say(f"sustainable: {figures.sustainable:,.0f} records a second through all services")
    count = min(wanted.most, int(figures.sustainable * TIMES * wanted.seconds))
    by = (_WARMED_BY + wanted.calibrated_by) / len(first)
    region = simulate(max(_WARMED_BY, int(count * by)), 9_003, directory / "region")
    say(f"prepared: {len(region):,} records")
    before, memory, callers = _taken(running), Memory(running), Callers(running, TIMES)
    with memory.sampled():
        with callers.asking():
            callers.wait_until_refused()
            figures.fed_seconds = asyncio.run(feed(running.kafka, region, figures.sustainable * TIMES))
        figures.sent, figures.heard = len(region), callers.heard
        say(f"sent: in {figures.fed_seconds:.0f} s; now it recovers")
        began = time.monotonic()
        running.settle(seconds=wanted.settle_seconds)
        figures.recovered_seconds = time.monotonic() - began
    figures.memory_mb = {name: memory.most(name) for name in memory.bytes}
    figures.broken = [
        *_memory_broken(memory, figures.fed_seconds >= GROWTH_SECONDS),
        *(f"{number} times {sentence}" for sentence, number in callers.heard.wrong.items()),
        *_shedding_broken(callers.heard),
        *_uncounted(before, _taken(running), len(region), callers.heard),
        *_lost(running, region, first, callers.heard),
    ]
    return figures


def _taken(running: Running) -> tuple[int, int]:
    """How many records the topics from outside have had, and how many of them intake has taken."""
    consumed = sum(running.metric("relief_records_consumed_total", "intake", topic=topic) for topic in UPSTREAM)
    return sum(running.ends(topic) for topic in UPSTREAM), int(consumed)


def _uncounted(before: tuple[int, int], after: tuple[int, int], sent: int, heard: Heard) -> list[str]:
    """Of the applications, one whose answer was 503 may be there all the same."""
    there, taken = after[0] - before[0], after[1] - before[1]
    least = sent + len(heard.applications)
    most = least + heard.statuses["intake", 503]
    broken = [] if taken == there else [f"intake took {taken} of {there} records"]
    return broken if least <= there <= most else [*broken, f"{there} records are there of {least} to {most}"]


def _memory_broken(memory: Memory, long: bool) -> list[str]:
    over = [f"{name} needed {memory.most(name)} MB" for name in memory.bytes if memory.most(name) > CEILING_MB]
    growing = [f"{name} needs more and more memory" for name in memory.bytes if long and memory.grows(name)]
    return [*over, *growing, *(f"{name} ended" for name in sorted(memory.ended))]


def _shedding_broken(heard: Heard) -> list[str]:
    """Where nothing was shed, nothing was seen."""
    broken = [f"nobody was answered {status}" for status in (429, 503) if not heard.shed(status)]
    silent = [name for name in STAGES if not any(service == name for service, _ in heard.statuses)]
    return [*broken, *(f"{name} answered nobody" for name in silent)]


def _lost(running: Running, region: list[Upstream], first: list[Upstream], heard: Heard) -> list[str]:
    broken = []
    for application_id in heard.applications:
        found = running.found.get("intake", f"/v1/applications/{application_id}")
        if found is None or found["status"] == "received":
            broken.append(f"the application {application_id} of {USCC} was answered 202 and is not known")
    done = Money(running).reconcile()
    if done.exit_code:
        broken.append(f"relief reconcile: {done.output[-600:]}")
    if len(region) <= JUDGED_AT_MOST:
        both = [*first, *region]
        implied, named = expected(both), enterprises_of(both)
        if decided(running, named) != implied.standing:
            broken.append("the decisions are not those that the records imply")
        if net_fen(running, named) != implied.net_fen:
            broken.append("the money is not what the records imply")
    return broken
