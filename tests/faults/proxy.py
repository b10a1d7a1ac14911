"""A TCP proxy that hurts what goes through it: late, cut, or cut between a request and its answer."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 1 << 16


class Proxy:
    """Listens on a free port of 127.0.0.1, in a thread of its own, until closed. Everything may be set from outside.

    `delay_seconds` before each chunk, in both directions. `refusing`: new connections are closed at once. `unanswered`:
    a request that holds these bytes is passed on, and then the connection is cut before the answer; so many times.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.delay_seconds = 0.0
        self.refusing = False
        self.unanswered, self.unanswered_times = b"", 0
        self.connections = 0
        self.cuts = 0
        self.url = ""
        self._open: set[asyncio.WriteTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @classmethod
    def to_url(cls, url: str) -> "Proxy":
        """In front of the server of this URL; `url` is the same address by way of the proxy."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = cls(parts.hostname, parts.port)
        user = f"{parts.username}@" if parts.username else ""
        proxy.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        return proxy

    def cut(self) -> None:
        """All connections there are, in the middle of whatever they carry."""

        async def abort() -> None:
            for transport in list(self._open):
                self.cuts += 1
                transport.abort()

        self._do(abort())

    def calm(self) -> None:
        self.delay_seconds, self.refusing, self.unanswered, self.unanswered_times = 0.0, False, b"", 0

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        ours = {writer.transport, back.transport}
        self._open |= ours
        try:
            await asyncio.gather(self._pass(reader, back, requests=True), self._pass(there, writer, requests=False))
        except OSError:
            pass
        finally:
            self._open -= ours
            for transport in ours:
                transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, requests: bool) -> None:
        while chunk := await source.read(_CHUNK):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            sink.write(chunk)
            await sink.drain()
            if requests and self.unanswered_times > 0 and self.unanswered in chunk:
                self.unanswered_times -= 1
                self.cuts += 1
                # The server has it by now, in all likelihood also done; the answer is never passed on.
                raise ConnectionResetError
        with contextlib.suppress(OSError):
            sink.write_eof()
