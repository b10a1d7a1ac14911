"""Where faults happen: servers in one stack, the services in another, so that each can be hurt without the other."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx

from deploy.local.stack import DEFAULT_POLICY_PACK, SERVERS, Stack
from deploy.local.testing import environ
from services.cli.installation import run
from services.cli.operate import begin
from tests.faults.matrix.load import Load
from tests.faults.proxy import Proxy
from tests.integration.running import Running

SERVICES = ("intake", "eligibility", "holdover", "payments", "ledger")
_TOLD_METRICS = {
    "relief_fences_total": "commits refused",
    "relief_rewinds_total": "seeks back",
    "relief_retries_total": "retries",
    "relief_producer_recreations_total": "new producers",
}


@dataclass(slots=True)
class Ground:
    """`links`: the proxies between the services and PostgreSQL and Redis, by server; none where they talk directly.

    `load` feeds the stream while a fault is injected.
    """

    servers: Stack
    running: Running
    replicas: int
    links: dict[str, Proxy] = field(default_factory=dict)
    load: Load = field(init=False)

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

    def told_metrics(self) -> str:
        """What the services that run now say of their own recoveries."""
        sums = dict.fromkeys(_TOLD_METRICS, 0.0)
        for name, replica in self.everyone():
            for metric in sums:
                try:
                    sums[metric] += self.running.metric(metric, name, replica)
                except httpx.HTTPError:
                    continue  # a replica that the fault took away for good
        return ", ".join(f"{int(value)} {_TOLD_METRICS[name]}" for name, value in sums.items() if value)

    def close(self) -> None:
        self.stack.down(wipe=True)
        for link in self.links.values():
            link.close()
        self.servers.down(wipe=True)


def prepare(directory: Path, replicas: int, *, linked: bool) -> Ground:
    """A whole installation, ready, with a day and a pack in force; it dies with this process."""
    directory.mkdir(parents=True)
    servers = Stack(directory / "servers", (), prefer_defaults=False, environ=environ())
    servers.up(stay=False)
    found = {variable: servers.environment()[variable] for variable in SERVERS.values()}
    links: dict[str, Proxy] = {}
    if linked:
        for server in ("redis", "postgres"):
            links[server] = Proxy.to_url(found[SERVERS[server]])
            found[SERVERS[server]] = links[server].url
    everywhere = dict.fromkeys(SERVICES, replicas)
    stack = Stack(directory / "services", replicas=everywhere, prefer_defaults=False, environ=environ(**found))
    stack.up(stay=False, deadline_seconds=180)
    running = Running(stack)
    run(begin(running.kafka, DEFAULT_POLICY_PACK, date(2020, 1, 31)))
    running.settle()
    return Ground(servers, running, replicas, links)
