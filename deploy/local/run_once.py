"""Running a program to its end before a server starts, such that it dies with us."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.program import LAUNCHER, Program, write_plan

SECONDS = 60


def run_once(program: Program, plan_directory: Path) -> None:
    """Runs it to its end; the calling thread is its parent and must wait. Raises StackError when it fails."""
    plan = plan_directory / f"{program.name}.json"
    write_plan(plan, program, parent=os.getpid())
    command = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan)]
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{program.name} did not end within {SECONDS} seconds") from None
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise StackError(f"{program.name} failed with exit code {done.returncode}:\n{last}")
