"""What only the PostgreSQL store has: the event table, its relay, and locks that a frozen process must not keep."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from aiokafka.structs import TopicPartition
from psycopg import sql

from deploy.local.stack import Stack
from shared.streaming import postgres_store
from shared.streaming.errors import Retry
from shared.streaming.fakes import IN, Log, Process, RecordingPublisher, memory_store, until
from shared.streaming.postgres_store import PostgresStore, append, transaction
from shared.streaming.records import Mark, Output
from shared.streaming.relay import Relay, relaying
from shared.streaming.test_stores import TOTALS, Totals
from shared.streaming.treatment import ATTEMPTS_BEFORE_STOP

pytestmark = pytest.mark.integration
_numbers = count(1)
FROZEN_SECONDS = 1


@pytest.fixture
async def store(stack: Stack, tmp_path: Path) -> AsyncIterator[PostgresStore[int]]:
    url, schema = stack.environment()["RELIEF_POSTGRES_URL"], f"postgres_{next(_numbers)}"
    (tmp_path / "1_totals.sql").write_text(TOTALS)
    await asyncio.gather(*(postgres_store.migrate(url, schema, tmp_path) for _ in range(3)))
    pool = postgres_store.connect(url, schema, frozen_seconds=FROZEN_SECONDS)
    await pool.open(wait=True)
    yield PostgresStore(pool, schema, Totals())
    await pool.close()


def events(first: int, last: int) -> list[Output]:
    return [Output("sums", number % 3, b"k%d" % number, b"%d" % number) for number in range(first, last + 1)]


async def tell(store: PostgresStore[int], outputs: list[Output]) -> None:
    async with transaction(store.pool) as db:
        await append(db, store.schema, outputs)


async def pointer(store: PostgresStore[int]) -> int:
    async with transaction(store.pool) as db:
        row = await (await db.execute("SELECT relayed FROM outbox_pointer")).fetchone()
    assert row is not None
    return int(row[0])


async def relayed(store: PostgresStore[int], number: int) -> bool:
    return await pointer(store) == number


async def test_the_relay_publishes_in_order_and_each_once(store: PostgresStore[int]) -> None:
    publisher = RecordingPublisher()
    relay = Relay(store.pool, store.schema, publisher, batch=4)
    assert await relay.once() == 0
    await tell(store, events(1, 6))
    await tell(store, events(7, 9))
    assert [await relay.once() for _ in range(4)] == [4, 4, 1, 0]
    assert publisher.out == events(1, 9)
    assert await pointer(store) == 9


async def test_what_was_not_acknowledged_is_published_again(store: PostgresStore[int]) -> None:
    publisher = RecordingPublisher()
    relay = Relay(store.pool, store.schema, publisher, batch=4)
    await tell(store, events(1, 6))
    publisher.raises = [Retry("no acknowledgement")]
    with pytest.raises(Retry):
        await relay.once()
    assert await pointer(store) == 0
    running = asyncio.create_task(relaying(store.pool, store.schema, publisher, batch=4).run())
    await until(lambda: relayed(store, 6))
    running.cancel()
    assert publisher.out == events(1, 4) + events(1, 6)


async def test_the_relay_tells_its_trouble_and_goes_on_by_itself(store: PostgresStore[int]) -> None:
    publisher = RecordingPublisher()
    relay = relaying(store.pool, store.schema, publisher)
    publisher.raises_before = [Retry("Kafka is away"), ValueError("unforeseen")]
    await tell(store, events(1, 2))
    running = asyncio.create_task(relay.run())

    async def told(trouble: str | None) -> bool:
        return relay.trouble == trouble

    await until(lambda: told(f"the relay of {store.schema} cannot publish: Kafka is away"))
    await until(lambda: told(f"the relay of {store.schema} cannot publish: unforeseen"))
    await until(lambda: told(None))
    assert await pointer(store) == 2
    running.cancel()
    assert publisher.out == events(1, 2)


async def test_one_replica_relays_at_a_time_and_a_frozen_one_loses_its_turn(store: PostgresStore[int]) -> None:
    frozen, other = RecordingPublisher(), RecordingPublisher()
    frozen.gate = asyncio.Event()
    await tell(store, events(1, 3))
    freezing = asyncio.create_task(Relay(store.pool, store.schema, frozen).once())
    await frozen.waiting.wait()
    relay = Relay(store.pool, store.schema, other)
    assert await relay.once() == 0
    await asyncio.sleep(FROZEN_SECONDS + 0.5)
    assert await relay.once() == 3
    frozen.gate.set()
    with pytest.raises(Retry):
        await freezing
    assert await pointer(store) == 3
    assert other.out == events(1, 3)


async def test_what_was_told_cannot_be_changed(store: PostgresStore[int]) -> None:
    await tell(store, events(1, 2))
    for statement in ("UPDATE {}.outbox SET value = ''", "DELETE FROM {}.outbox", "TRUNCATE {}.outbox"):
        with pytest.raises(psycopg.errors.IntegrityError, match="immutable"):
            async with transaction(store.pool) as db:
                await db.execute(sql.SQL(statement).format(sql.Identifier(store.schema)))


async def test_a_batch_whose_process_froze_lets_go_and_its_late_commit_changes_nothing(
    store: PostgresStore[int],
) -> None:
    assert await store.restart(IN, 0, None)
    with pytest.raises(Retry):  # noqa: PT012  # at the commit, or on the way to it
        async with store.session(IN, ["a"]) as frozen:
            frozen.states.put("a", 99)
            async with asyncio.timeout(3 * FROZEN_SECONDS), store.session(IN, ["a"]) as session:
                session.states.put("a", 1)
                assert await session.commit(Mark(1), events(1, 1))
            await frozen.commit(Mark(1), events(1, 1))
    async with store.session(IN, ["a"]) as session:
        assert (session.mark, session.states.get("a")) == (Mark(1), 1)


async def test_two_owners_at_once_take_every_record_once(store: PostgresStore[int]) -> None:
    log = Log()
    log.add(*range(60))
    one, two = [await Process(log, store, max_records=3).take(IN) for _ in range(2)]

    async def work(process: Process) -> None:
        while (mark := await store.mark(IN)) is None or mark.next_offset < 60:
            await process.turn()

    await asyncio.gather(work(one), work(two))
    async with transaction(store.pool) as db:
        told = await (await db.execute("SELECT value FROM outbox ORDER BY seq")).fetchall()
    alone = await Process(log, memory_store()).take(IN)
    await alone.turn()
    assert [row[0] for row in told] == [output.value for output in alone.publisher.out]


async def test_a_constraint_that_speaks_at_the_commit_stops_the_partition(store: PostgresStore[int]) -> None:
    async with transaction(store.pool) as db:
        await db.execute("ALTER TABLE total ADD CONSTRAINT one UNIQUE (total) DEFERRABLE INITIALLY DEFERRED")
    log = Log()
    log.add(5, key="a")
    log.add(5, key="b")
    process = await Process(log, store).take(IN)
    await process.turn(ATTEMPTS_BEFORE_STOP)
    assert "UniqueViolation" in process.runner.stopped[IN]
    assert await count_of(store) == 0


async def count_of(store: PostgresStore[int]) -> int:
    async with transaction(store.pool) as db:
        row = await (await db.execute("SELECT count(*) FROM outbox")).fetchone()
    assert row is not None
    return int(row[0])


async def test_partitions_are_locked_in_one_order_whoever_asks(store: PostgresStore[int]) -> None:
    async def take(partitions: list[int]) -> None:
        for _ in range(20):
            async with transaction(store.pool) as db:
                await postgres_store.lock_partitions(db, store.schema, partitions)
                await asyncio.sleep(0)

    await asyncio.gather(take([1, 2, 3]), take([3, 2, 1]), take([2, 3, 1]))


async def test_whoever_writes_a_partitions_rows_is_waited_for_and_then_seen(store: PostgresStore[int]) -> None:
    """An HTTP request, or the reader of another topic: they share the partition's number, and its lock."""
    other = TopicPartition("another topic", IN.partition)
    assert await store.restart(other, 0, None)

    async def read() -> int | None:
        async with store.session(other, ["a"]) as session:
            return session.states.get("a")

    async with transaction(store.pool) as db:
        await postgres_store.lock_partitions(db, store.schema, [IN.partition])
        reading = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        assert not reading.done()
        await db.execute("INSERT INTO total VALUES (%s, %s, 'a', 50)", (other.topic, other.partition))
    assert await reading == 50


async def test_a_server_that_is_away_is_a_passing_failure() -> None:
    pool = postgres_store.connect("postgresql://relief@127.0.0.1:1/relief", "nowhere")
    pool.timeout = 0.5
    await pool.open()
    store: PostgresStore[int] = PostgresStore(pool, "nowhere", Totals())
    with pytest.raises(Retry):
        await store.mark(IN)
    assert "start it or correct RELIEF_POSTGRES_URL" in (await store.check() or "")
    await pool.close()
