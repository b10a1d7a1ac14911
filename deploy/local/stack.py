"""The local stack: Kafka, Redis, PostgreSQL and the services, on 127.0.0.1, with all state in one directory.

What commands and tests use. Every method may raise StackError, whose text is for the user.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.kafka.acl import OVERSEER
from deploy.local import fetch_kafka, kafka_server, postgres_server, servers, services
from deploy.local.addresses import shown
from deploy.local.bring_up import BringUp, Report
from deploy.local.endings import end_manager, wait_gone
from deploy.local.errors import StackError
from deploy.local.files import remove_tree
from deploy.local.preparing import prepare_services
from deploy.local.program import Unit
from deploy.local.record import Record, load, locked, save
from deploy.local.servers import SERVERS
from deploy.local.status import Status, read_status
from deploy.local.supervision import Guard, Supervisor, new_socket
from shared.streaming.kafka_access import KafkaAccess

ROOT = fetch_kafka.ROOT
DEFAULT_STATE = ROOT / ".local"
DEFAULT_POLICY_PACK = "xinjiang-2020"
# All that a stack writes into its state directory, except the lock and, in the default one, Kafka's jars.
OWNED = (
    "logs",
    "run",
    *kafka_server.programs(max(kafka_server.SIZES)),
    "kafka-cluster",
    "redis",
    "postgres",
    "postgres.new",
    "secrets",
    "bank",
    "supervisor.sock",
    "stack.json",
)


def _silent(_name: str, _phase: str) -> None:
    """Reports nothing."""


class Stack:
    """One stack by its state directory. Several may run at the same time in different directories.

    services: which of the declared ones to start; None: all, (): the three servers alone.
    replicas: how many of a service, by name, where it is not what `declared` says.
    brokers: how many Kafka has, 1 or 3, from the first `up` on; None: as it was made, at first 1.
    prefer_defaults: False takes free ports at once and leaves the well-known ones to others (for tests).
    declared: the file that lists the services. environ: the calling environment; it names external servers
    (RELIEF_KAFKA_BOOTSTRAP, RELIEF_REDIS_URL, RELIEF_POSTGRES_URL), and services inherit it. for_services: what
    services alone are told beside, in place of what our own servers would have them told.
    """

    def __init__(
        self,
        state: Path = DEFAULT_STATE,
        services: Sequence[str] | None = None,
        *,
        replicas: Mapping[str, int] | None = None,
        brokers: int | None = None,
        prefer_defaults: bool = True,
        declared: Path | None = None,
        environ: Mapping[str, str] | None = None,
        for_services: Mapping[str, str] | None = None,
    ) -> None:
        self.state = state.absolute()
        self.environ = dict(os.environ if environ is None else environ)
        self._declared_in = declared
        self._services = services
        self._replicas = dict(replicas or {})
        self._brokers = brokers
        self._prefer_defaults = prefer_defaults
        self._for_services = dict(for_services or {})
        self._guard: Guard | None = None

    def up(
        self,
        *,
        deadline_seconds: float = 90.0,
        stay: bool = True,
        after_ready: "Callable[[Stack], None] | None" = None,
        report: Report = _silent,
    ) -> bool:
        """Starts what does not run yet; returns when all is ready. False: everything ran already.

        When it fails or dies by whatever cause, what it started stops; a stack that ran before goes on. stay: the stack
        outlives this process; else it stops when this process dies. after_ready: runs once all is ready, every
        time, while other commands for this stack wait.
        """
        wanted = self._wanted()
        self.state.mkdir(parents=True, exist_ok=True)
        with locked(self.state) as lock:
            record = load(self.state)
            self._note_external(record)
            servers.note_brokers(self.state, record, self._brokers)
            if kafka_server.PORT not in record.external and not fetch_kafka.fetched():
                report(kafka_server.PORT, "fetching its jars with Maven")
                fetch_kafka.fetch()
            guard, bring_up = None, None
            try:
                if not record.running:
                    guard = self._start_manager(record, lock)
                    record.services = {}
                record.services |= {name: max(n, record.services.get(name, 0)) for name, n in wanted.items()}
                save(self.state, record)
                bring_up = self._bring_up(record, time.monotonic() + deadline_seconds, report)
                if guard is not None:
                    # Chosen for all before any is prepared: a broker's settings name the others' ports.
                    bring_up.choose_ports([self._unit(record, name, 0) for name in servers.programs(record)])
                self._bring_up_all(record, bring_up, report)
                if after_ready is not None:
                    after_ready(self)
            except BaseException:
                if guard is not None:
                    guard.stop_everything()
                    self._forget_manager(record)
                elif bring_up is not None:
                    bring_up.stop_started()
                raise
            if guard is not None and stay:
                guard.let_stay()
            elif guard is not None:
                guard.keep_until_death()
                self._guard = guard
            return bool(bring_up.started)

    def down(self, *, wipe: bool = False) -> bool:
        """Stops what this state directory's `up` started, nothing else. False: nothing ran. wipe: deletes its data."""
        if not (self.state / "stack.json").exists():
            return False
        with locked(self.state):
            record = load(self.state)
            ran = record.running
            if ran and record.manager is not None:
                supervisor = Supervisor(self.state, record.socket, record.manager)
                end_manager(record.manager, supervisor, last=servers.programs(record))
            if self._guard is not None:
                self._guard.stop_everything()
                self._guard = None
            self._forget_manager(record)
            if wipe:
                self._wipe(record)
            return ran

    def status(self) -> Status:
        """What runs and answers now."""
        return read_status(self.state, load(self.state), self._declared(), self.environ)

    def kafka(self, user: str = OVERSEER) -> KafkaAccess:
        """How a command reaches Kafka: by the door of our own; as this user, where the environment names another."""
        return servers.kafka(self.state, load(self.state), self.environ, user)

    def for_services(self) -> dict[str, str]:
        """What services are told beside `environment()`, also those of another stack that runs on our servers."""
        return servers.for_services(self.state, load(self.state))

    def environment(self, name: str | None = None, replica: int = 0) -> dict[str, str]:
        """What a service's replica gets; without a name, what any program needs to reach the stack. After `up` only."""
        return self._environment(load(self.state), name, replica)

    def start_service(self, name: str, replica: int = 0, *, deadline_seconds: float = 90.0) -> None:
        """Starts one replica (or one of the servers) and waits until it is ready. Harmless when it runs."""
        with locked(self.state):
            record = self._running_record()
            if name not in servers.programs(record):
                record.services[name] = max(record.services.get(name, 0), replica + 1)
            bring_up = self._bring_up(record, time.monotonic() + deadline_seconds, _silent)
            try:
                bring_up.run([self._unit(record, name, replica)])
            except BaseException:
                bring_up.stop_started()
                raise

    def stop_service(self, name: str, replica: int = 0) -> None:
        """Stops it as `down` would, and returns when it is gone."""
        with locked(self.state):
            record = self._running_record()
            supervisor = Supervisor(self.state, record.socket, record.manager)
            supervisor.stop_programs([_program(record, name, replica)])

    def kill_service(
        self, name: str, replica: int = 0, number: signal.Signals = signal.SIGKILL, *, restart: bool = True
    ) -> None:
        """Sends a signal. A service that dies of it is started again by the process manager, unless not `restart`:
        then it has gone on return, and `start_service` starts it."""
        record = self._running_record()
        supervisor = Supervisor(self.state, record.socket, record.manager)
        gone = supervisor.kill(_program(record, name, replica), number, restart=restart)
        if not restart:
            wait_gone(gone)
            supervisor.stop_programs([_program(record, name, replica)])

    def _wanted(self) -> dict[str, int]:
        declared = self._declared()
        names = list(declared) if self._services is None else list(self._services)
        for name in [*names, *self._replicas]:
            if name not in declared:
                raise StackError(f"there is no service {name}; there are {', '.join(declared) or 'none'}")
        return {name: self._replicas.get(name, declared[name].replicas) for name in names}

    def _declared(self) -> dict[str, services.Service]:
        return services.read(self._declared_in) if self._declared_in is not None else services.read()

    def _note_external(self, record: Record) -> None:
        named = {name: self.environ[variable] for name, variable in SERVERS.items() if self.environ.get(variable)}
        if not record.running:
            record.external = named
            return
        for name, address in named.items():
            if servers.address(self.state, record, name) != address:
                raise StackError(
                    f"{SERVERS[name]} is {shown(address)}, but the stack in {self.state} runs with another {name}: "
                    "run `relief down` first, or unset the variable"
                )

    def _start_manager(self, record: Record, lock: int) -> Guard:
        self._forget_manager(record)
        if postgres_server.PORT not in record.external:
            self._place_postgres(record)
        record.socket = new_socket(self.state)
        guard, record.manager = Supervisor(self.state, record.socket).start(lock)
        return guard

    def _place_postgres(self, record: Record) -> None:
        if record.annex is None and not (self.state / "postgres").exists():
            annex = postgres_server.choose_annex(self.state)
            record.annex = None if annex is None else str(annex)
            save(self.state, record)
        elif record.annex is not None and not Path(record.annex).is_dir():
            raise StackError(
                f"PostgreSQL's data was in {record.annex}, which is gone: run `relief down --wipe` to start afresh"
            )

    def _bring_up_all(self, record: Record, bring_up: BringUp, report: Report) -> None:
        bring_up.run([self._unit(record, name, 0) for name in servers.programs(record)])
        report("topics", "creating")
        own = {name: servers.address(self.state, record, name) for name in SERVERS if name not in record.external}
        prepare_services(self.state, servers.kafka(self.state, record, self.environ), record.brokers, own)
        report("topics", "ready")
        replicas = [(name, replica) for name, count in record.services.items() for replica in range(count)]
        bring_up.run([self._unit(record, name, replica) for name, replica in replicas])

    def _bring_up(self, record: Record, deadline: float, report: Report) -> BringUp:
        supervisor = Supervisor(self.state, record.socket, record.manager)
        return BringUp(
            self.state, record, supervisor, prefer_defaults=self._prefer_defaults, deadline=deadline, report=report
        )

    def _unit(self, record: Record, name: str, replica: int) -> Unit:
        if name in servers.programs(record):
            return servers.unit(self.state, record, name, self.environ)
        declared = self._declared()
        if name not in declared:
            raise StackError(f"there is no service {name}; there are {', '.join(declared) or 'none'}")
        return services.unit(declared[name], replica, self._environment(record, name, replica), ROOT)

    def _environment(self, record: Record, name: str | None, replica: int) -> dict[str, str]:
        found = {"RELIEF_POLICY_PACK": DEFAULT_POLICY_PACK, "RELIEF_DEBTORS": services.DEVELOPMENT_DEBTORS}
        found |= {"RELIEF_BANK_DIR": str(self.state / "bank")}
        found |= servers.variables(self.state, record, self.environ)
        found["RELIEF_SECRETS_DIR"] = str(self.state / "secrets")
        if name is not None:
            found |= self._for_services or servers.for_services(self.state, record)
            found["RELIEF_INSTANCE"] = services.instance(name, replica)
            port = record.ports.get(services.instance(name, replica))
            if port is not None:
                found["RELIEF_HTTP_PORT"] = str(port)
        return found

    def _running_record(self) -> Record:
        record = load(self.state)
        if not record.running:
            raise StackError(f"the stack in {self.state} is not up: run `relief up`")
        return record

    def _forget_manager(self, record: Record) -> None:
        if record.socket and Path(record.socket).parent != self.state:
            shutil.rmtree(Path(record.socket).parent, ignore_errors=True)
        record.manager, record.socket = None, ""
        save(self.state, record)

    def _wipe(self, record: Record) -> None:
        if record.annex is not None:
            remove_tree(Path(record.annex))
        for name in OWNED:
            path = self.state / name
            if path.is_dir():
                remove_tree(path)
            else:
                path.unlink(missing_ok=True)


def _program(record: Record, name: str, replica: int) -> str:
    return name if name in servers.programs(record) else services.instance(name, replica)
