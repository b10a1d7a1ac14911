"""What a topic holds and an event table lacks, on a real broker and a real PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.stack import Stack
from shared.streaming import postgres_store, told
from shared.streaming.errors import Retry
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import Pool, append, transaction
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output

pytestmark = pytest.mark.integration
_numbers = count(1)


@pytest.fixture
def kafka(stack: Stack) -> KafkaAccess:
    return stack.kafka()


@pytest.fixture
async def topic(kafka: KafkaAccess) -> str:
    name = f"told.{next(_numbers)}"
    async with contextlib.AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(**kafka.client())
        stack.push_async_callback(admin.close)
        await admin.start()
        await admin.create_topics([NewTopic(name, 2, 1)])
    return name


@pytest.fixture
async def pool(stack: Stack, tmp_path: Path) -> AsyncIterator[Pool]:
    url = stack.environment()["RELIEF_POSTGRES_URL"]
    await postgres_store.migrate(url, "told", tmp_path)
    pool = postgres_store.connect(url, "told")
    await pool.open(wait=True)
    yield pool
    await pool.close()


async def publish(kafka: KafkaAccess, outputs: list[Output]) -> None:
    publisher = Publisher(kafka, "told")
    try:
        await publisher.publish(outputs)
    finally:
        await publisher.stop()


async def store(pool: Pool, outputs: list[Output]) -> None:
    async with transaction(pool) as db:
        await append(db, "told", outputs)


async def test_only_what_the_table_lacks_is_found_and_a_repeat_is_none(
    pool: Pool, kafka: KafkaAccess, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Output(topic, number % 2, b"k", b"%s %d" % (topic.encode(), number)) for number in range(10)]
    assert await told.unknown(pool, "told", kafka, [topic]) == [], "an empty topic"
    await store(pool, events[:6])
    await publish(kafka, [*events[:6], *events[2:4]])
    assert await told.unknown(pool, "told", kafka, [topic]) == []
    # The partition's end is known, and far from the newest row.
    monkeypatch.setattr(told, "NEWEST", 1)
    assert await told.unknown(pool, "told", kafka, [topic]) == []
    await publish(kafka, events[6:9])
    monkeypatch.setattr(told, "TAIL", 1)
    lacking = await told.unknown(pool, "told", kafka, [topic])
    assert [(one.partition, one.value) for one in lacking] == [
        (event.partition, event.value) for event in (events[6], events[8], events[7])
    ], "also those before the end of a partition"
    await store(pool, events[6:])
    assert await told.unknown(pool, "told", kafka, [topic]) == [], "what is stored and not told is no matter"


async def test_a_start_in_the_middle_of_telling_again_sees_what_is_lacking_still(
    pool: Pool, kafka: KafkaAccess, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the end of the partition holds nothing but repeats that the table has."""
    events = [Output(topic, 0, b"k", b"%s %d" % (topic.encode(), number)) for number in range(10)]
    await publish(kafka, events)
    monkeypatch.setattr(told, "TAIL", 3)
    assert len(await told.unknown(pool, "told", kafka, [topic])) == 10
    await store(pool, events[:5])
    await publish(kafka, events[:5])
    assert [one.value for one in await told.unknown(pool, "told", kafka, [topic])] == [one.value for one in events[5:]]
    await store(pool, events[5:])
    assert await told.unknown(pool, "told", kafka, [topic]) == []
    read: list[told.Told] = []
    keep = told.Told

    def kept(*record: Any) -> told.Told:
        read.append(keep(*record))
        return read[-1]

    monkeypatch.setattr(told, "Told", kept)
    assert await told.unknown(pool, "told", kafka, [topic]) == []
    assert len(read) == 3, "once nothing is lacking, ends are enough again"


async def test_a_broker_that_is_away_is_told_as_such(pool: Pool) -> None:
    with pytest.raises(Retry, match=r"127\.0\.0\.1:1"):
        await told.unknown(pool, "told", KafkaAccess("127.0.0.1:1"), ["told"])


async def test_what_was_stored_since(pool: Pool, kafka: KafkaAccess, topic: str) -> None:
    _, before = await told.stored(pool, "told", 0)
    await store(pool, [Output(topic, 0, b"k", b"one")])
    digests, last = await told.stored(pool, "told", before)
    assert digests == {told.Told(topic, 0, 0, b"one").digest}
    assert (last, await told.stored(pool, "told", last)) == (before + 1, (set(), last))
