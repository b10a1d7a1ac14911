"""What of a stack runs and answers."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local import kafka_server, postgres_server, redis_server, servers, services
from deploy.local.errors import NotReady, StackError, Unanswered
from deploy.local.record import Record
from deploy.local.supervision import Running, Supervisor


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One replica; `url` is null until it has had a port, `pid` while no process is there."""

    url: str | None
    ready: bool
    pid: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Addresses are None while the server does not answer. Services by the name a user sees."""

    kafka: str | None
    redis: str | None
    postgres: str | None
    services: dict[str, ServiceStatus]

    @property
    def all_ready(self) -> bool:
        """Whether every server and every wanted service works."""
        return None not in (self.kafka, self.redis, self.postgres) and all(one.ready for one in self.services.values())

    def as_json(self) -> dict[str, object]:
        """The shape that `relief status --json` promises."""
        return asdict(self)


def running_programs(state: Path, record: Record) -> dict[str, Running]:
    """What the process manager knows; nothing when it does not run."""
    if not record.running:
        return {}
    try:
        return Supervisor(state, record.socket, record.manager).programs()
    except Unanswered:
        return {}


def read_status(state: Path, record: Record, declared: Mapping[str, services.Service]) -> Status:
    """Asks everything at the same time; takes two seconds at worst per silent server."""
    programs = running_programs(state, record)
    wanted = [(name, n) for name, count in record.services.items() if name in declared for n in range(count)]
    with ThreadPoolExecutor() as pool:
        kafka = pool.submit(_answers, state, record, programs, "kafka", kafka_server.check_address)
        redis = pool.submit(_answers, state, record, programs, "redis", redis_server.check_url)
        postgres = pool.submit(_answers, state, record, programs, "postgres", postgres_server.check_url)
        found = {services.shown(*one): pool.submit(_service, record, programs, *one) for one in wanted}
        return Status(
            kafka.result(), redis.result(), postgres.result(), {name: one.result() for name, one in found.items()}
        )


def _answers(
    state: Path, record: Record, programs: Mapping[str, Running], server: str, check: Callable[[str], None]
) -> str | None:
    """Its address; of Kafka also where only some of several brokers answer."""
    ours = kafka_server.programs(record.brokers) if server == kafka_server.PORT else [server]
    if server not in record.external and not any(name in programs and programs[name].pid for name in ours):
        return None
    found = servers.address(state, record, server)
    try:
        check(found)
    except (NotReady, StackError):
        return None
    return found


def _service(record: Record, programs: Mapping[str, Running], name: str, replica: int) -> ServiceStatus:
    instance = services.instance(name, replica)
    port = record.ports.get(instance)
    running = programs.get(instance)
    if port is None:
        return ServiceStatus(None, ready=False, pid=None)
    pid = None if running is None else running.pid
    return ServiceStatus(services.url(port), ready=pid is not None and services.is_ready(port), pid=pid)
