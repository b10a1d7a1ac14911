"""A region's records, written to files before, and sent at a pace whatever becomes of them."""

import asyncio
import time
from collections import defaultdict

from aiokafka import AIOKafkaProducer

from services.cli.log import LARGEST_BYTES
from shared.contracts.topics import topics
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import partition_of
from tests.integration.region import Upstream, slices

SLICES_PER_SECOND = 4


async def feed(kafka: KafkaAccess, region: list[Upstream], per_second: float) -> float:
    """Sends all of it at this pace, or as fast as it goes; how many seconds it took. Nothing is read meanwhile."""
    parts = slices(region, max(1, int(len(region) / per_second * SLICES_PER_SECOND)))
    producer = AIOKafkaProducer(
        **kafka.client(), acks="all", enable_idempotence=True, max_batch_size=LARGEST_BYTES,
        max_request_size=LARGEST_BYTES,
    )  # fmt: skip
    await producer.start()
    began = time.monotonic()
    try:
        for number, part in enumerate(parts):
            await asyncio.sleep(max(0, began + number / SLICES_PER_SECOND - time.monotonic()))
            await _send(producer, part)
    finally:
        await producer.stop()
    return time.monotonic() - began


async def _send(producer: AIOKafkaProducer, part: list[Upstream]) -> None:
    groups: dict[tuple[str, int], list[Upstream]] = defaultdict(list)
    for one in part:
        groups[one.topic, partition_of(one.record.key or b"", topics()[one.topic].partitions)].append(one)
    waiting = []
    for (topic, partition), group in groups.items():
        batch = producer.create_batch()
        for one in group:
            record = one.record
            held = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
            if held is None:
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                held = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
                assert held is not None
        waiting.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*waiting)
