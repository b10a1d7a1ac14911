import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from shared import problems
from shared.observability import health
from shared.shedding import AtOnce


@asynccontextmanager
async def waiting(limit: int) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Event, asyncio.Semaphore]]:
    """An application whose answers wait for the event; each request that has come in releases the semaphore once."""
    app, go_on, came_in = FastAPI(), asyncio.Event(), asyncio.Semaphore(0)
    app.include_router(health.routes(health.Health()))
    app.add_middleware(AtOnce, limit=limit)
    problems.install(app)

    @app.get("/slow")
    async def slow() -> str:
        came_in.release()
        await go_on.wait()
        return "done"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client, go_on, came_in


async def test_more_than_the_limit_at_once_are_told_to_come_again() -> None:
    async with waiting(3) as (client, go_on, came_in):
        taken = [asyncio.create_task(client.get("/slow")) for _ in range(3)]
        for _ in taken:
            await came_in.acquire()
        refused = await client.get("/slow")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        for probe in ("/livez", "/readyz", "/metrics"):
            assert (await client.get(probe)).status_code == 200
        go_on.set()
        assert {answer.status_code for answer in await asyncio.gather(*taken)} == {200}
        assert (await client.get("/slow")).status_code == 200


async def test_a_caller_that_goes_away_gives_its_place_back() -> None:
    async with waiting(1) as (client, go_on, came_in):
        gone = asyncio.create_task(client.get("/slow"))
        await came_in.acquire()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        go_on.set()
        assert (await client.get("/slow")).status_code == 200
