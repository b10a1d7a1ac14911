"""One suite for every store: in memory, on a real Redis, and on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition
from psycopg import sql

from deploy.local.stack import Stack
from shared.streaming import postgres_store, redis_store
from shared.streaming.fakes import memory_store
from shared.streaming.postgres_store import Connection, PostgresStore
from shared.streaming.records import Mark, Output
from shared.streaming.redis_store import RedisStore
from shared.streaming.store import Store

IN = TopicPartition("numbers", 3)
OTHER = TopicPartition("numbers", 4)
_numbers = count(1)

KINDS = [
    "memory",
    pytest.param("redis", marks=pytest.mark.integration),
    pytest.param("postgres", marks=pytest.mark.integration),
]


class Totals:
    """Rows of the toy fold."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, int]:
        found = await db.execute(
            "SELECT key, total FROM total WHERE topic = %s AND partition = %s AND key = ANY(%s)",
            (partition.topic, partition.partition, list(keys)),
        )
        return {row[0]: row[1] for row in await found.fetchall()}

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, int]) -> None:
        await db.execute(
            "INSERT INTO total SELECT %s, %s, * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (topic, partition, key) DO UPDATE SET total = EXCLUDED.total",
            (partition.topic, partition.partition, list(changes), list(changes.values())),
        )

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        await db.execute(
            "DELETE FROM total WHERE topic = %s AND partition = %s", (partition.topic, partition.partition)
        )


TOTALS = (
    """CREATE TABLE total (topic text, partition int, key text, total bigint, PRIMARY KEY (topic, partition, key))"""
)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store[int]]:
    if request.param == "memory":
        yield memory_store()
        return
    addresses = request.getfixturevalue("stack").environment()
    name = f"suite_{next(_numbers)}"
    if request.param == "redis":
        redis = redis_store.connect(addresses["RELIEF_REDIS_URL"])
        yield RedisStore(redis, name, lambda total: str(total).encode(), int)
        await redis.aclose()
        return
    (tmp_path / "1_totals.sql").write_text(TOTALS)
    await postgres_store.migrate(addresses["RELIEF_POSTGRES_URL"], name, tmp_path)
    pool = postgres_store.connect(addresses["RELIEF_POSTGRES_URL"], name)
    await pool.open(wait=True)
    yield PostgresStore(pool, name, Totals())
    await pool.close()


async def put(store: Store[int], mark: Mark, changes: dict[str, int], partition: TopicPartition = IN) -> bool:
    async with store.session(partition, list(changes)) as session:
        for key, value in changes.items():
            session.states.put(key, value)
        return await session.commit(mark, [])


async def held(store: Store[int], keys: Sequence[str], partition: TopicPartition = IN) -> dict[str, int | None]:
    async with store.session(partition, keys) as session:
        return {key: session.states.get(key) for key in keys}


async def test_nothing_is_there_at_first(store: Store[int]) -> None:
    assert await store.mark(IN) is None
    async with store.session(IN, ["a"]) as session:
        assert session.mark is None
        assert session.states.get("a") is None
    assert await store.check() is None


async def test_a_mark_comes_back_as_it_went_in(store: Store[int]) -> None:
    assert await store.restart(IN, 0, None)
    mark = Mark(2**40, 2**40 - 1, b"\x00\xff" * 8, {"relief.facts.v1/3": (2**40, 7), "другой/0": (0, 0)})
    assert await put(store, mark, {"a": 1})
    assert await store.mark(IN) == mark
    async with store.session(IN, []) as session:
        assert session.mark == mark
    assert await store.mark(OTHER) is None


async def test_states_come_back_and_others_stay(store: Store[int]) -> None:
    assert await store.restart(IN, 0, None)
    assert await put(store, Mark(1), {"a": 1, "b": 2})
    assert await put(store, Mark(2), {"b": 3, "企业": -(2**53)})
    assert await held(store, ["a", "b", "企业", "never"]) == {"a": 1, "b": 3, "企业": -(2**53), "never": None}
    assert await held(store, ["a"], OTHER) == {"a": None}


async def test_a_session_left_without_a_commit_changes_nothing(store: Store[int]) -> None:
    assert await store.restart(IN, 0, None)
    assert await put(store, Mark(1), {"a": 1})
    async with store.session(IN, ["a"]) as session:
        session.states.put("a", 99)
    with pytest.raises(ZeroDivisionError):
        async with store.session(IN, ["a"]) as session:
            session.states.put("a", 1 // 0)
    assert await held(store, ["a"]) == {"a": 1}
    mark = await store.mark(IN)
    assert mark == Mark(1)


async def test_of_two_sessions_that_loaded_the_same_only_one_commits(store: Store[int]) -> None:
    """Where sessions exclude one another, the second waits and then finds another mark; the runner compares it."""
    assert await store.restart(IN, 0, None)
    assert await put(store, Mark(5), {"a": 5})
    both_loaded = asyncio.Barrier(2)

    async def one(value: int) -> bool:
        async with store.session(IN, ["a"]) as session:
            if store.publishes_first:
                await both_loaded.wait()
            if session.mark != Mark(5):
                return False
            session.states.put("a", value)
            return await session.commit(Mark(6), [])

    outcomes = await asyncio.gather(one(1), one(2))
    assert sorted(outcomes) == [False, True]
    assert await held(store, ["a"]) == {"a": 1 if outcomes[0] else 2}


async def test_a_commit_after_lost_or_foreign_writes_is_refused_whole(store: Store[int]) -> None:
    if not store.publishes_first:
        pytest.skip("its sessions exclude one another: nobody can write in between")
    assert await store.restart(IN, 0, None)
    assert await put(store, Mark(1), {"a": 1})
    async with store.session(IN, ["a", "b"]) as session:
        assert await put(store, Mark(2), {"a": 2})
        session.states.put("a", 99)
        session.states.put("b", 99)
        assert not await session.commit(Mark(3), [])
    assert await held(store, ["a", "b"]) == {"a": 2, "b": None}
    assert await store.mark(IN) == Mark(2)


async def test_a_restart_empties_one_partition_and_only_over_what_was_seen(store: Store[int]) -> None:
    assert await store.restart(IN, 7, None)
    assert await store.mark(IN) == Mark(7)
    assert await put(store, Mark(9, 8, b"x"), {"a": 1})
    assert await store.restart(OTHER, 0, None)
    assert await put(store, Mark(1), {"a": 2}, OTHER)
    for seen in (None, Mark(7), Mark(10)):
        assert not await store.restart(IN, 20, seen)
    assert await held(store, ["a"]) == {"a": 1}
    assert await store.restart(IN, 20, Mark(9))
    assert await store.mark(IN) == Mark(20)
    assert await held(store, ["a"]) == {"a": None}
    assert await held(store, ["a"], OTHER) == {"a": 2}


async def test_a_batch_of_many_keys_is_one_commit(store: Store[int]) -> None:
    assert await store.restart(IN, 0, None)
    many = {f"91650100MA{number:08d}": number for number in range(20_001)}
    assert await put(store, Mark(1), many)
    assert await held(store, list(many)) == many


async def test_partitions_do_not_wait_for_one_another(store: Store[int]) -> None:
    assert await store.restart(IN, 0, None)
    assert await store.restart(OTHER, 0, None)
    async with store.session(IN, ["a"]) as session:
        session.states.put("a", 1)
        async with asyncio.timeout(5):
            assert await put(store, Mark(1), {"a": 2}, OTHER)
        assert await session.commit(Mark(1), [])
    assert await held(store, ["a"]) == {"a": 1}


async def test_outputs_are_kept_with_the_commit_or_not_at_all(store: Store[int]) -> None:
    if not isinstance(store, PostgresStore):
        pytest.skip("log-fed: the runner has published")
    await store.restart(IN, 0, None)
    told = [Output("sums", number % 3, b"\x00key", b"\xff" * number) for number in range(3)]
    async with store.session(IN, []) as session:
        await session.commit(Mark(1), told)
    async with store.session(IN, []) as session:
        session.mark = Mark(77)
        assert not await session.commit(Mark(2), told)
    async with store.session(IN, []):
        pass
    async with postgres_store.transaction(store.pool) as db:
        rows = await (await db.execute("SELECT seq, topic, partition, key, value FROM outbox ORDER BY seq")).fetchall()
    assert rows == [(number + 1, *output) for number, output in enumerate(told)]


@pytest.mark.integration
async def test_a_redis_that_evicts_is_refused(stack: Stack) -> None:
    redis = redis_store.connect(stack.environment()["RELIEF_REDIS_URL"])
    store = RedisStore(redis, "evicting", lambda total: str(total).encode(), int)
    await store.check_policy()
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(Exception, match="set maxmemory-policy to noeviction"):
            await store.check_policy()
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()


@pytest.mark.parametrize("store", [pytest.param("postgres", marks=pytest.mark.integration)], indirect=True)
async def test_events_are_numbered_in_commit_order_without_gaps(store: PostgresStore[int]) -> None:
    """While a reader that goes on from the highest number it has seen misses none."""
    seen: list[int] = []
    writing = True

    async def write(partition: int) -> None:
        where = TopicPartition("numbers", partition)
        await store.restart(where, 0, None)
        for offset in range(20):
            async with store.session(where, []) as session:
                outputs = [Output("sums", partition, b"k", str(offset).encode())] * (1 + offset % 3)
                if offset % 4 == 3:  # gives its numbers back
                    await postgres_store.append(session._db, store.schema, outputs)  # type: ignore[attr-defined]
                else:
                    await session.commit(Mark(offset + 1), outputs)

    async def read() -> None:
        statement = sql.SQL("SELECT seq FROM outbox WHERE seq > %s ORDER BY seq")
        while True:
            last_turn = not writing
            async with postgres_store.transaction(store.pool) as db:
                found = await db.execute(statement, (seen[-1] if seen else 0,))
                seen.extend(row[0] for row in await found.fetchall())
            if last_turn:
                return

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(partition) for partition in range(4)))
    writing = False
    await reading
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == 4 * sum(1 + offset % 3 for offset in range(20) if offset % 4 != 3)


@pytest.mark.integration
async def test_connections_that_redis_closed_meanwhile_are_not_used(stack: Stack) -> None:
    redis = redis_store.connect(stack.environment()["RELIEF_REDIS_URL"])
    store = RedisStore(redis, f"suite_{next(_numbers)}", lambda total: str(total).encode(), int)
    await asyncio.gather(*(store.read(IN, ["total"]) for _ in range(8)))
    # As a restart would, to all but the one that says so.
    assert await redis.client_kill_filter(_type="normal", skipme=True) >= 7
    assert await asyncio.gather(*(store.read(IN, ["total"]) for _ in range(8))) == [[None]] * 8
    await redis.aclose()
