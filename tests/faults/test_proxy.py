"""The proxy passes on what it is given, and hurts it when told to."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.faults.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Line:
    """A proxy before a server that answers each line with itself; `taken` is what reached the server."""

    proxy: Proxy
    taken: list[bytes]

    async def ask(self, question: bytes) -> bytes:
        """The answer; nothing where the connection ends before it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
            try:
                writer.write(question)
                return await asyncio.wait_for(reader.readline(), 5)
            finally:
                writer.close()
        except ConnectionError:
            return b""


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while question := await reader.readline():
            taken.append(question)
            writer.write(question)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
    yield Line(proxy, taken)
    await asyncio.to_thread(proxy.close)
    server.close()


async def test_what_is_said_goes_through(line: Line) -> None:
    assert await line.ask(b"hello\n") == b"hello\n"
    assert line.proxy.connections == 1


async def test_it_goes_late_in_each_direction(line: Line) -> None:
    line.proxy.delay_seconds = 0.2
    began = time.monotonic()
    assert await line.ask(b"hello\n") == b"hello\n"
    assert time.monotonic() - began >= 0.4


async def test_a_chosen_request_is_taken_and_never_answered(line: Line) -> None:
    line.proxy.unanswered, line.proxy.unanswered_times = b"COMMIT", 1
    assert await line.ask(b"BEGIN\n") == b"BEGIN\n"
    assert await line.ask(b"COMMIT\n") == b""
    assert await line.ask(b"COMMIT\n") == b"COMMIT\n", "only so many times"
    assert line.taken == [b"BEGIN\n", b"COMMIT\n", b"COMMIT\n"]


async def test_what_is_open_is_cut(line: Line) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.proxy.port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    await asyncio.to_thread(line.proxy.cut)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()


async def test_nobody_gets_in_while_it_refuses(line: Line) -> None:
    line.proxy.refusing = True
    assert await line.ask(b"hello\n") == b""
    line.proxy.calm()
    assert await line.ask(b"hello\n") == b"hello\n"


def test_an_address_keeps_all_but_the_port() -> None:
    proxy = Proxy.to_url("postgresql://relief@127.0.0.1:5432/relief")
    assert proxy.url == f"postgresql://relief@127.0.0.1:{proxy.port}/relief"
    proxy.close()
