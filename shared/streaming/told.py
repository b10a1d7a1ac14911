"""What the topics hold and a service's event table does not know: the sign of a database that was set back.

What is told was stored before, in the same database. So a topic that only this service writes holds nothing that its
table lacks, unless the table is of an older copy. Asked once, at the start.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from psycopg import sql

from shared.streaming.admission import DENIALS, denied
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import Pool, transaction
from shared.streaming.relay import BATCH

# The end of a partition tells: two relays that overlap repeat no more than a batch each.
TAIL = 2 * BATCH
# The end of a partition is nearly always among the newest rows; only where it is not, all are looked at.
NEWEST = 200_000
READ_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """A record of the topics."""

    topic: str
    partition: int
    offset: int
    value: bytes

    @property
    def digest(self) -> bytes:
        """For the event table, which has no index over what was told."""
        return hashlib.md5(self.value, usedforsecurity=False).digest()


async def unknown(pool: Pool, schema: str, kafka: KafkaAccess, topics: Sequence[str]) -> list[Told]:
    """Every record of the topics that the event table of `schema` lacks, by partition in order; nearly always none.

    A record that was told twice counts once. Raises Retry where Kafka or PostgreSQL does not answer. Costs the ends of
    the partitions; after a restore all of them, and some 100 bytes of memory for each event ever told.
    """
    try:
        # The topics before the table: what is told in between is in both. What was lacking may be told again in part,
        # and then the end of a partition holds nothing but repeats: nothing less than all of it tells.
        if not await _lacked(pool, schema):
            suspects = await asyncio.wait_for(_read(kafka, topics, TAIL), READ_SECONDS)
            if not await _lacking(pool, schema, suspects, NEWEST) or not await _lacking(pool, schema, suspects, None):
                return []
            await _note_lacking(pool, schema, True)
        lacking = await _lacking(pool, schema, await _read(kafka, topics, None), None)
        if not lacking:
            await _note_lacking(pool, schema, False)
        return lacking
    except DENIALS as error:
        raise Stop(denied(kafka, f"read what {schema} told ({error!r})")) from error
    except (KafkaError, OSError) as error:
        raise Retry(f"Kafka at {kafka.bootstrap} cannot be read: {error!r}") from error


async def stored(pool: Pool, schema: str, after: int) -> tuple[set[bytes], int]:
    """The digests of the events numbered above `after`, and the last number there is."""
    async with transaction(pool) as db:
        query = sql.SQL("SELECT decode(md5(value), 'hex'), seq FROM {}.outbox WHERE seq > %s").format(
            sql.Identifier(schema)
        )
        rows = await (await db.execute(query, (after,))).fetchall()
    return {digest for digest, _ in rows}, max((seq for _, seq in rows), default=after)


async def _lacked(pool: Pool, schema: str) -> bool:
    query = sql.SQL("SELECT lacking FROM {}.outbox_pointer").format(sql.Identifier(schema))
    async with transaction(pool) as db:
        return await (await db.execute(query)).fetchone() == (True,)


async def _note_lacking(pool: Pool, schema: str, lacking: bool) -> None:
    """Kept in the database that lacks it: another copy of it says so, or finds out, by itself."""
    query = sql.SQL("UPDATE {}.outbox_pointer SET lacking = %s").format(sql.Identifier(schema))
    async with transaction(pool) as db:
        await db.execute(query, (lacking,))


async def _lacking(pool: Pool, schema: str, told: Iterable[Told], newest: int | None) -> list[Told]:
    name = sql.Identifier(schema)
    lacking = {one.digest: one for one in told}
    if not lacking:
        return []
    query = sql.SQL(
        "SELECT decode(md5(value), 'hex') FROM {0}.outbox WHERE seq > (SELECT last - %s FROM {0}.outbox_counter)"
    ).format(name)
    async with transaction(pool) as db, db.cursor(name="told") as rows:
        await rows.execute(query, (2**62 if newest is None else newest,))
        async for (digest,) in rows:
            lacking.pop(digest, None)
    return list(lacking.values())


async def ends(kafka: KafkaAccess, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Where each partition of the topics ends, in order. Raises Retry where Kafka does not answer."""
    admin = AIOKafkaAdminClient(**kafka.client())
    consumer = AIOKafkaConsumer(**kafka.client(), enable_auto_commit=False, retry_backoff_ms=10)
    try:
        await admin.start()
        await consumer.start()
        described = await admin.describe_topics(list(topics))
        parts = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
        return await consumer.end_offsets(sorted(parts)) if parts else {}
    except (KafkaError, OSError) as error:
        raise Retry(f"Kafka at {kafka.bootstrap} cannot be read: {error!r}") from error
    finally:
        await admin.close()
        await consumer.stop()


async def _read(kafka: KafkaAccess, topics: Sequence[str], tail: int | None) -> list[Told]:
    """All records, or of each partition the last ones only; by partition, in order."""
    until = await ends(kafka, topics)
    # The first look at a topic is always "not known yet, try again".
    consumer = AIOKafkaConsumer(**kafka.client(), enable_auto_commit=False, retry_backoff_ms=10)
    found: list[Told] = []
    try:
        await consumer.start()
        begins = await consumer.beginning_offsets(list(until)) if until else {}
        starts = {where: begin if tail is None else max(begin, until[where] - tail) for where, begin in begins.items()}
        left = {where for where, start in starts.items() if start < until[where]}
        consumer.assign(list(left))
        for where in left:
            consumer.seek(where, starts[where])
        while left:
            for where, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                kept = [one for one in records if one.offset < until[where]]
                found += [Told(one.topic, one.partition, one.offset, one.value or b"") for one in kept]
            left = {where for where in left if await consumer.position(where) < until[where]}
    finally:
        await consumer.stop()
    return sorted(found, key=lambda one: (one.topic, one.partition, one.offset))
