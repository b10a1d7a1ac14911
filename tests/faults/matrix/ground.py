"""Where faults happen: servers in one stack, the services in another, so that each can be hurt without the other."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx

from deploy.local import postgres_server, redis_server
from deploy.local.servers import SERVERS
from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from deploy.local.testing import environ
from services.cli.installation import run
from services.cli.operate import begin
from tests.faults.matrix.load import Load
from tests.faults.matrix.office import Office
from tests.faults.proxy import Proxy
from tests.integration.running import Running

# Deferred sums are repaid from the day on which they become known.
FIRST_DAY = date(2020, 7, 1)
SERVICES = ("intake", "eligibility", "holdover", "payments", "ledger")
_TOLD_METRICS = {
    "relief_fences_total": "commits refused",
    "relief_rewinds_total": "seeks back",
    "relief_retries_total": "retries",
    "relief_producer_recreations_total": "new producers",
}


@dataclass(frozen=True, slots=True, order=True)
class Needs:
    """What a fault needs of its ground. `linked`: proxies before PostgreSQL and Redis; `brokers`: of Kafka."""

    linked: bool = False
    brokers: int = 1


class Skipped(Exception):  # named by what becomes of the trial
    """This machine cannot do it; the message says what is needed."""


# By service, replica and metric.
Told = dict[tuple[str, int, str], float]


@dataclass(slots=True)
class Ground:
    """`links`: the proxies between the services and PostgreSQL and Redis, by server; none where they talk directly.

    `load` feeds the stream while a fault is injected; `office` lets days, officers and the bank go on.
    """

    servers: Stack
    running: Running
    replicas: int
    links: dict[str, Proxy] = field(default_factory=dict)
    load: Load = field(init=False)
    office: Office = field(init=False)

    def __post_init__(self) -> None:
        self.office = Office(self.running, FIRST_DAY)

    @property
    def stack(self) -> Stack:
        return self.running.stack

    def everyone(self) -> list[tuple[str, int]]:
        return [(name, replica) for name in SERVICES for replica in range(self.replicas)]

    def spare(self) -> int:
        """A replica that is not there yet."""
        return self.replicas

    def restart_server(self, name: str) -> None:
        self.servers.start_service(name)

    def told_metrics(self) -> Told:
        """What each process says of its own recoveries since it started."""
        told: Told = {}
        for name, replica in self.everyone():
            for metric in _TOLD_METRICS:
                try:
                    told[name, replica, metric] = self.running.metric(metric, name, replica)
                except httpx.HTTPError:
                    continue  # it is not there
        return told

    def close(self) -> None:
        self.stack.down(wipe=True)
        for link in self.links.values():
            link.close()
        self.servers.down(wipe=True)


def told_between(before: Told, after: Told) -> str:
    """In words; a process that started anew counts from 0."""
    sums = dict.fromkeys(_TOLD_METRICS, 0)
    for where, value in after.items():
        earlier = before.get(where, 0)
        sums[where[2]] += int(value - earlier if value >= earlier else value)
    return ", ".join(f"{number} {_TOLD_METRICS[metric]}" for metric, number in sums.items() if number)


def prepare(directory: Path, replicas: int, needs: Needs) -> Ground:
    """A whole installation, ready, with a day and a pack in force; it dies with this process."""
    directory.mkdir(parents=True)
    servers = Stack(directory / "servers", (), brokers=needs.brokers, prefer_defaults=False, environ=environ())
    servers.up(stay=False, deadline_seconds=180)
    # Who the services are goes with where the servers are.
    told = (*SERVERS.values(), redis_server.PASSWORDS, postgres_server.PASSWORDS)
    found = {variable: servers.environment()[variable] for variable in told}
    links: dict[str, Proxy] = {}
    if needs.linked:
        for server in ("redis", "postgres"):
            links[server] = Proxy.to_url(found[SERVERS[server]])
            found[SERVERS[server]] = links[server].url
    everywhere = dict.fromkeys(SERVICES, replicas)
    stack = Stack(
        directory / "services",
        replicas=everywhere,
        prefer_defaults=False,
        environ=environ(**found),
        for_services=servers.for_services(),
    )
    stack.up(stay=False, deadline_seconds=180)
    running = Running(stack)
    run(begin(running.kafka, DEFAULT_POLICY_PACK, FIRST_DAY))
    running.settle()
    ground = Ground(servers, running, replicas, links)
    ground.office.open()
    return ground
