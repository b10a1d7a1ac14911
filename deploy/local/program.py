"""A program under the process manager, and the two files that describe it: a supervisor section and a launch plan."""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.files import replace_text

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class User:
    """Whom a program runs as when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `environment` is all of it: nothing is inherited."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    user: User | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    # What kills it when the process manager dies. It must need no cooperation.
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to bring up: how to get it ready on disk for its ports, and how to see that it works.

    `ports` maps a port's name to the one to prefer (None: any). `prepare` is idempotent and may raise StackError;
    `check` raises NotReady until the program serves. Both take the chosen ports by name.
    """

    name: str
    ports: Mapping[str, int | None]
    prepare: Callable[[Mapping[str, int]], Program]
    check: Callable[[Mapping[str, int]], None]
    # When given: in place of a program of ours the user's own server at this address, which `check` asks too.
    external: str | None = field(default=None)


def section(program: Program, plan: str, log: str) -> str:
    """The supervisor section of a program; `plan` and `log` are relative to the state directory.

    All that varies is in the plan, so that a section never has to be read again.
    """
    lines = {
        "command": shlex.join([sys.executable, "-I", "-S", str(LAUNCHER), plan]).replace("%", "%%"),
        "autostart": "false",
        # A service that ran and died starts again; one that refuses to start is tried a few times and left.
        "autorestart": "unexpected",
        "exitcodes": "0",
        "startsecs": "3",
        "startretries": "3",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log,
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "1",
    }
    return f"[program:{program.name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())


def write_plan(path: Path, program: Program, parent: int, *, enabled: bool = True) -> None:
    """Writes the launch plan; readable by us alone, for an environment may hold secrets."""
    plan = {
        "enabled": enabled,
        "argv": list(program.argv),
        "environment": dict(program.environment),
        "directory": str(program.directory),
        "parent": parent,
        "death_signal": int(program.death_signal),
        "user": None if program.user is None else {"uid": program.user.uid, "gid": program.user.gid},
    }
    replace_text(path, json.dumps(plan))


def disable_plan(path: Path) -> None:
    """From now on the launcher ends at once instead of starting the program."""
    plan = json.loads(path.read_text("utf-8"))
    replace_text(path, json.dumps(plan | {"enabled": False}))
