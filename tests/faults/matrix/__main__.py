"""`python -m tests.faults.matrix`: tries faults on a local stack; fails unless the money is right."""

import argparse
import logging
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from rich.console import Console

from tests.faults.matrix.faults import FAULTS
from tests.faults.matrix.ground import Ground, Needs, prepare
from tests.faults.matrix.report import print_table, print_trial
from tests.faults.matrix.trial import Trial, tried

# Never narrower: the table is read in logs too.
out = Console(highlight=False, width=max(Console().width, 110))


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.list:
        sys.stdout.write("".join(f"{name}\n" for name in FAULTS))
        return 0
    # Our own clients: that a broker is away is what is wanted.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    names = options.fault or list(FAULTS)
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="relief-faults-") as directory:
        for replicas in [options.replicas] if options.replicas else [1, 2]:
            for trial in _all(Path(directory), names, replicas, options):
                print_trial(out, trial)
                trials.append(trial)
    print_table(out, trials)
    return 0 if all(trial.passed for trial in trials) else 1


def _all(directory: Path, names: list[str], replicas: int, options: argparse.Namespace) -> Iterator[Trial]:
    """Those that need the same ground come together, so that one is brought up for each kind and not for each fault."""
    enterprises, seed = options.enterprises, options.seed
    ground: Ground | None = None
    stands_for = Needs()
    numbers = count(1)
    try:
        for name in sorted(names, key=lambda name: FAULTS[name].needs):
            if ground is not None and FAULTS[name].needs != stands_for:
                ground.close()
                ground = None
            stands_for = FAULTS[name].needs
            began = time.monotonic()
            if ground is None:
                ground = prepare(directory / f"{replicas}-{next(numbers)}", replicas, stands_for)
                out.print(f"\na stack with {replicas} of each service is up after {time.monotonic() - began:.0f} s")
            files = options.keep / f"{name}-{replicas}-{seed}"
            shutil.rmtree(files, ignore_errors=True)
            try:
                trial = tried(ground, name, enterprises, seed, files, options.settle)
            except Exception as error:  # noqa: BLE001  # whatever it is, this fault failed, and the next one gets its turn
                failure = "".join(traceback.format_exception(error)[-3:])
                trial = Trial(name, replicas, seed, enterprises, failure=failure, files=files)
            if trial.passed:
                shutil.rmtree(files)
            yield trial
            if not trial.passed or FAULTS[name].stops is not None:
                ground.close()
                ground = None
    finally:
        if ground is not None:
            ground.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.matrix", description=__doc__)
    parser.add_argument("--fault", action="append", choices=list(FAULTS), metavar="NAME", help="this one; repeatable")
    parser.add_argument("--replicas", type=int, choices=(1, 2), help="of each service; both without it")
    parser.add_argument("--enterprises", type=int, default=40, help="of each fault's region")
    parser.add_argument("--seed", type=int, default=1, help="another seed is other regions")
    parser.add_argument("--settle", type=float, default=180, metavar="SECONDS", help="how long to wait for recovery")
    keep = "where what was sent is kept of a trial that fails"
    parser.add_argument("--keep", type=Path, default=Path(".local/faults"), metavar="DIR", help=keep)
    parser.add_argument("--list", action="store_true", help="print the faults' names")
    return parser


if __name__ == "__main__":
    sys.exit(main())
