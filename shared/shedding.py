"""What one process takes on at once: beyond it, requests are told to come again instead of waiting in a row."""

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.observability.metrics import REQUESTS_SHED
from shared.problems import Problem

AT_ONCE = 100
RETRY_SECONDS = 2
# Whoever asks whether this process lives and works has to be answered when it is busiest.
ALWAYS_ANSWERED = frozenset({"/livez", "/readyz", "/metrics"})


class AtOnce:
    """ASGI middleware: 503 with Retry-After while `limit` other requests are being answered.

    Without it each of a region's callers adds a request that waits for Kafka or a database, whose memory and whose
    caller's patience both have an end.
    """

    def __init__(self, app: ASGIApp, limit: int = AT_ONCE) -> None:
        self.app, self.limit = app, limit
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self.app(scope, receive, send)
            return
        if self._under_way >= self.limit:
            REQUESTS_SHED.inc()
            detail = f"As many requests as can be are being answered; try again in {RETRY_SECONDS} seconds."
            await Problem(503, "busy", "Busy", detail, retry_after=RETRY_SECONDS).response()(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._under_way -= 1
