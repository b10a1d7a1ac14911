"""Ending a stack's process manager and all that it started, and nothing else."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable

import psutil

from deploy.local.errors import StackError
from deploy.local.identity import Identity, identify
from deploy.local.supervision import Supervisor

GENTLE_SECONDS = 60.0
GONE_SECONDS = 20.0


def end_manager(manager: Identity, supervisor: Supervisor, last: Iterable[str]) -> None:
    """Stops all programs, those of `last` after the others, then the process manager; by force when it does not listen.

    Returns when every process of the stack is gone. Raises StackError naming one that cannot be ended.
    """
    family = descendants(manager)
    try:
        names = set(supervisor.programs())
        supervisor.stop_programs(names - set(last))
        supervisor.stop_programs(names & set(last))
        supervisor.shut_down()
        _wait([manager], GENTLE_SECONDS)
    except StackError:
        # Its children die with it.
        _signal(manager, signal.SIGKILL)
    _signal(manager, signal.SIGKILL)
    wait_gone(manager)
    for process in _wait(family, GONE_SECONDS):
        _signal(process, signal.SIGKILL)
    for process in family:
        wait_gone(process)


def descendants(process: Identity) -> list[Identity]:
    """All processes below this one."""
    try:
        found = [identify(child.pid) for child in psutil.Process(process.pid).children(recursive=True)]
    except psutil.Error:
        return []
    return [one for one in found if one is not None]


def wait_gone(process: Identity) -> None:
    """Raises StackError when it still runs after some seconds."""
    if _wait([process], GONE_SECONDS):
        raise StackError(f"process {process.pid} does not end; end it by hand")


def _wait(processes: Iterable[Identity], seconds: float) -> list[Identity]:
    """Those that still run when the time is over."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if process.alive()]
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = [process for process in alive if process.alive()]
    return alive


def _signal(process: Identity, number: signal.Signals) -> None:
    if process.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
