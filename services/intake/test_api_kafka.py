"""202 means that Kafka holds the record; 503 that it did not say so. On a real broker."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from deploy.local.stack import Stack
from services.intake.api_cases import A, Desk, open_desk, problem
from shared.contracts.topics import APPLICATIONS, topics
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.publisher import Publisher
from shared.streaming.records import partition_of

pytestmark = pytest.mark.integration
WHERE = TopicPartition(APPLICATIONS, partition_of(A.encode(), topics()[APPLICATIONS].partitions))


async def records(bootstrap: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([WHERE])
        await consumer.seek_to_beginning(WHERE)
        end = (await consumer.end_offsets([WHERE]))[WHERE]
        found: list[tuple[bytes | None, bytes | None]] = []
        while await consumer.position(WHERE) < end:
            batch = await consumer.getmany(WHERE, timeout_ms=200)
            found += [(record.key, record.value) for record in batch.get(WHERE, [])]
        return found
    finally:
        await consumer.stop()


async def published_through(desk: Desk, publisher: Publisher) -> int:
    """The status of one application whose record goes through this publisher."""
    desk.kafka.forward = publisher
    try:
        answer = await desk.apply(subject="of the broker's test")
    finally:
        desk.kafka.forward = None
        await publisher.stop()
    if answer.status_code != 202:
        problem(answer, 503)
    return answer.status_code


async def test_202_when_the_broker_has_it_503_when_no_broker_answers(
    redis_url: str, secrets: Path, stack: Stack
) -> None:
    bootstrap = stack.environment()["RELIEF_KAFKA_BOOTSTRAP"]
    before = len(await records(bootstrap))
    async with open_desk(redis_url, secrets) as desk:
        # Nothing listens on port 1.
        assert await published_through(desk, Publisher(KafkaAccess("127.0.0.1:1"), "intake-test")) == 503
        assert len(await records(bootstrap)) == before
        assert await published_through(desk, Publisher(KafkaAccess(bootstrap), "intake-test")) == 202
        (output,) = desk.kafka.outputs
    assert (await records(bootstrap))[before:] == [(output.key, output.value)]
