"""One fault, tried once: a region under way, the fault, everything settled and seen through, and then counted."""

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.faults.matrix.counting import NOTHING, Counts, Found, count
from tests.faults.matrix.course import Course
from tests.faults.matrix.dues import with_applicants
from tests.faults.matrix.faults import FAULTS
from tests.faults.matrix.ground import Ground, Skipped, told_between
from tests.faults.matrix.load import Load
from tests.faults.matrix.observing import RECONCILE, observe
from tests.integration import outcome
from tests.integration.region import Expected, enterprises_of, simulate, slices

_PARTS = 60
_BEFORE = 10  # parts that have gone through when the fault comes
_KEPT = 10  # parts that wait for the end of the injection
SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Trial:
    """`failure`: why there is nothing to count, or None; `skipped`: what this machine lacks for it. `files`: where what
    was sent is kept, a file per topic."""

    fault: str
    replicas: int
    seed: int
    enterprises: int
    events: int = 0
    injected: str = ""
    recovered: str = ""
    story: str = ""
    seconds: float = 0.0
    counts: Counts = NOTHING
    failure: str | None = None
    skipped: str | None = None
    files: Path | None = None

    @property
    def passed(self) -> bool:
        return self.failure is None and self.counts.clean

    @property
    def command(self) -> str:
        return (
            f"python -m tests.faults.matrix --fault {self.fault} --replicas {self.replicas}"
            f" --enterprises {self.enterprises} --seed {self.seed}"
        )


def tried(
    ground: Ground, fault: str, enterprises: int, seed: int, files: Path, settle_seconds: float = SETTLE_SECONDS
) -> Trial:
    """`files`: a directory, made here, for what is sent. AssertionErrors and others are the caller's: they spoil the
    ground.
    """
    what = FAULTS[fault]
    # The fault's own, whichever others are tried: no two regions of a ground share an enterprise.
    own = seed * 100 + list(FAULTS).index(fault)
    files.mkdir(parents=True)
    region = what.arrange(with_applicants(simulate(enterprises, own, files)), own)
    for written in files.iterdir():
        written.unlink()
    course = Course(ground, region, files, what.rates)
    # So that what is injected over a minute has load for a minute.
    pause = what.lasts_seconds * ground.replicas / (_PARTS - _BEFORE - _KEPT)
    earlier = outcome.before(ground.running)
    ground.load = Load(ground.running, slices(region, _PARTS), _KEPT, pause)
    ground.load.take(_BEFORE)
    told_before = ground.told_metrics()
    try:
        with ground.office.working() if what.office else nullcontext():
            injected = f"{what.inject(ground)}; {ground.load.meanwhile} records sent meanwhile"
    except Skipped as skipped:
        ground.running.settle(seconds=settle_seconds)
        return Trial(fault, ground.replicas, seed, enterprises, skipped=str(skipped), files=files)
    started = ground.load.over_at
    standing_still = what.stops(ground) if what.stops is not None else frozenset()
    ground.running.settle(but=standing_still, seconds=settle_seconds)
    seconds = time.monotonic() - started
    counts = course.close() if what.stops is None else NOTHING
    observed = observe(ground.running, enterprises_of(course.sent), earlier)
    counts += course.end(observed) if what.stops is None else _until_it_stopped(observed.found)
    recovered = f"{observed.repeats} records told again with the same bytes"
    if ground.load.again:
        recovered += f", {ground.load.again} sendings repeated"
    if metrics := told_between(told_before, ground.told_metrics()):
        recovered += f", {metrics}"
    what.afterwards(ground)
    return Trial(
        fault, ground.replicas, seed, enterprises, len(course.sent), injected, recovered, course.story(), seconds,
        counts, files=files,
    )  # fmt: skip


def _until_it_stopped(found: Found) -> Counts:
    """Of what was decided until then: that it was told, held and posted once. That reconciliation finds a log that
    lacks what was accepted is as it should be.
    """
    found.other = tuple(one for one in found.other if not one.startswith(RECONCILE))
    return count(Expected(found.standing, Counter(found.accounts), Counter(found.rejected)), found)
