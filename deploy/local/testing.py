"""For tests that start stacks: in any package, each with a state directory of its own."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from deploy.local.record import load


def environ(**more: str) -> dict[str, str]:
    """Our environment, without external servers and other settings of the system."""
    return {k: v for k, v in os.environ.items() if not k.startswith("RELIEF_")} | more


def processes_of(state: Path) -> list[str]:
    """Every process that was started for this state or works in it, but ourselves."""
    annex = load(state).annex
    places = [str(state)] if annex is None else [str(state), annex]
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        cwd = str(process.info["cwd"] or "")
        if any(place in words or cwd.startswith(place) for place in places):
            found.append(f"{process.info['pid']} {words}")
    return found


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Returns once it holds; an AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
