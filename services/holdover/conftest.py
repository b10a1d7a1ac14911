"""What this service's tests stand on: its store in an empty database, at the beginning of both logs."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from aiokafka.structs import TopicPartition

from services.holdover.app import MIGRATIONS, SCHEMA
from services.holdover.domain.enterprise import Held
from services.holdover.life_cases import BEGINS, Life
from services.holdover.store.rows import HoldoverRows
from shared.contracts import topics
from shared.streaming.postgres_store import PostgresStore, connect, migrate


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore[Held]]:
    await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    store: PostgresStore[Held] = PostgresStore(pool, SCHEMA, HoldoverRows())
    for number in (3, 4):
        for topic in (topics.FACTS, topics.DECISIONS):
            assert await store.restart(TopicPartition(topic, number), 0, None)
    yield store
    await pool.close()


@pytest.fixture
def life() -> Life:
    life = Life()
    life.day(date(2020, 2, 10))
    return life


@pytest.fixture
def opened(life: Life) -> Life:
    """One bill of 600 fen is deferred."""
    life.take(life.logs.applied("a1"), life.logs.bill("b1", 600), life.logs.decided("a1"))
    return life


@pytest.fixture
def repaying(opened: Life) -> Life:
    opened.day(BEGINS)
    return opened
