"""Reading a service's tables for its HTTP API while records stream in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.problems import Problem
from shared.streaming.errors import Retry
from shared.streaming.postgres_store import Connection, Pool, transaction


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A read-only transaction in which every statement sees the same committed state; it holds up no writer.

    Raises Problem 503 when the database does not answer.
    """
    try:
        async with transaction(pool) as db:
            await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield db
    except Retry as error:
        raise Problem(
            503, "store-unavailable", "Store unavailable", "The database does not answer; try again.", retry_after=5
        ) from error
