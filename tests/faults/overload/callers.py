"""Callers over HTTP who ask ten times as often as they may, and a probe that wants to know how the services are."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import httpx

from services.payments.cases import enterprise
from shared.devkeys import issue_development_token
from tests.integration.running import STAGES, Running

USCC = enterprise(77)
ANSWER_SECONDS = 30.0
PROBE_SECONDS = 10.0
CROWD, CROWD_EVERY_SECONDS = 250, 4.0
# More of one route's requests under way than this are not begun: a caller's own patience and sockets end too.
_UNDER_WAY = 60
# What overload may be answered with; 404 where nothing is known of what was asked for.
_TAKEN, _SHED = frozenset({200, 202, 404}), frozenset({429, 503})
_APPLICATION = {"kind": "need", "uscc": USCC, "measure": "masks", "details": {"pieces": 1}, "contact": "office"}


class Route(NamedTuple):
    service: str
    method: str
    path: str
    role: str
    per_minute: int


ROUTES = (
    Route("intake", "POST", "/v1/applications", "enterprise", 60),
    Route("intake", "GET", f"/v1/applications/{'0' * 32}", "enterprise", 600),
    Route("eligibility", "GET", f"/v1/enterprises/{USCC}", "enterprise", 600),
    Route("payments", "GET", "/v1/clerk", "operator", 1200),
    Route("ledger", "GET", f"/v1/enterprises/{USCC}/postings", "enterprise", 1200),
    Route("holdover", "GET", "/v1/protection?supplier_id=grid&account_no=1", "operator", 600),
)


@dataclass
class Heard:
    """`applications`: the ids that were answered 202. `wrong`: sentences on answers that overload does not excuse."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    applications: list[str] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    probes: int = 0
    slowest_probe: float = 0.0

    def shed(self, status: int) -> int:
        return sum(number for (_, found), number in self.statuses.items() if found == status)

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())


class Callers:
    """Asks `times` as often as each route lets one caller, all at once."""

    def __init__(self, running: Running, times: int) -> None:
        self._running, self._times = running, times
        self._over = threading.Event()
        self._urls = {service: running.url(service) for service in STAGES}
        self._keys, self._names = count(), count()
        self.heard = Heard()

    @contextmanager
    def asking(self) -> Iterator[None]:
        trouble: list[BaseException] = []

        def ask() -> None:
            try:
                asyncio.run(self._ask_all())
            except BaseException as error:  # noqa: BLE001  # told by whoever waits for this thread
                trouble.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        if trouble:
            raise trouble[0]

    def wait_until_refused(self, seconds: float = 90.0) -> None:
        """Until they have used up what they may ask in a minute: from then on, all of it is too much."""
        deadline = time.monotonic() + seconds
        while not self.heard.shed(429) and time.monotonic() < deadline:
            time.sleep(0.1)

    async def _ask_all(self) -> None:
        # A connection for each: on one used again, a caller who is late meets the end of an idle connection, which is
        # no refusal to answer and looks like one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS, limits=limits) as client,
            httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS, limits=limits) as prober,
            asyncio.TaskGroup() as group,
        ):
            for route in ROUTES:
                group.create_task(self._ask_one(client, route))
            group.create_task(self._crowd(client))
            for service in self._urls:
                group.create_task(self._probe(prober, service))

    async def _ask_one(self, client: httpx.AsyncClient, route: Route) -> None:
        pause = 60 / (route.per_minute * self._times)
        token = self._token(route.role, f"{route.role} {route.path}")
        under_way: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._over.is_set():
            if len(under_way) < _UNDER_WAY:
                task = asyncio.create_task(self._request(client, route, token))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            due = max(due + pause, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*under_way)

    async def _crowd(self, client: httpx.AsyncClient) -> None:
        """Each within its limit, and too many together."""
        route = ROUTES[2]
        while not self._over.is_set():
            tokens = [self._token("enterprise", f"one of a crowd {next(self._names)}") for _ in range(CROWD)]
            await asyncio.gather(*(self._request(client, route, token) for token in tokens))
            await asyncio.sleep(CROWD_EVERY_SECONDS)

    async def _request(self, client: httpx.AsyncClient, route: Route, token: str) -> None:
        sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}}
        if route.method == "POST":
            sent["json"] = _APPLICATION
            sent["headers"]["Idempotency-Key"] = f"overload-{next(self._keys)}"
        began = time.monotonic()
        try:
            answer = await client.request(route.method, f"{self._urls[route.service]}{route.path}", **sent)
        except httpx.HTTPError as error:
            self.heard.wrong[f"{route.service}: {type(error).__name__} instead of an answer"] += 1
            return
        self.heard.slowest = max(self.heard.slowest, time.monotonic() - began)
        self.heard.statuses[route.service, answer.status_code] += 1
        if answer.status_code == 202:
            self.heard.applications.append(answer.json()["application_id"])
        elif answer.status_code in _SHED:
            if not answer.headers.get("retry-after", "").isdigit():
                self.heard.wrong[f"{route.service}: {answer.status_code} without Retry-After"] += 1
        elif answer.status_code not in _TAKEN:
            self.heard.wrong[f"{route.service}: {answer.status_code} {answer.text[:200]}"] += 1

    async def _probe(self, client: httpx.AsyncClient, service: str) -> None:
        while not self._over.is_set():
            for path, allowed in (("/livez", {200}), ("/readyz", {200, 503})):
                began = time.monotonic()
                try:
                    status = (await client.get(f"{self._urls[service]}{path}")).status_code
                except httpx.HTTPError as error:
                    self.heard.wrong[f"{service}: {path} gave {type(error).__name__} instead of an answer"] += 1
                    continue
                self.heard.probes += 1
                self.heard.slowest_probe = max(self.heard.slowest_probe, time.monotonic() - began)
                if status not in allowed:
                    self.heard.wrong[f"{service}: {path} answered {status}"] += 1
            await asyncio.sleep(1)

    def _token(self, role: str, subject: str) -> str:
        return issue_development_token(self._running.stack.state / "secrets", role, subject, USCC)
