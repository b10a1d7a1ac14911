"""`python -m tests.faults.selftest`: plants each bug in a copy of the checkout; fails unless each is caught."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.fetch_kafka import LIBRARIES
from deploy.local.testing import environ
from tests.faults.selftest.plants import PLANTS, Plant
from tests.house.checkout import ROOT, sources

# A check that hangs has noticed something, but nobody could say what.
_CHECK_SECONDS = 600
# pytest's and the matrix's own: tests failed, or the money is not right. Anything else is no finding.
_FOUND = 1
out = Console(highlight=False, width=max(Console().width, 110))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.selftest", description=__doc__)
    parser.add_argument("--only", action="append", help="plants whose name has this text; repeatable")
    only = parser.parse_args(arguments).only or [""]
    plants = [plant for plant in PLANTS if any(text in plant.name for text in only)]
    table = Table("planted", "caught by", "seconds", title="Planted bugs")
    caught = True
    with tempfile.TemporaryDirectory(prefix="relief-selftest-") as directory:
        copy = Path(directory) / "checkout"
        copied(copy)
        for check in dict.fromkeys(check for plant in plants for check in plant.checks):
            # A check that fails by itself catches nothing.
            status, said = checked(copy, check)
            if status != 0:
                out.print(Text(f"{check} fails though nothing is planted:\n{said[-3000:]}", style="red"))
                return 1
        for plant in plants:
            for check in plant.checks:
                began = time.monotonic()
                finding = tried(copy, plant, check)
                caught &= finding is None
                seconds = f"{time.monotonic() - began:.0f}"
                table.add_row(plant.name, shown(check) if finding is None else Text(finding, style="red"), seconds)
                verdict = "caught by" if finding is None else "NOT caught by"
                out.print(f"{plant.name}: {verdict} {shown(check)}", markup=False, soft_wrap=True)
    out.print(table)
    return 0 if caught else 1


def copied(copy: Path) -> None:
    """What the checkout holds, also what is not committed. Kafka's jars are shared: nothing writes to them."""
    for source in sources():
        target = copy / source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source.path, target)
    (copy / LIBRARIES.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
    (copy / LIBRARIES.relative_to(ROOT)).symlink_to(LIBRARIES)


def tried(copy: Path, plant: Plant, check: str) -> str | None:
    """None when the check fails of the plant; otherwise why it does not count. The copy is as before afterwards."""
    files = {edit.file: (copy / edit.file).read_text("utf-8") for edit in plant.edits}
    try:
        for edit in plant.edits:
            text = (copy / edit.file).read_text("utf-8")
            if text.count(edit.old) != 1:
                return f"cannot be planted: {edit.file} holds the text {text.count(edit.old)} times"
            (copy / edit.file).write_text(text.replace(edit.old, edit.new), "utf-8")
        status, said = checked(copy, check)
    finally:
        for file, text in files.items():
            (copy / file).write_text(text, "utf-8")
    if status == _FOUND:
        return None
    out.print(Text(said[-3000:], style="red"))
    return f"NOT caught by {shown(check)} (exit {status})"


def checked(copy: Path, check: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    if check.startswith("python "):
        command = [sys.executable, *check.split()[1:]]
    else:
        command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "--timeout", "240", check]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=_environment(copy),
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"it did not end in {_CHECK_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def _environment(copy: Path) -> Mapping[str, str]:
    # The copy before what is installed, for every process that a check starts.
    before = os.environ.get("PYTHONPATH")
    path = str(copy) if not before else f"{copy}{os.pathsep}{before}"
    return environ(PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")


def shown(check: str) -> str:
    return check.rpartition("--fault ")[2].removeprefix("shared/streaming/")


if __name__ == "__main__":
    sys.exit(main())
