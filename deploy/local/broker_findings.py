"""What is wrong on the broker: topics that are not as declared, and readers that are gone with work left."""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.contracts.topics import UPSTREAM, topics
from shared.streaming.kafka_access import KafkaAccess

REQUEST_MILLISECONDS = 5000


async def examine(kafka: KafkaAccess) -> list[str]:
    """Sentences about the broker; [] when all is well."""
    admin = AIOKafkaAdminClient(**kafka.client(), request_timeout_ms=REQUEST_MILLISECONDS)
    try:
        await admin.start()
        return [*await _topics(admin), *[sentence async for sentence in _deserted_groups(admin, kafka)]]
    except (KafkaError, OSError) as error:
        return [f"Kafka at {kafka.bootstrap} did not answer all questions ({error!r}): see `relief logs kafka`."]
    finally:
        await admin.close()


async def _topics(admin: AIOKafkaAdminClient) -> list[str]:
    present = set(await admin.list_topics())
    declared = {name: topic for name, topic in topics().items() if not topic.planned}
    missing = [name for name in declared if name not in present]
    found = [f"Topic {name} is missing: `relief up` creates it." for name in missing]
    described = await admin.describe_topics([name for name in declared if name in present])
    for one in described:
        name, count = one["topic"], len(one["partitions"])
        # Upstream belongs to the authorities, who choose its count; that of ours places every enterprise.
        if name not in UPSTREAM and count != declared[name].partitions:
            found.append(
                f"Topic {name} has {count} partitions and {declared[name].partitions} are declared: "
                "the count is fixed for life, so restore the topic or move to a new cluster."
            )
    return found


async def _deserted_groups(admin: AIOKafkaAdminClient, kafka: KafkaAccess) -> AsyncIterator[str]:
    names = sorted(group[0] for group in await admin.list_consumer_groups())
    for name in names:
        if await _members(admin, name):
            continue
        committed = await admin.list_consumer_group_offsets(name)
        lag = await _lag(kafka, committed)
        if lag > 0:
            yield f"Consumer group {name} has {lag} records waiting and no member: start its service with `relief up`."


async def _members(admin: AIOKafkaAdminClient, name: str) -> int:
    members: int = 0
    for response in await admin.describe_consumer_groups([name]):
        members += sum(len(group[5]) for group in response.groups)
    return members


async def _lag(kafka: KafkaAccess, committed: dict[Any, Any]) -> int:
    """Records past the committed offsets, over all partitions that have one."""
    consumer = AIOKafkaConsumer(**kafka.client(), request_timeout_ms=REQUEST_MILLISECONDS)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(committed))
    finally:
        await consumer.stop()
    return sum(max(0, ends[partition] - meta.offset) for partition, meta in committed.items() if meta.offset >= 0)
