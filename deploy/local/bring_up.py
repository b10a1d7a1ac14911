"""Bringing units up: ports, start, waiting until they serve, and what to say when they do not."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from deploy.local import logs, ports
from deploy.local.errors import NotReady, StackError
from deploy.local.identity import listens
from deploy.local.program import Unit
from deploy.local.record import Record, save
from deploy.local.supervision import Supervisor

# Tells the user what is going on: a program's name, and what happens to it.
Report = Callable[[str, str], None]

PORT_ATTEMPTS = 5
LOG_LINES = 12
POLL_SECONDS = 0.1
EXTERNAL_SECONDS = 5.0


class BringUp:
    """Starts units at the same time and waits until each serves, until a deadline in time.monotonic() seconds.

    Used while the stack's lock is held: it writes the chosen ports into the record. `started`: the names of
    those that did not run before.
    """

    def __init__(
        self,
        state: Path,
        record: Record,
        supervisor: Supervisor,
        *,
        prefer_defaults: bool,
        deadline: float,
        report: Report,
    ) -> None:
        self._state = state
        self._record = record
        self._supervisor = supervisor
        self._prefer_defaults = prefer_defaults
        self._deadline = deadline
        self._report = report
        self._choosing = threading.Lock()
        self._given_up = threading.Event()
        self.started: set[str] = set()

    def run(self, units: Sequence[Unit]) -> None:
        """Returns when all serve. Raises the first StackError; then some of `started` may run."""
        if not units:
            return
        with ThreadPoolExecutor(len(units)) as pool:
            waiting = [pool.submit(self._one, unit) for unit in units]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                self._given_up.set()
                raise

    def choose_ports(self, units: Sequence[Unit]) -> None:
        """Into the record, for units that do not run yet. One that cannot bind its port later still gets another."""
        for unit in units:
            if unit.external is None:
                self._choose_ports(unit)

    def stop_started(self) -> None:
        """Undoes this call where the stack itself goes on."""
        self._supervisor.stop_programs(self.started)

    def _one(self, unit: Unit) -> None:
        if unit.external is not None:
            self._wait_external(unit, unit.external)
            return
        self._report(unit.name, "starting")
        if not self._serves_already(unit):
            self._start(unit)
        self._report(unit.name, "ready")

    def _serves_already(self, unit: Unit) -> bool:
        if any(name not in self._record.ports for name in unit.ports):
            return False
        self._supervisor.wait_answering(self._deadline)
        running = self._supervisor.programs().get(unit.name)
        runs = running is not None and not running.stopped and not running.failed
        if runs and self._wait(unit, {name: self._record.ports[name] for name in unit.ports}):
            return True
        # Else it could be started again from its old plan meanwhile.
        self._supervisor.stop_programs([unit.name])
        return False

    def _start(self, unit: Unit) -> None:
        """Another program may take a port between choosing and binding, so an end with a taken port is tried again."""
        log = self._state / "logs" / f"{unit.name}.log"
        for _ in range(PORT_ATTEMPTS):
            chosen = self._choose_ports(unit)
            program = unit.prepare(chosen)
            self._supervisor.wait_answering(self._deadline)
            already_written = logs.size(log)
            self._supervisor.start_program(program)
            self.started.add(unit.name)
            if self._wait(unit, chosen):
                return
            self._supervisor.stop_programs([unit.name])
            if all(ports.is_free(port) for port in chosen.values()):
                break
        raise StackError(_with_log(f"{unit.name} ended instead of starting", log, already_written))

    def _wait(self, unit: Unit, chosen: Mapping[str, int]) -> bool:
        """True when it serves, False when it ended by itself. Raises StackError at the deadline."""
        log = self._state / "logs" / f"{unit.name}.log"
        reason = "it does not listen on its port"
        while not self._given_up.is_set():
            running = self._supervisor.programs()[unit.name]
            if running.failed or running.pid is None:
                return False
            # On a port that another program took, that one might answer.
            if all(ports.is_open(port) and listens(running.pid, port) for port in chosen.values()):
                try:
                    unit.check(chosen)
                    return True
                except NotReady as error:
                    reason = str(error)
            if time.monotonic() > self._deadline:
                raise StackError(_with_log(f"{unit.name} was not ready in time: {reason}", log, 0))
            self._given_up.wait(POLL_SECONDS)
        raise StackError(f"{unit.name} was not waited for, because something else failed")

    def _wait_external(self, unit: Unit, address: str) -> None:
        deadline = min(self._deadline, time.monotonic() + EXTERNAL_SECONDS)
        while True:
            try:
                unit.check({})
                self._report(unit.name, "ready")
                return
            except NotReady as error:
                if time.monotonic() > deadline or self._given_up.is_set():
                    raise StackError(
                        f"no {unit.name} answers at {address}, which the environment names ({error}): start it, "
                        "or unset the variable to have one started here"
                    ) from error
            self._given_up.wait(POLL_SECONDS)

    def _choose_ports(self, unit: Unit) -> dict[str, int]:
        with self._choosing:
            chosen: dict[str, int] = {}
            for name, default in unit.ports.items():
                preferred = [self._record.ports[name]] if name in self._record.ports else []
                if self._prefer_defaults and default is not None:
                    preferred.append(default)
                taken = {port for other, port in self._record.ports.items() if other != name}
                try:
                    chosen[name] = ports.choose(preferred, taken)
                except ports.NoPort as error:
                    raise StackError(f"{unit.name} cannot be started: {error}") from error
                self._record.ports[name] = chosen[name]
            save(self._state, self._record)
            return chosen


def _with_log(sentence: str, log: Path, since: int) -> str:
    lines = logs.tail(log, LOG_LINES, since)
    if not lines:
        return f"{sentence}; its log {log} is empty"
    return "\n".join([f"{sentence}; the end of its log {log}:", *(f"  {line}" for line in lines)])
