"""What this service's tests on a real PostgreSQL stand on."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.structs import TopicPartition

from services.ledger.app import MIGRATIONS, SCHEMA
from services.ledger.cases import EXEMPTIONS, REFUNDS
from services.ledger.domain.posting import Posted
from services.ledger.store.rows import PostingRows
from shared.streaming.postgres_store import PostgresStore, connect, migrate


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore[Posted]]:
    """The ledger's store, empty, at the start of six partitions of both topics."""
    await migrate(database, SCHEMA, MIGRATIONS)
    async with connect(database, SCHEMA) as pool:
        store: PostgresStore[Posted] = PostgresStore(pool, SCHEMA, PostingRows())
        for topic in (EXEMPTIONS, REFUNDS):
            for number in range(6):
                assert await store.restart(TopicPartition(topic, number), 0, None)
        yield store
