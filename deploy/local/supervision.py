"""One supervisord per stack: starting it under a guard, and asking it to start, stop and describe programs."""

import contextlib
import functools
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from deploy.local.errors import StackError, Unanswered
from deploy.local.files import replace_text
from deploy.local.identity import Identity, identify
from deploy.local.program import Program, disable_plan, section, write_plan

GUARD = Path(__file__).with_name("guard.py")
CONFIGURATION = """[supervisord]
nodaemon=true
silent=true
loglevel=warn
logfile=logs/supervisord.log
logfile_maxbytes=5MB
pidfile=run/supervisord.pid
[unix_http_server]
file={socket}
chmod=0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
# sun_path takes 104 bytes on macOS, 108 on Linux, and supervisor binds a name with its process id appended first.
SOCKET_PATH_BYTES = 85
ALREADY_STARTED, NOT_RUNNING = 60, 70
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A program as supervisor sees it: its process, if there is one, its state, and the exit code of its last end."""

    pid: int | None
    state: str
    exit_code: int

    @property
    def failed(self) -> bool:
        """It ended by itself or could not be started, though supervisord may be about to try again."""
        return self.state in ("BACKOFF", "EXITED", "FATAL", "UNKNOWN")

    @property
    def stopped(self) -> bool:
        """It does not run and will not by itself."""
        # After any other exit code it is about to be started again.
        return self.state in ("STOPPED", "FATAL", "UNKNOWN") or (self.state == "EXITED" and self.exit_code == 0)


@dataclass(slots=True)
class Guard:
    """Holds the stack to our own life: everything stops when we die, unless told to stay."""

    process: "subprocess.Popen[str]"

    def let_stay(self) -> None:
        """The stack outlives us."""
        self._say("stay\n")
        self._end()

    def keep_until_death(self) -> None:
        """The stack is up, and stops when we die or somebody stops it."""
        self._say("up\n")

    def stop_everything(self) -> None:
        """Ends the process manager and all it started; returns when they are gone."""
        self._end()

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        # A guard that is gone has stopped everything, which the next look at the stack shows.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(word)
            self.process.stdin.flush()

    def _end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def new_socket(state: Path) -> str:
    """Where the process manager shall listen: in the state directory unless its path is too long for a socket."""
    path = str(state / "supervisor.sock")
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    return str(Path(tempfile.mkdtemp(prefix="relief-")) / "supervisor.sock")


class Supervisor:
    """The process manager of one state directory; `manager` is None until `start`."""

    def __init__(self, state: Path, socket_path: str, manager: Identity | None = None) -> None:
        self.state = state
        self.socket_path = socket_path
        self.manager = manager
        self._adding = threading.Lock()

    def start(self, lock: int) -> tuple[Guard, Identity]:
        """Starts supervisord under a guard, which keeps the lock (a file descriptor) until it ends. Does not wait."""
        for name in ("logs", "run"):
            (self.state / name).mkdir(exist_ok=True)
        configuration = self.state / "run" / "supervisord.conf"
        replace_text(configuration, CONFIGURATION.format(socket=self.socket_path.replace("%", "%%")))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        with (self.state / "logs" / "guard.log").open("w") as log:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", str(GUARD), str(lock), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.state,
                text=True,
                start_new_session=True,
                pass_fds=[lock],
            )
        guard = Guard(process)
        assert process.stdout is not None
        first = process.stdout.readline()
        manager = identify(int(first)) if first else None
        if manager is None:
            guard.stop_everything()
            raise StackError(f"the process manager did not start; see {self.state / 'logs' / 'guard.log'}")
        self.manager = manager
        return guard, manager

    def wait_answering(self, deadline: float) -> None:
        """Until supervisord takes requests; `deadline` in time.monotonic() seconds. Raises Unanswered."""
        while True:
            try:
                self._call("getState")
                return
            except Unanswered:
                if time.monotonic() > deadline or self.manager is None or not self.manager.alive():
                    raise
                time.sleep(0.02)

    def start_program(self, program: Program) -> None:
        """Starts it unless it runs; its output goes to logs/NAME.log. Needs `wait_answering` before."""
        plan, log = f"run/{program.name}.json", f"logs/{program.name}.log"
        assert self.manager is not None
        write_plan(self.state / plan, program, parent=self.manager.pid)
        with self._adding:
            configuration = self.state / "run" / "supervisord.conf"
            text = configuration.read_text("utf-8")
            if f"[program:{program.name}]\n" not in text:
                replace_text(configuration, text + section(program, plan, log))
                self._call("reloadConfig")
                self._call("addProcessGroup", program.name)
        self._call("startProcess", program.name, False, but=ALREADY_STARTED)

    def stop_programs(self, names: Iterable[str]) -> None:
        """Stops them at the same time; returns when they are gone. Those that do not run are left alone."""
        wanted = set(names)
        while True:
            left = {name: one for name, one in self.programs().items() if name in wanted and not one.stopped}
            if not left:
                return
            for name, running in left.items():
                # Again and again, for one that just ended is being started again. No harm where it is stopping.
                self._call("stopProcess", name, False, but=NOT_RUNNING)
                # A paused program hears of its end only when it goes on.
                if running.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(running.pid, signal.SIGCONT)
            time.sleep(0.02)

    def kill(self, name: str, number: signal.Signals, *, restart: bool) -> Identity:
        """Sends a signal and returns who got it. Without `restart` the program is not started again when it ends."""
        running = self.programs().get(name)
        process = None if running is None or running.pid is None else identify(running.pid)
        if process is None:
            raise StackError(f"{name} does not run")
        if not restart:
            disable_plan(self.state / "run" / f"{name}.json")
        os.kill(process.pid, number)
        return process

    def programs(self) -> dict[str, Running]:
        """Every program it knows. Raises Unanswered."""
        found = cast(list[dict[str, Any]], self._call("getAllProcessInfo"))
        return {one["name"]: Running(one["pid"] or None, one["statename"], one["exitstatus"]) for one in found}

    def shut_down(self) -> None:
        """Asks supervisord to stop everything and to end. Does not wait."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: object, but: int | None = None) -> Any:
        """Calls one method over a connection of its own, for one serves one thread; the fault `but` is no error."""
        with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self.socket_path)) as proxy:
            try:
                return functools.reduce(getattr, ("supervisor", method), cast(Any, proxy))(*arguments)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == but:
                    return None
                raise StackError(f"the process manager refused {method}: {fault.faultString}") from fault
            except (OSError, http.client.HTTPException) as error:
                seen = f"see guard.log and supervisord.log in {self.state / 'logs'}"
                raise Unanswered(f"the process manager does not answer ({error!r}); {seen}") from error


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _Connection(self._path)
