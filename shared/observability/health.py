"""Is this process alive, is it ready, and what does it measure: /livez, /readyz, /metrics.

Readiness means that records go through, not that a socket is open. A service registers: the runner loop's heartbeat,
the producer being alive, the lag's age, and its store being reachable.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from shared.observability.metrics import REGISTRY

# None when all is well, else one sentence that says what is wrong, without personal data.
Check = Callable[[], str | Awaitable[str | None] | None]
_log = structlog.stdlib.get_logger(__name__)


class Health:
    """The named checks of one process. Synchronous checks run on the event loop and must not wait for anything."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checks: dict[str, tuple[Check, float]] = {}
        self._beats: dict[str, tuple[float, float]] = {}
        self._draining = False

    def add(self, name: str, check: Check, timeout_seconds: float = 2.0) -> None:
        """Register a readiness check; ValueError if the name is taken."""
        if name in self._checks or name in self._beats:
            raise ValueError(f"There is already a check named {name}.")
        self._checks[name] = (check, timeout_seconds)

    def heartbeat(self, name: str, limit_seconds: float) -> Callable[[], None]:
        """Register a loop; call what this returns on every turn. Silence above the limit fails liveness and readiness.

        The limit must be above the longest turn, back-off included, or a slow database gets the process killed.
        """
        if name in self._checks or name in self._beats:
            raise ValueError(f"There is already a check named {name}.")

        def beat() -> None:
            self._beats[name] = (self._clock(), limit_seconds)

        beat()
        return beat

    def drain(self) -> None:
        """From now on not ready: the process is ending and wants no new work."""
        self._draining = True

    def silent_loops(self) -> dict[str, str]:
        """A sentence for each loop whose heartbeat stopped."""
        now = self._clock()
        return {
            name: f"The loop {name} has not turned for {now - last:.0f} seconds; the limit is {limit:.0f}."
            for name, (last, limit) in self._beats.items()
            if now - last > limit
        }

    async def wrong(self) -> dict[str, str]:
        """A sentence for each thing that keeps this process from being ready; empty when it is."""
        found = self.silent_loops()
        if self._draining:
            found["draining"] = "The process is shutting down."
        names = list(self._checks)
        sentences = await asyncio.gather(*(self._run(name) for name in names))
        found.update({name: sentence for name, sentence in zip(names, sentences, strict=True) if sentence})
        return found

    async def _run(self, name: str) -> str | None:
        check, timeout = self._checks[name]
        try:
            outcome = check()
            if inspect.isawaitable(outcome):
                return await asyncio.wait_for(outcome, timeout)
            return outcome
        except TimeoutError:
            return f"The check {name} got no answer in {timeout:g} seconds."
        except Exception as error:  # noqa: BLE001  # a check that breaks is a finding, not a crash of the probe
            _log.warning("a readiness check broke", check=name, exc_info=error)
            return f"The check {name} broke with {type(error).__name__}; the log has more."


def routes(health: Health) -> APIRouter:
    """/livez (200, or 503 when a loop is silent), /readyz (200, or 503 with sentences), /metrics."""
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> JSONResponse:
        silent = health.silent_loops()
        return JSONResponse({"alive": not silent, "wrong": silent}, 503 if silent else 200)

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        wrong = await health.wrong()
        return JSONResponse({"ready": not wrong, "wrong": wrong}, 503 if wrong else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router
