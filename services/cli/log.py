"""Reading topics from their start to where they end now, and writing what is not ours to write: upstream records."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from services.cli.terminal import CommandError
from shared.streaming.records import partition_of

BATCH = 2000
LARGEST_BYTES = 4 * 1024 * 1024


class Sendable(Protocol):
    """What `send` publishes: a record as its authority would send it."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a JSON Lines file, in structured mode."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = (("content-type", b"application/cloudevents+json"),)


async def read(
    bootstrap: str, topic: str, partitions: Iterable[int] | None = None
) -> AsyncIterator["ConsumerRecord[bytes | None, bytes | None]"]:
    """Every record of a topic (or of some partitions), partition by partition, up to the end as of now."""
    consumer: AIOKafkaConsumer[bytes | None, bytes | None] = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_partition_fetch_bytes=LARGEST_BYTES,
        # All there is to read is there: a fetch that waits at one partition's end only keeps the next one waiting,
        # and the first look at a topic is always "not known yet, try again".
        fetch_max_wait_ms=10,
        retry_backoff_ms=10,
    )
    try:
        await consumer.start()
        wanted = await partition_numbers(bootstrap, [topic]) if partitions is None else {topic: list(partitions)}
        for number in wanted[topic]:
            where = TopicPartition(topic, number)
            end = (await consumer.end_offsets([where]))[where]
            consumer.assign([where])
            await consumer.seek_to_beginning(where)
            while await consumer.position(where) < end:
                for record in (await consumer.getmany(where, timeout_ms=500, max_records=BATCH)).get(where, []):
                    if record.offset < end:
                        yield record
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka at {bootstrap} cannot be read: {error!r}; see `relief status`.") from error
    finally:
        await consumer.stop()


async def read_one(
    bootstrap: str, topic: str, partition: int, offset: int
) -> "ConsumerRecord[bytes | None, bytes | None] | None":
    """The record at this offset, or None where the log does not hold it any more."""
    consumer: AIOKafkaConsumer[bytes | None, bytes | None] = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=LARGEST_BYTES
    )
    where = TopicPartition(topic, partition)
    try:
        await consumer.start()
        begin = (await consumer.beginning_offsets([where]))[where]
        if not begin <= offset < (await consumer.end_offsets([where]))[where]:
            return None
        consumer.assign([where])
        consumer.seek(where, offset)
        records = (await consumer.getmany(where, timeout_ms=10_000, max_records=1)).get(where, [])
        return next((record for record in records if record.offset == offset), None)
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka at {bootstrap} cannot be read: {error!r}; see `relief status`.") from error
    finally:
        await consumer.stop()


async def partition_numbers(bootstrap: str, names: list[str]) -> dict[str, list[int]]:
    """The partitions of topics, ascending; CommandError where one does not exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        described = await admin.describe_topics(names)
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka at {bootstrap} does not answer: {error!r}; see `relief status`.") from error
    finally:
        await admin.close()
    found = {topic["topic"]: sorted(p["partition"] for p in topic["partitions"]) for topic in described}
    for name in names:
        if not found.get(name):
            raise CommandError(f"There is no topic {name}.")
    return found


async def send(bootstrap: str, topic: str, records: Iterable[Sendable], on_sent: Callable[[int], None]) -> int:
    """Publish in order per partition, keyed as Kafka's default partitioner would; how many were sent."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=LARGEST_BYTES,
        max_request_size=LARGEST_BYTES,
    )
    sent = 0
    try:
        await producer.start()
        count = len(await producer.partitions_for(topic))
        for chunk in _chunks(records):
            batches: dict[int, list[Sendable]] = {}
            for record in chunk:
                batches.setdefault(partition_of(record.key or b"", count), []).append(record)
            for partition, group in batches.items():
                await _send_group(producer, topic, partition, group)
            sent += len(chunk)
            on_sent(len(chunk))
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka at {bootstrap} did not take the records: {error!r}; see `relief status`.") from error
    finally:
        await producer.stop()
    return sent


async def _send_group(producer: AIOKafkaProducer, topic: str, partition: int, group: list[Sendable]) -> None:
    position = 0
    while position < len(group):
        batch = producer.create_batch()
        first = position
        while position < len(group):
            record = group[position]
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers)) is None:
                break
            position += 1
        if position == first:
            raise CommandError(f"A record for {topic} is larger than {LARGEST_BYTES} bytes and cannot be sent.")
        await (await producer.send_batch(batch, topic, partition=partition))


def _chunks(records: Iterable[Sendable]) -> Iterator[list[Sendable]]:
    chunk: list[Sendable] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
