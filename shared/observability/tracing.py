"""One trace id per request or record, in W3C Trace Context form, carried by a context variable."""

import re
import secrets
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_trace_id: ContextVar[str | None] = ContextVar("relief_trace_id", default=None)


def current_trace_id() -> str | None:
    """The trace id of what is being handled now: 32 hex digits, or None outside of any request or record."""
    return _trace_id.get()


def follow_trace(traceparent: str | None) -> str:
    """Make the trace of a `traceparent` (HTTP header, CloudEvents attribute) current; a new one if it is not valid.

    Returns the trace id. Log lines of this task carry it from here on.
    """
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    trace_id = match.group(1) if match else ""
    if not trace_id.strip("0"):
        trace_id = secrets.token_hex(16)
    _trace_id.set(trace_id)
    return trace_id


class TraceMiddleware:
    """Gives every HTTP request a trace id and tells it to the caller in `trace-id`, for support questions."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        header = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
        trace_id = follow_trace(header.decode("latin-1") if header else None)

        async def send_with_trace(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"trace-id", trace_id.encode())]
            await send(message)

        await self.app(scope, receive, send_with_trace)
