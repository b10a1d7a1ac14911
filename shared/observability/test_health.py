import asyncio

import httpx
import pytest
from fastapi import FastAPI

from shared.observability.health import Check, Health, routes


async def get(health: Health, path: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(routes(health))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def fine() -> str | None:
    return None


async def hangs() -> str | None:
    await asyncio.Event().wait()
    return None


def breaks() -> str | None:
    raise ConnectionError("password=hunter2")


async def test_ready_when_every_check_is_content() -> None:
    health = Health()
    health.add("store", fine)
    health.add("producer", lambda: None)
    answer = await get(health, "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "wrong": {}})


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (lambda: "Redis at 127.0.0.1:6379 does not answer.", "Redis at 127.0.0.1:6379 does not answer."),
        (hangs, "The check store got no answer in 0.05 seconds."),
        (breaks, "The check store broke with ConnectionError; the log has more."),
    ],
    ids=["complains", "hangs", "breaks"],
)
async def test_not_ready_says_why_for_each_check_that_is_not(check: Check, sentence: str) -> None:
    health = Health()
    health.add("store", check, timeout_seconds=0.05)
    health.add("producer", fine)
    async with asyncio.timeout(1):
        answer = await get(health, "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "wrong": {"store": sentence}})
    assert (await get(health, "/livez")).status_code == 200


async def test_a_loop_that_fell_silent_is_neither_alive_nor_ready_until_it_turns_again() -> None:
    now = 100.0
    health = Health(clock=lambda: now)
    beat = health.heartbeat("runner", 30)
    now = 130.0
    assert (await get(health, "/livez")).status_code == 200
    now = 131.0
    for path in ("/livez", "/readyz"):
        answer = await get(health, path)
        assert answer.status_code == 503
        assert answer.json()["wrong"]["runner"].startswith("The loop runner has not turned for 31 seconds")
    beat()
    assert (await get(health, "/livez")).status_code == 200


async def test_a_draining_process_is_alive_but_not_ready() -> None:
    health = Health()
    health.drain()
    assert [(await get(health, path)).status_code for path in ("/livez", "/readyz")] == [200, 503]


def test_a_name_is_taken_once() -> None:
    health = Health()
    health.add("store", fine)
    health.heartbeat("loop", 1)
    for name in ("store", "loop"):
        with pytest.raises(ValueError, match="already"):
            health.add(name, fine)
        with pytest.raises(ValueError, match="already"):
            health.heartbeat(name, 1)


async def test_metrics_are_served_in_the_text_format() -> None:
    answer = await get(Health(), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# HELP relief_http_requests_total" in answer.text
