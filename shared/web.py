"""One HTTP application shape for every service: health, metrics, problem documents, limits and headers alike."""

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI

from shared import problems
from shared.http_protocol import HEAD_BYTES, PatientProtocol
from shared.observability import health as health_checks
from shared.observability.metrics import HttpMetrics
from shared.observability.tracing import TraceMiddleware
from shared.problem_schemas import EVERYWHERE, Described
from shared.shedding import AtOnce

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_log = structlog.stdlib.get_logger(__name__)


def build_app(
    title: str,
    lifespan: Lifespan,
    health: health_checks.Health,
    routers: Sequence[APIRouter] = (),
    *,
    version: str = "1",
    max_body_bytes: int = 64 * 1024,
) -> FastAPI:
    """The service's application: `routers` plus /livez, /readyz, /metrics and /openapi.json.

    `lifespan` starts and stops what the service runs beside HTTP (broker, runner, pools). Pass
    `asyncapi.routes(...)` among the routers for the page on events.
    """
    # The framework's documentation pages load their scripts from public CDNs.
    app = Described(
        title=title,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=EVERYWHERE,
    )
    for router in (*routers, health_checks.routes(health)):
        app.include_router(router)
    # Added last is outermost: the metrics see every status, the trace id is there for every log line.
    app.add_middleware(problems.BodyLimit, limit=max_body_bytes)
    app.add_middleware(AtOnce)
    problems.install(app)
    app.add_middleware(problems.SecurityHeaders)
    app.add_middleware(HttpMetrics)
    app.add_middleware(TraceMiddleware)
    return app


def serve(
    app: FastAPI,
    port: int,
    host: str = "127.0.0.1",
    *,
    grace_seconds: int = 20,
    trusted_proxies: Sequence[str] = (),
) -> int:
    """Serve until SIGTERM, SIGINT or `stop`; gives the exit status: 0 after a clean end, 1 after a failure.

    On a signal no new connection is taken, running requests get `grace_seconds`, then the lifespan ends. Addresses in
    X-Forwarded-For count only from `trusted_proxies`: from anyone else they would let a caller choose whom to blame.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,  # our JSON handler, set up by logging.configure, takes its lines
            access_log=False,
            server_header=False,
            http=PatientProtocol,
            h11_max_incomplete_event_size=HEAD_BYTES,
            ws="none",
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=grace_seconds,
        )
    )
    app.state.server = server
    app.state.failure = None
    # The server raises the signal again after its clean end; these handlers turn that into a plain return.
    former = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    except SystemExit:
        return 1  # the start failed (port taken, lifespan refused), and the server has logged why
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if app.state.failure is not None:
        _log.error("stopped", reason=app.state.failure)
        return 1
    return 0


def stop(app: FastAPI, failure: str | None = None) -> None:
    """End `serve` from inside, as a signal would; with `failure` (one sentence) its exit status is 1."""
    app.state.failure = failure
    app.state.server.should_exit = True


def _ignore(number: int, frame: object) -> None:
    pass
