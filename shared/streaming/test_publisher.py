"""Publishing on a real broker: in order, acknowledged, and after a failure from the beginning with a new producer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from deploy.local.stack import Stack
from shared.streaming import publisher as module
from shared.streaming.errors import Retry, Stop
from shared.streaming.fakes import until
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output

pytestmark = pytest.mark.integration
_numbers = count(1)


@pytest.fixture
def bootstrap(stack: Stack) -> str:
    return stack.environment()["RELIEF_KAFKA_BOOTSTRAP"]


@pytest.fixture
async def topics(bootstrap: str) -> tuple[str, str]:
    """One that takes what it is given, and one that takes no batch above 2 KB; two partitions each."""
    number = next(_numbers)
    open_, strict = f"publisher{number}.open", f"publisher{number}.strict"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics(
        [NewTopic(open_, 2, 1), NewTopic(strict, 2, 1, topic_configs={"max.message.bytes": "2000"})]
    )
    await admin.close()
    return open_, strict


@pytest.fixture
async def publisher(bootstrap: str) -> AsyncIterator[Publisher]:
    publisher = Publisher(KafkaAccess(bootstrap), "test")
    yield publisher
    await publisher.stop()


async def read(bootstrap: str, topic: str) -> dict[int, list[bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    found: dict[int, list[bytes]] = {}
    try:
        for number in range(2):
            partition = TopicPartition(topic, number)
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            end = (await consumer.end_offsets([partition]))[partition]
            found[number] = []
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found[number] += [record.value for record in records]
    finally:
        await consumer.stop()
    return found


def outputs(topic: str, partition: int, values: range, size: int = 10) -> list[Output]:
    return [Output(topic, partition, b"key", b"%0*d" % (size, value)) for value in values]


async def test_order_holds_per_partition_over_many_batches_and_callers(
    bootstrap: str, topics: tuple[str, str], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    topic, _ = topics
    first = [
        one for pair in zip(outputs(topic, 0, range(300)), outputs(topic, 1, range(300)), strict=True) for one in pair
    ]
    await publisher.start()
    producer = publisher._producer
    assert producer is not None
    send, unacknowledged, most = producer.send_batch, Counter[int](), 0

    async def counting(batch: Any, topic: str, *, partition: int) -> Any:
        nonlocal most
        unacknowledged[partition] += 1
        most = max(most, unacknowledged[partition])
        sent = await send(batch, topic, partition=partition)
        sent.add_done_callback(lambda _: unacknowledged.subtract([partition]))
        return sent

    monkeypatch.setattr(producer, "send_batch", counting)
    await asyncio.gather(publisher.publish(first), publisher.publish(outputs(topic, 1, range(300, 500))))
    assert most == 1, "one unacknowledged batch per partition, whoever publishes"
    found = await read(bootstrap, topic)
    assert [int(value) for value in found[0]] == list(range(300))
    assert [int(value) for value in found[1] if int(value) < 300] == list(range(300))
    assert [int(value) for value in found[1] if int(value) >= 300] == list(range(300, 500))


async def test_the_producer_is_idempotent_and_waits_for_all_replicas(publisher: Publisher) -> None:
    await publisher.start()
    producer = publisher._producer
    assert producer is not None
    assert producer._txn_manager is not None
    assert producer._txn_manager.has_pid()
    assert producer._sender._acks == -1


async def test_nothing_lands_after_a_batch_that_failed_and_a_new_producer_takes_over(
    bootstrap: str, topics: tuple[str, str], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    _, strict = topics
    await publisher.publish(outputs(strict, 0, range(2)))
    before = publisher._producer
    with pytest.raises(Stop, match="Raise the topic"):
        await publisher.publish(
            outputs(strict, 0, range(2, 4))
            + outputs(strict, 0, range(4, 5), size=3000)
            + outputs(strict, 0, range(5, 9))
        )
    assert [int(value) for value in (await read(bootstrap, strict))[0]] == [0, 1, 2, 3]
    assert publisher._producer is not before
    await publisher.publish(outputs(strict, 0, range(2, 9)))
    assert [int(value) for value in (await read(bootstrap, strict))[0]] == [0, 1, 2, 3, *range(2, 9)]


async def test_others_that_share_the_producer_end_well_or_are_told_to_try_again(
    bootstrap: str, topics: tuple[str, str], publisher: Publisher
) -> None:
    topic, strict = topics
    rounds = [publisher.publish(outputs(topic, number % 2, range(number, number + 1))) for number in range(40)]
    outcomes = await asyncio.gather(
        publisher.publish(outputs(strict, 0, range(1), size=3000)), *rounds, return_exceptions=True
    )
    assert isinstance(outcomes[0], Stop)
    told = {number for number, outcome in enumerate(outcomes[1:]) if outcome is None}
    assert all(outcome is None or isinstance(outcome, Retry) for outcome in outcomes[1:])
    landed = {int(value) for values in (await read(bootstrap, topic)).values() for value in values}
    assert told <= landed, "what was acknowledged is there"
    await publisher.publish(outputs(topic, 0, range(99, 100)))


async def test_a_record_that_can_never_be_published_stops_before_anything_is_sent(
    bootstrap: str, topics: tuple[str, str], publisher: Publisher
) -> None:
    topic, _ = topics
    with pytest.raises(Stop, match="larger than"):
        await publisher.publish(outputs(topic, 0, range(1)) + outputs(topic, 1, range(1), size=module.RECORD_BYTES))
    assert await read(bootstrap, topic) == {0: [], 1: []}


async def test_an_acknowledgement_that_does_not_come_is_not_waited_for_without_end(
    topics: tuple[str, str], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_SECONDS", 0.0)
    await publisher.start()
    before = publisher._producer
    with pytest.raises(Retry):
        await publisher.publish(outputs(topics[0], 0, range(1)))
    assert publisher._producer is not before


async def test_a_wait_that_is_cut_off_leaves_no_producer_with_a_batch_that_nobody_waits_for(
    topics: tuple[str, str], publisher: Publisher
) -> None:
    await publisher.start()
    before = publisher._producer
    publishing = asyncio.create_task(publisher.publish(outputs(topics[0], 0, range(1000))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # any longer, and it may be over
    assert any(turn.locked() for turn in publisher._turns.values())
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    assert publisher._producer is not before


async def test_a_broker_that_is_away_is_told_in_a_sentence_and_a_producer_that_is_gone_comes_back(
    publisher: Publisher,
) -> None:
    nowhere = Publisher(KafkaAccess("127.0.0.1:1"), "test")
    with pytest.raises(Retry, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached"):
        await nowhere.start()
    assert "is the broker up?" in (await nowhere.check() or "")
    await nowhere.stop()
    assert await publisher.check() is not None

    async def well() -> bool:
        return await publisher.check() is None

    await until(well)
