"""The chain in the tables: the database computes the links that the service does, and carries an older ledger over."""

import shutil
from pathlib import Path

import psycopg
import pytest
from aiokafka.structs import TopicPartition

from services.ledger.app import MIGRATIONS, SCHEMA
from services.ledger.cases import take
from services.ledger.domain.posting import Posted
from services.ledger.journal_cases import batches, journalled, stored
from services.ledger.store.rows import PostingRows
from shared.streaming.postgres_store import PostgresStore, connect, migrate

pytestmark = pytest.mark.integration
Store = PostgresStore[Posted]


async def test_the_database_computes_the_same_links(store: Store) -> None:
    taken = batches(2)
    for batch in taken:
        await take(store, batch)
    query = b"""
        SELECT seq, link = next_link(lag(link) OVER (PARTITION BY topic, partition ORDER BY seq), seq, topic, partition,
          event_id, type, business_key, uscc, decision_id, debit, credit, amount_fen, booked_on, digest)
        FROM posting ORDER BY seq"""
    async with store.pool.connection() as db:
        found = await (await db.execute(query)).fetchall()
    assert found == [(seq, True) for seq in range(1, sum(map(len, taken)) + 1)]


async def test_a_ledger_without_links_gets_them(database: str, tmp_path: Path) -> None:
    """As 001 made it, with postings in it: what the migration computes is what the service would have."""
    shutil.copy(MIGRATIONS / "001_postings.sql", tmp_path)
    await migrate(database, SCHEMA, tmp_path)
    *before, last = batches(3)
    _, entries = journalled(record for batch in before for record in batch)
    names = [name for name in entries[0].__struct_fields__ if name != "link"]
    async with await psycopg.AsyncConnection.connect(database) as db:
        await db.execute("SET search_path = ledger")
        for entry in entries:
            row = [bytes.fromhex(entry.digest) if name == "digest" else getattr(entry, name) for name in names]
            statement = f"INSERT INTO posting ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
            await db.execute(statement.encode(), row)
        await db.execute("UPDATE posting_counter SET last = %s", (len(entries),))
    await migrate(database, SCHEMA, MIGRATIONS)
    async with connect(database, SCHEMA) as pool:
        assert await stored(pool) == journalled(record for batch in before for record in batch)
        store: Store = PostgresStore(pool, SCHEMA, PostingRows())
        async with pool.connection() as db:
            # It had read what it posted.
            await db.execute(
                "INSERT INTO inbox SELECT topic, partition, postings, postings - 1, '', '\\x80' FROM chain_head"
            )
        for batch in (*before, last):
            where = TopicPartition(batch[0].topic, batch[0].partition)
            if await store.mark(where) is None:
                await store.restart(where, 0, None)
            assert await take(store, batch)
        assert await stored(pool) == journalled(record for batch in (*before, last) for record in batch)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with pool.connection() as db:
                await db.execute("UPDATE posting SET amount_fen = 71")
