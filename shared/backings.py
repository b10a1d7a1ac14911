"""The stores that a service can stand on, each with its opening, closing and checks.

Apart from `service`, and each library imported where it is used: a service is installed with one of the two clients.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared.service import Backing
from shared.streaming.errors import Retry, Stop
from shared.streaming.publisher import Publisher

if TYPE_CHECKING:
    from shared.streaming.postgres_store import Pool, Rows
    from shared.streaming.redis_store import RedisStore

S = TypeVar("S")


def on_postgres(
    url: str, schema: str, rows: "Rows[S]", migrations: Path, tells: Publisher | None = None
) -> tuple[Backing, "Pool"]:
    """State in the schema's tables, migrated on opening; with `tells`, its event table is relayed through that.

    The pool is for the service's read API.
    """
    import psycopg
    from psycopg_pool import PoolTimeout

    from shared.streaming.postgres_store import PostgresStore, connect, migrate
    from shared.streaming.relay import relaying

    pool = connect(url, schema)
    relay = relaying(pool, schema, tells) if tells is not None else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        try:
            await migrate(url, schema, migrations)
            await pool.open(wait=True, timeout=10)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Stop(
                f"the role of RELIEF_POSTGRES_URL may not set up or use schema {schema}: {_one_line(error)}; apply the "
                "migrations as the schemas' owner (python -m deploy.postgres), or correct the role."
            ) from error
        except psycopg.ProgrammingError as error:
            raise Stop(
                f"RELIEF_POSTGRES_URL does not lead to a database that can be set up: {_one_line(error)}."
            ) from error
        except (Retry, PoolTimeout) as error:
            raise Stop(
                f"{_one_line(error)}; start PostgreSQL, or correct RELIEF_POSTGRES_URL or its password."
            ) from error
        try:
            yield
        finally:
            await pool.close()

    tasks = () if relay is None else (relay.run,)
    checks = {} if relay is None else {"relay": lambda: relay.trouble}
    return Backing(PostgresStore(pool, schema, rows), opened, tasks, checks), pool


def on_redis(
    url: str, service: str, encode: Callable[[S], bytes], decode: Callable[[bytes], S]
) -> tuple[Backing, "RedisStore[S]"]:
    """State in Redis, which must not evict keys. The store is for the service's read API."""
    from shared.streaming.redis_store import RedisStore, connect

    redis = connect(url)
    store = RedisStore(redis, service, encode, decode)

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        try:
            await store.check_policy()
        except Retry as error:
            raise Stop(f"{_one_line(error)}; start Redis, or correct RELIEF_REDIS_URL.") from error
        try:
            yield
        finally:
            await redis.aclose()

    return Backing(store, opened), store


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
