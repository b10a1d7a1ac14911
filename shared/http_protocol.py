"""HTTP/1.1 as uvicorn speaks it, but with an end to how long a caller may take over a request's head."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.problems import MEDIA_TYPE, NOT_HTTP, SecurityHeaders

HEAD_SECONDS = 10.0
# Of one request's line and headers: above what a token may have, twice.
HEAD_BYTES = 16 * 1024


class PatientProtocol(H11Protocol):
    """Closes a connection whose request line and headers are not whole after HEAD_SECONDS.

    The server's own timeout ends with the first byte of a request, so a byte now and then would hold a connection for
    ever. It stands on uvicorn's `conn`, `data_received` and `send_400_response`; `test_web` sees when they change.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn's own
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so as every other error is."""
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close"), *SecurityHeaders.DEFAULTS]
        answer: tuple[Any, ...] = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(NOT_HTTP.response().body)),
            h11.EndOfMessage(),
        )
        for event in answer:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
