"""State of money and multi-input services: PostgreSQL, durable. What was decided is stored before it is told.

One transaction per batch: the advisory locks of its partitions first (everyone who writes an enterprise's rows takes
them, HTTP requests too), then the compare-and-set of the inbox, the rows, and the outgoing events. Events are numbered
under the lock of their stream's counter row: a sequence would hand out numbers that commit out of order, and a relay
that reads past a gap would lose the late ones.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, LiteralString, Protocol, cast

import msgspec
import psycopg
from aiokafka.structs import TopicPartition
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from shared.streaming.errors import Retry, Stop
from shared.streaming.records import Mark, Output, S, States
from shared.streaming.store import Session

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

FROZEN_SECONDS = 30

_SERVER_TROUBLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    # psycopg counts these among a programmer's errors: we froze and lost the transaction; the server is now a standby.
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.ReadOnlySqlTransaction,
)
# The server's words when it lets nobody in by that name: while connecting, the library gives no code. In a server that
# speaks another language these stay trouble that passes, and readiness tells it.
_REFUSALS = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|permission denied for database"
    r'|is not permitted to log in|role ".*" does not exist'
)


class Rows(Protocol[S]):
    """A service's tables: how its states are read and written inside the runner's transaction."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, S]: ...

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, S]) -> None: ...

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Called where the log has to be read from its start with empty state; refuse with Stop if that loses money."""
        ...


class PostgresStore(Generic[S]):
    """`schema` holds the service's tables, among them `inbox`, `outbox` and `outbox_counter` (see inbox.sql).

    `space`: whose locks a batch takes; by default the service's partitions. An input that is partitioned in another way
    has locks of its own, and its rows take the partitions' locks when they know which.
    """

    publishes_first = False

    def __init__(self, pool: Pool, schema: str, rows: Rows[S], space: str | None = None) -> None:
        self.pool, self.schema, self._rows, self._space = pool, schema, rows, space or schema

    async def mark(self, partition: TopicPartition) -> Mark | None:
        async with transaction(self.pool) as db:
            return await self._mark(db, partition)

    @asynccontextmanager
    async def session(self, partition: TopicPartition, keys: Iterable[str]) -> AsyncIterator[Session[S]]:
        # Leaving without a commit, for whatever reason, rolls back.
        async with transaction(self.pool) as db:
            await lock_partitions(db, self._space, [partition.partition])
            mark = await self._mark(db, partition)
            states = States(await self._rows.load(db, partition, list(keys)))
            yield _PostgresSession(self, db, partition, mark, states)
            await db.rollback()

    async def restart(self, partition: TopicPartition, next_offset: int, seen: Mark | None) -> bool:
        async with transaction(self.pool) as db:
            await lock_partitions(db, self._space, [partition.partition])
            if not await self._write_mark(db, partition, seen, Mark(next_offset)):
                return False
            await self._rows.clear(db, partition)
        return True

    async def check(self) -> str | None:
        try:
            async with transaction(self.pool) as db:
                await db.execute("SELECT 1")
        except Retry as error:
            return f"PostgreSQL does not answer ({error}); start it or correct RELIEF_POSTGRES_URL."
        except Stop as error:
            return str(error)
        return None

    async def write(
        self, db: Connection, partition: TopicPartition, before: Mark | None, after: Mark,
        changes: dict[str, S], outputs: Sequence[Output],
    ) -> bool:  # fmt: skip
        if not await self._write_mark(db, partition, before, after):
            return False
        if changes:
            await self._rows.save(db, partition, changes)
        if outputs:
            await append(db, self.schema, outputs)
        return True

    async def _mark(self, db: Connection, partition: TopicPartition) -> Mark | None:
        query = sql.SQL(
            "SELECT next_offset, last_offset, digest, watermarks FROM {}.inbox WHERE topic = %s AND partition = %s"
        ).format(sql.Identifier(self.schema))
        row = await (await db.execute(query, (partition.topic, partition.partition))).fetchone()
        if row is None:
            return None
        marks = msgspec.msgpack.decode(row[3], type=dict[str, tuple[int, int]])
        return Mark(row[0], row[1], row[2], marks)

    async def _write_mark(self, db: Connection, partition: TopicPartition, before: Mark | None, after: Mark) -> bool:
        statement = _INSERT_MARK if before is None else _UPDATE_MARK
        parameters = {
            "topic": partition.topic,
            "partition": partition.partition,
            "next": after.next_offset,
            "last": after.last_offset,
            "digest": after.digest,
            "marks": msgspec.msgpack.encode(after.watermarks),
            "expected": before.next_offset if before else None,
        }
        result = await db.execute(sql.SQL(statement).format(sql.Identifier(self.schema)), parameters)
        return result.rowcount == 1


_UPDATE_MARK: LiteralString = """
    UPDATE {}.inbox SET next_offset = %(next)s, last_offset = %(last)s, digest = %(digest)s, watermarks = %(marks)s
    WHERE topic = %(topic)s AND partition = %(partition)s AND next_offset = %(expected)s"""
_INSERT_MARK: LiteralString = """
    INSERT INTO {}.inbox (topic, partition, next_offset, last_offset, digest, watermarks)
    VALUES (%(topic)s, %(partition)s, %(next)s, %(last)s, %(digest)s, %(marks)s)
    ON CONFLICT (topic, partition) DO NOTHING"""


class _PostgresSession(Generic[S]):
    def __init__(
        self, store: PostgresStore[S], db: Connection, partition: TopicPartition, mark: Mark | None, states: States[S]
    ) -> None:
        self._store, self._db, self._partition = store, db, partition
        self.mark, self.states = mark, states

    async def commit(self, mark: Mark, outputs: Sequence[Output]) -> bool:
        done = await self._store.write(self._db, self._partition, self.mark, mark, self.states.changes(), outputs)
        if not done:
            await self._db.rollback()
            return False
        # Here, not at the end of the `with`: only what is committed may be called done.
        try:
            await self._db.commit()
        except _SERVER_TROUBLE as error:
            raise Retry(f"PostgreSQL: the commit's outcome is unknown: {error}") from error
        return True


async def append(db: Connection, schema: str, outputs: Sequence[Output]) -> None:
    """Number the outgoing events and keep them; the counter's row lock is held until the transaction ends."""
    name = sql.Identifier(schema)
    counted = await db.execute(
        sql.SQL("UPDATE {}.outbox_counter SET last = last + %s RETURNING last").format(name), (len(outputs),)
    )
    row = await counted.fetchone()
    if row is None:
        raise Stop(f"Table {schema}.outbox_counter is empty; run the migrations again.")
    first = row[0] - len(outputs) + 1
    # Not COPY: a process that freezes inside one is waited for without any timeout, with its locks.
    topics, partitions, keys, values = zip(*outputs, strict=True)
    await db.execute(
        sql.SQL(
            "INSERT INTO {}.outbox (seq, topic, partition, key, value)"
            " SELECT %s + n - 1, topic, partition, key, value"
            " FROM unnest(%b::text[], %b::int[], %b::bytea[], %b::bytea[])"
            " WITH ORDINALITY AS told (topic, partition, key, value, n)"
        ).format(name),
        (first, list(topics), list(partitions), list(keys), list(values)),
    )


async def lock_partitions(db: Connection, space: str, partitions: Iterable[int]) -> None:
    """Take the transaction locks of a service's partitions, in ascending order so that nobody waits in a circle."""
    for number in sorted(set(partitions)):
        await db.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", (f"relief.{space}", number))


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction; server trouble is Retry, a right that we do not have is Stop. A check constraint that says no is
    neither: it surfaces as itself."""
    try:
        async with pool.connection() as db:
            yield db
    except psycopg.errors.InsufficientPrivilege as error:
        raise Stop(f"PostgreSQL: {error}; the role of RELIEF_POSTGRES_URL needs its rights (roles.sql).") from error
    except PoolTimeout as error:
        # The pool goes on trying to connect, and does not tell why it fails.
        why = await _refusal(pool)
        if why is not None:
            raise Stop(f"PostgreSQL does not let us in: {why}.") from error
        raise Retry(f"PostgreSQL: {error}") from error
    except _SERVER_TROUBLE as error:
        raise Retry(f"PostgreSQL: {error}") from error


async def _refusal(pool: Pool) -> str | None:
    """Why the server turns us away, if it is there and does; asked anew."""
    try:
        async with await AsyncConnection.connect(str(pool.conninfo), connect_timeout=5):
            return None
    except psycopg.OperationalError as error:
        text = " ".join(str(error).split())
        return text if _REFUSALS.search(text) else None


def connect(url: str, schema: str, size: int = 6, frozen_seconds: int = FROZEN_SECONDS) -> Pool:
    """A pool, not yet open. A process that freezes inside a transaction loses it, and its locks, to the server."""
    options = (
        f"-c search_path={schema} -c idle_in_transaction_session_timeout={frozen_seconds}s"
        f" -c lock_timeout={frozen_seconds + 10}s"
    )
    return cast(
        "Pool",
        AsyncConnectionPool(
            url, min_size=1, max_size=size, open=False, timeout=10, kwargs={"options": options, "autocommit": False}
        ),
    )


async def migrate(url: str, schema: str, directory: Path) -> None:
    """Apply a service's numbered .sql files, each once, in order, under a lock; then serving may begin.

    Where nothing is left to apply, a role that only serves will do. Raises Retry without a server, psycopg.Error for
    what the server refuses: a role that may not write is told at once.
    """
    common = [Path(__file__).with_name(name) for name in ("inbox.sql", "lacking.sql")]
    files = [*common, *sorted(directory.glob("*.sql"))]  # noqa: ASYNC240  # once, before serving
    names, name = {file.name for file in files}, sql.Identifier(schema)
    try:
        async with await AsyncConnection.connect(url) as db:
            if names <= await _applied(db, schema):
                # Writes nothing; a role that reads only would find out at its first record.
                await db.execute(sql.SQL("UPDATE {}.inbox SET next_offset = next_offset WHERE false").format(name))
                return
            await db.execute("SELECT pg_advisory_xact_lock(hashtext('relief.migrate'), 0)")
            if not await _is_there(db, "SELECT FROM pg_namespace WHERE nspname = %s", schema):
                await db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            await db.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
            await db.execute(
                "CREATE TABLE IF NOT EXISTS migration"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            done = await _applied(db, schema)
            for file in files:
                if file.name not in done:
                    await db.execute(file.read_text("utf-8").encode())
                    await db.execute("INSERT INTO migration (name) VALUES (%s)", (file.name,))
            await db.execute(Path(__file__).with_name("rights.sql").read_bytes())
    except (psycopg.OperationalError, OSError) as error:
        raise Retry(f"PostgreSQL cannot be reached: {error}") from error


async def _applied(db: Connection, schema: str) -> set[str]:
    table = "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = 'migration'"
    if not await _is_there(db, table, schema):
        return set()
    rows = await db.execute(sql.SQL("SELECT name FROM {}.migration").format(sql.Identifier(schema)))
    return {row[0] for row in await rows.fetchall()}


async def _is_there(db: Connection, query: LiteralString, name: str) -> bool:
    return await (await db.execute(query, (name,))).fetchone() is not None
