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
# So many records are also judged by the independent reading of the policy, which keeps all of them in memory.
JUDGED_AT_MOST = 300_000
_CALIBRATED_BY = 60


@dataclass(frozen=True)
class Wanted:
    """`most`: records prepared at most, whatever `seconds` of ten times the rate would be."""

    seconds: float = 120.0
    most: int = 2_000_000
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
    first = simulate(_CALIBRATED_BY, 9_001, directory / "calibration")
    began = time.monotonic()
    running.send(first)
    running.settle(seconds=wanted.settle_seconds)
    figures.sustainable = len(first) / (time.monotonic() - began)
    say(f"sustainable: {figures.sustainable:,.0f} records a second through all services")
    region = _prepared(first, figures.sustainable, directory / "region", wanted)
    say(f"prepared: {len(region):,} records")
    consumed, memory, callers = _consumed(running), Memory(running), Callers(running, TIMES)
    with memory.sampled():
        with callers.asking():
            began = time.monotonic()
            figures.fed_seconds = asyncio.run(feed(running.kafka, region, wanted.seconds))
            # The callers go on as long as was planned, also where the feeding was done before.
            time.sleep(max(0, wanted.seconds - (time.monotonic() - began)))
        figures.sent, figures.heard = len(region), callers.heard
        say(f"sent: in {figures.fed_seconds:.0f} s; now it recovers")
        began = time.monotonic()
        running.settle(seconds=wanted.settle_seconds)
        figures.recovered_seconds = time.monotonic() - began
    figures.memory_mb = {name: memory.most(name) for name in memory.bytes}
    figures.broken = [
        *_memory_broken(memory),
        *(f"{number} times {sentence}" for sentence, number in callers.heard.wrong.items()),
        *_shedding_broken(callers.heard),
        *_lost(running, region, first, _consumed(running) - consumed, callers.heard),
    ]
    return figures


def _prepared(first: list[Upstream], rate: float, directory: Path, wanted: Wanted) -> list[Upstream]:
    count = min(wanted.most, int(rate * TIMES * wanted.seconds))
    return simulate(max(_CALIBRATED_BY, count * _CALIBRATED_BY // len(first)), 9_002, directory)


def _consumed(running: Running) -> float:
    return sum(running.metric("relief_records_consumed_total", "intake", topic=topic) for topic in UPSTREAM)


def _memory_broken(memory: Memory) -> list[str]:
    over = [f"{name} needed {memory.most(name)} MB" for name in memory.bytes if memory.most(name) > CEILING_MB]
    growing = [f"{name} needs more and more memory" for name in memory.bytes if memory.grows(name)]
    return [*over, *growing, *(f"{name} ended" for name in sorted(memory.ended))]


def _shedding_broken(heard: Heard) -> list[str]:
    """Where nothing was shed, nothing was seen."""
    broken = [f"nobody was answered {status}" for status in (429, 503) if not heard.shed(status)]
    silent = [name for name in STAGES if not any(service == name for service, _ in heard.statuses)]
    return [*broken, *(f"{name} answered nobody" for name in silent)]


def _lost(running: Running, region: list[Upstream], first: list[Upstream], consumed: float, heard: Heard) -> list[str]:
    broken = [] if consumed == len(region) else [f"intake took {consumed:.0f} of {len(region)} records"]
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
