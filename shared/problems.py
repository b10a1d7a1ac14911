"""Errors over HTTP: problem details (RFC 9457), limits on bodies, and the headers every answer carries."""

import asyncio
import http
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability.tracing import current_trace_id

MEDIA_TYPE = "application/problem+json"
BODY_SECONDS = 20.0
_MAX_LISTED = 50
_log = structlog.stdlib.get_logger(__name__)


class Problem(Exception):  # the standard's word for it
    """What a client did or met, told as problem details.

    `slug` names the kind (`/problems/<slug>`), `title` is the same for every problem of that kind, `detail` is one
    sentence on this one that says what to do. `extra` are further members; none may hold personal data. `retry_after`:
    whole seconds, for 429 and 503.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {slug}: {detail}")
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, retry_after))

    def response(self) -> JSONResponse:
        """The answer to send."""
        # The standard's members come last, so no extra member can stand in for one.
        body = {
            **self.extra,
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return JSONResponse(body, self.status, self.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document, unexpected ones included."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.response()

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        listed = describe_errors(error.errors())
        where = "the field named" if len(listed) == 1 else "each field named"
        detail = f"The request was not understood; correct {where} under errors and send it again."
        return Problem(422, "invalid-request", "Invalid request", detail, extra={"errors": listed}).response()

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _from_status(error).response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_middleware(UnexpectedErrors)


def describe_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Validation errors as `{"field", "code", "message"}`, without anything of what was sent but field names."""
    return [
        {"field": _field(error["loc"]), "code": error["type"], "message": _message(error)}
        for error in errors[:_MAX_LISTED]
    ]


class UnexpectedErrors:
    """ASGI middleware: an exception nobody expected becomes a 500 without particulars, and one log line with them.

    It sits inside the framework's own catch-all, which would send the exception on to the server's log as plain text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            route = getattr(scope.get("route"), "path", "unmatched")
            _log.exception("request failed unexpectedly", method=scope["method"], route=route, exc_info=error)
            if started:
                raise  # the connection must break: half an answer must not look like a whole one
            await _unexpected().response()(scope, receive, send)


class BodyLimit:
    """ASGI middleware: 413 for a body above `limit` bytes, by what arrives; the declared length only refuses earlier.
    408 for a body that is not whole after `seconds`.

    The framework's own limit answers text/plain when the declared length is too large, hence this one.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared_length(scope) > self.limit:
            await self._too_large().response()(scope, receive, send)
            return
        taken = 0
        whole = started = False
        refusal: Problem | None = None
        deadline = asyncio.get_running_loop().time() + self.seconds

        async def receive_and_count() -> Message:
            nonlocal taken, whole, refusal
            if whole:  # what is waited for now is that the caller goes away
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                refusal = self._too_slow()
                raise _BodyRefusedError from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if taken > self.limit:
                    refusal = self._too_large()
                    raise _BodyRefusedError
            return message

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            # The framework may turn our exception into an answer of its own; ours replaces it.
            if refusal is not None and not started:
                raise _BodyRefusedError
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive_and_count, send_unless_refused)
        except _BodyRefusedError:
            if started or refusal is None:
                raise
            await refusal.response()(scope, receive, send)

    def _too_large(self) -> Problem:
        detail = f"The body is larger than {self.limit} bytes; send a smaller one."
        # Closing spares reading the rest of a body nobody wants.
        return Problem(413, "body-too-large", "Body too large", detail, headers={"Connection": "close"})

    def _too_slow(self) -> Problem:
        detail = f"The body was not whole after {self.seconds:g} seconds; send it in one go."
        return Problem(408, "body-too-slow", "Body too slow", detail, headers={"Connection": "close"})


class SecurityHeaders:
    """ASGI middleware: headers that make a browser treat every answer with suspicion, unless the route set its own.

    Strict-Transport-Security is left to the proxy that ends TLS.
    """

    DEFAULTS = (
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
        (
            b"content-security-policy",
            b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in self.DEFAULTS if pair[0] not in present]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class _BodyRefusedError(Exception):
    pass


def _unexpected() -> Problem:
    trace_id = current_trace_id()
    detail = "Something failed on our side; try again later, and give support the trace_id if it stays."
    extra = {"trace_id": trace_id} if trace_id else {}
    return Problem(500, "internal-error", "Internal error", detail, extra=extra)


NOT_HTTP = Problem(400, "bad-request", "Bad Request", "This is no HTTP/1.1 request with headers of a sensible size.")
_DETAILS = {
    400: "The request could not be read; check its body and encoding.",
    404: "There is nothing at this address; check the path.",
    405: "This address does not take that method; the Allow header lists those it takes.",
    413: "The body is too large; send a smaller one.",
    415: "This media type is not taken here; send application/json.",
}


def _from_status(error: HTTPException) -> Problem:
    try:
        title = http.HTTPStatus(error.status_code).phrase
    except ValueError:
        title = "Error"
    given = error.detail if isinstance(error.detail, str) and error.detail != title else None
    detail = given or _DETAILS.get(error.status_code, f"{title}.")
    return Problem(error.status_code, title.lower().replace(" ", "-"), title, detail, headers=error.headers)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _field(location: Sequence[int | str]) -> str:
    # A name can be sent too (an extra key, a key of a map): only what reads like a field name is repeated.
    parts = (str(part) for part in location)
    return ".".join(part if _reads_like_a_field(part) else "?" for part in parts)


def _reads_like_a_field(part: str) -> bool:
    return (part.isdigit() and len(part) < 7) or (part.isidentifier() and len(part) < 65)


def _message(error: Mapping[str, Any]) -> str:
    message = str(error.get("msg", "")).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if any(text in message for text in _texts(error.get("input"))):
        return "This value is not accepted."
    return message


def _texts(value: Any) -> list[str]:
    """Every scalar in `value` as text, leaving out those too short to tell anything."""
    texts: list[str] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple)):
            pending += item
        elif isinstance(item, bytes):
            texts.append(item.decode("utf-8", "replace"))
        elif item is not None:
            texts.append(str(item))
    return [text for text in texts if len(text) > 2]
