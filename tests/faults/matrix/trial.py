"""One fault, tried once: a region under way, the fault, everything settled, the money counted."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.matrix.counting import NOTHING, Counts, count
from tests.faults.matrix.faults import FAULTS
from tests.faults.matrix.ground import Ground, Skipped, told_between
from tests.faults.matrix.load import Load
from tests.faults.matrix.observing import RECONCILE, observe
from tests.integration import outcome
from tests.integration.region import Expected, enterprises_of, expected, simulate, slices

_PARTS = 60
_BEFORE = 10  # parts that have gone through when the fault comes
_KEPT = 10  # parts that wait for the end of the injection
SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Trial:
    """`failure`: why there is nothing to count, or None; `skipped`: what this machine lacks for it."""

    fault: str
    replicas: int
    seed: int
    enterprises: int
    events: int = 0
    injected: str = ""
    recovered: str = ""
    seconds: float = 0.0
    counts: Counts = NOTHING
    failure: str | None = None
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        return self.failure is None and self.counts.clean

    @property
    def command(self) -> str:
        return (
            f"python -m tests.faults.matrix --fault {self.fault} --replicas {self.replicas}"
            f" --enterprises {self.enterprises} --seed {self.seed}"
        )


def tried(ground: Ground, fault: str, enterprises: int, seed: int, settle_seconds: float = SETTLE_SECONDS) -> Trial:
    """AssertionErrors and others are the caller's: they spoil the ground."""
    what = FAULTS[fault]
    # The fault's own, whichever others are tried: no two regions of a ground share an enterprise.
    own = seed * 100 + list(FAULTS).index(fault)
    with TemporaryDirectory(prefix="relief-region-") as directory:
        region = what.arrange(simulate(enterprises, own, Path(directory)), own)
    wanted = expected(region)
    assert wanted.net_fen, "the region implies no money"
    # So that what is injected over a minute has load for a minute.
    pause = what.lasts_seconds * ground.replicas / (_PARTS - _BEFORE - _KEPT)
    earlier = outcome.before(ground.running)
    ground.load = Load(ground.running, slices(region, _PARTS), _KEPT, pause)
    ground.load.take(_BEFORE)
    told_before = ground.told_metrics()
    try:
        injected = f"{what.inject(ground)}; {ground.load.meanwhile} records sent meanwhile"
    except Skipped as skipped:
        ground.running.settle(seconds=settle_seconds)
        return Trial(fault, ground.replicas, seed, enterprises, skipped=str(skipped))
    started = ground.load.over_at
    standing_still = what.stops(ground) if what.stops is not None else frozenset()
    ground.running.settle(but=standing_still, seconds=settle_seconds)
    seconds = time.monotonic() - started
    found, repeats = observe(ground.running, enterprises_of(region), earlier)
    if what.stops is not None:
        # Of what was decided until then: that it was told, held and posted once. That reconciliation finds a log that
        # lacks what was accepted is as it should be.
        found.other = tuple(one for one in found.other if not one.startswith(RECONCILE))
        wanted = Expected(found.standing, Counter(found.accounts), Counter(found.rejected))
    recovered = f"{repeats} records told again with the same bytes"
    if ground.load.again:
        recovered += f", {ground.load.again} sendings repeated"
    if metrics := told_between(told_before, ground.told_metrics()):
        recovered += f", {metrics}"
    return Trial(
        fault, ground.replicas, seed, enterprises, len(region), injected, recovered, seconds, count(wanted, found)
    )
