"""How fast `relief decide` goes on a simulated region, stage by stage, and how much memory it takes.

    python -m bench.decide [--enterprises N] [--seed S] [--ungrouped] [--facts FILE]

The whole command runs as a process of its own, its decisions go to /dev/null. The stages are timed apart, over the
first lines of the same file, one stage after another on blocks of lines.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer

from services.cli.deciding import Gathering, few_collections, keep
from services.eligibility import packs
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.telling import decision_data
from services.simulator.upstream import MERGED_FILE, write_upstream
from services.simulator.wire import TOPICS

PACK = "xinjiang-2020"
STAGES = ("decode", "accept", "take", "decide", "write")
STAGED_LINES = 200_000
# Few enough that an enterprise stays at hand from one stage to the next.
BLOCK = 200


def main(
    enterprises: Annotated[int, typer.Option(min=1, help="how many; the region has 330,000")] = 10_000,
    seed: Annotated[int, typer.Option()] = 7,
    ungrouped: Annotated[bool, typer.Option(help="topic after topic by time: the slow case")] = False,
    facts: Annotated[Path | None, typer.Option(help="this file instead of a simulated region")] = None,
) -> None:
    """Print facts per second, the rate of each stage, and the peak of memory."""
    with TemporaryDirectory(prefix="relief-bench-") as directory:
        file = facts
        if file is None:
            say(f"Writing {enterprises:,} enterprises ...")
            # Apart: a child's peak of memory begins with what its parent held.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
                file = apart.submit(region, Path(directory), enterprises, seed, ungrouped).result()
        say(f"{file.stat().st_size / 1e6:,.0f} MB of facts")
        print_run(file)
        print_stages(file)


def region(directory: Path, enterprises: int, seed: int, ungrouped: bool) -> Path:
    """One file of a region's facts."""
    order = "time" if ungrouped else "enterprise"
    write_upstream(enterprises, seed, directory, group_by=order, merged=not ungrouped)  # type: ignore[arg-type]
    merged = directory / MERGED_FILE
    for topic in TOPICS:
        part = directory / f"{topic}.jsonl"
        if ungrouped:
            with merged.open("ab") as whole, part.open("rb") as lines:
                whole.writelines(lines)
        part.unlink()
    return merged


def print_run(file: Path) -> None:
    with file.open("rb") as source:
        lines = sum(1 for _ in source)
    started = time.monotonic()
    command = [sys.executable, "-c", "from services.cli.app import main; main()"]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*command, "decide", "--facts", str(file), "--policy", PACK],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    say(f"{lines:,} facts in {seconds:,.1f} s, of which {cpu:,.1f} s on the processor; exit code {process.returncode}")
    say(f"{lines / seconds:,.0f} facts/s; {lines / cpu:,.0f} per second of processor time")
    say(f"peak memory {usage.ru_maxrss * 1024 / 1e6:,.0f} MB")


def print_stages(file: Path) -> None:
    """Rates in facts per second of each stage alone."""
    with file.open("rb") as source:
        lines = list(islice(source, STAGED_LINES))
    with few_collections():
        seconds = stages(lines)
    total = sum(seconds.values())
    say(f"Stages, over {len(lines):,} facts:")
    for stage, taken in seconds.items():
        say(f"  {stage:<7} {len(lines) / taken:>12,.0f} facts/s  {100 * taken / total:>3.0f} %")


def stages(lines: list[bytes]) -> dict[str, float]:
    """Seconds that each stage takes for these lines."""
    seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    gathering, pack, encode = Gathering(None, lambda _: None), packs.named(PACK), msgspec.json.Encoder().encode
    with closing(gathering.enterprises) as enterprises:
        for first in range(0, len(lines), BLOCK):
            block = enumerate(lines[first : first + BLOCK], first + 1)
            with timed(seconds, "decode"):
                decoded = [(number, gathering.decode(number, line)) for number, line in block]
            events = [(number, event) for number, event in decoded if event is not None]
            with timed(seconds, "accept"):
                accepted = [(gathering.accept(number, event), event) for number, event in events]
            facts = [(entry, event) for entry, event in accepted if entry is not None]
            with timed(seconds, "take"):
                for entry, event in facts:
                    keep(entry, event)
        for uscc, enterprise in enterprises:
            with timed(seconds, "decide"):
                verdicts = sorted(standing_verdicts(enterprise, pack), key=lambda v: (v.measure, v.key))
            with timed(seconds, "write"):
                for verdict in verdicts:
                    encode(decision_data(uscc, verdict, pack))
    return seconds


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - started


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
