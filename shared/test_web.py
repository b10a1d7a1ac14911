import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.observability.health import Health
from shared.web import build_app

PROGRAM = textwrap.dedent(
    """
    import asyncio, os, sys
    from contextlib import asynccontextmanager
    from fastapi import APIRouter
    from shared.observability import logging
    from shared.observability.health import Health
    from shared import http_protocol
    from shared.web import build_app, serve, stop

    http_protocol.HEAD_SECONDS = float(os.environ.get("HEAD_SECONDS", "10"))
    logging.configure("probe", "probe-1", "info")
    router = APIRouter()

    @router.get("/slow")
    async def slow():
        print("slow request began", flush=True)
        await asyncio.sleep(0.5)
        return "done"

    @router.post("/fail")
    async def fail():
        stop(app, "Partition 3 of relief.facts.v1 stopped.")

    @asynccontextmanager
    async def lifespan(app):
        if "refuse" in sys.argv:
            raise RuntimeError("no policy")
        yield
        print("lifespan ended", flush=True)

    app = build_app("probe", lifespan, Health(), [router])
    sys.exit(serve(app, int(sys.argv[1])))
    """
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(folder: Path, port: int, *arguments: str) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, folder / "program.py", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )


async def until_ready(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the server ended early"
            assert time.monotonic() < deadline, "the server was not ready in thirty seconds"
            await asyncio.sleep(0.05)


async def test_sigterm_lets_a_running_request_finish_and_ends_the_lifespan_with_status_0(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port)
    try:
        await until_ready(port, process)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            request = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
            assert process.stdout is not None
            while "slow request began" not in await asyncio.to_thread(process.stdout.readline):
                pass
            process.send_signal(signal.SIGTERM)
            answer = await request
        assert (answer.status_code, answer.json()) == (200, "done")
        rest, _ = await asyncio.to_thread(process.communicate, timeout=20)
        assert "lifespan ended" in rest
        assert process.returncode == 0
        assert "GET /slow" not in rest  # no access log
        assert "server" not in answer.headers
    finally:
        process.kill()
        process.wait()


async def test_a_failure_told_by_stop_ends_with_status_1_and_its_sentence(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port)
    try:
        await until_ready(port, process)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(f"http://127.0.0.1:{port}/fail")
        rest, _ = await asyncio.to_thread(process.communicate, timeout=20)
        assert process.returncode == 1
        assert "Partition 3 of relief.facts.v1 stopped." in rest
        assert "lifespan ended" in rest
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("reason", ["port taken", "lifespan refused"])
def test_a_start_that_fails_ends_with_status_1_and_only_json_lines(tmp_path: Path, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if reason == "port taken" else free_port()
        process = start(tmp_path, port, *(["refuse"] if reason == "lifespan refused" else []))
        try:
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 1
    assert "Traceback" not in "".join(line for line in output.splitlines() if not line.startswith("{"))
    assert ("address already in use" in output) == (reason == "port taken")


async def test_a_head_that_does_not_become_whole_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("HEAD_SECONDS", "0.3")
    process = start(tmp_path, port)
    try:
        await until_ready(port, process)
        for beginning in (b"", b"GET /slow HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            answers = bytearray()
            for _ in range(100):  # a byte now and then, for far longer than a head may take
                try:
                    some = await asyncio.wait_for(reader.read(4096), 0.1)
                except TimeoutError:
                    writer.write(b"x")
                    continue
                answers += some
                if not some:
                    break
            else:
                pytest.fail("the connection is still open")
            assert answers.count(b"HTTP/1.1 200") == beginning.count(b"livez HTTP/1.1")
            writer.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            # A request whose head is whole has the time that it needs.
            assert (await client.get(f"http://127.0.0.1:{port}/slow")).status_code == 200
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("sent", [b"\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"x" * 20_000])
async def test_what_is_no_http_gets_a_problem_with_the_headers_too(tmp_path: Path, sent: bytes) -> None:
    port = free_port()
    process = start(tmp_path, port)
    try:
        await until_ready(port, process)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 400 ")
        assert "content-type: application/problem+json" in answer.lower()
        assert "x-content-type-options: nosniff" in answer.lower()
        assert "server:" not in answer.lower()
        assert json.loads(answer.split("\r\n\r\n", 1)[1])["status"] == 400
    finally:
        process.kill()
        process.wait()


def application() -> FastAPI:
    router = APIRouter()

    @router.post("/echo")
    async def echo(body: dict[str, str]) -> dict[str, str]:
        return body

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError("private")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    return build_app("probe", lifespan, Health(), [router], max_body_bytes=50)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/livez", b"", 200),
        ("GET", "/readyz", b"", 200),
        ("GET", "/metrics", b"", 200),
        ("GET", "/openapi.json", b"", 200),
        ("GET", "/docs", b"", 404),
        ("GET", "/redoc", b"", 404),
        ("POST", "/echo", b'{"a": "b"}', 200),
        ("POST", "/echo", b" " * 51, 413),
        ("GET", "/crash", b"", 500),
    ],
)
async def test_every_answer_has_a_trace_id_and_the_headers(method: str, path: str, body: bytes, status: int) -> None:
    headers = {
        "content-type": "application/json",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["trace-id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "private" not in answer.text
    if status == 500:
        assert answer.json()["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_probes_stay_out_of_the_api_description() -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert sorted(paths) == ["/crash", "/echo"]
