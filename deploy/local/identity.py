"""Which process is meant: a process id alone may belong to another program tomorrow."""

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process by its id and its birth (boot and ticks since boot, so that setting the clock changes nothing)."""

    pid: int
    born: str

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        return _born(self.pid) == self.born


def identify(pid: int) -> Identity | None:
    """The process that has this id now, or None."""
    born = _born(pid)
    return None if born is None else Identity(pid, born)


def listens(pid: int, port: int) -> bool:
    """Whether the process or one of its descendants listens on the TCP port: someone else may answer there."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for member in family
            for connection in member.net_connections(kind="tcp")
        )
    except psutil.Error:
        return False


def _born(pid: int) -> str | None:
    if LINUX:
        try:
            # The second field is the program's name in brackets and may itself hold spaces and brackets.
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None
