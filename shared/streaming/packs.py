"""Following the topic that keeps every policy pack: read by every replica from its start, outside any group."""

import asyncio
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.contracts.topics import PACKS
from shared.streaming.admission import DENIALS, denied
from shared.streaming.errors import Stop
from shared.streaming.kafka_access import KafkaAccess

log = structlog.get_logger()

PERIOD_SECONDS = 2.0


async def follow_packs(kafka: KafkaAccess, put: Callable[[bytes | None], None]) -> None:
    """Give `put` every pack there is, and what is published later, until cancelled; trouble with the broker passes.

    Raises Stop where we may not read them.
    """
    while True:
        try:
            await _follow(kafka, put)
        except DENIALS as error:
            raise Stop(denied(kafka, f"read {PACKS}")) from error
        except (KafkaError, OSError) as error:
            log.warning("packs cannot be read, trying again", error=repr(error))
            await asyncio.sleep(PERIOD_SECONDS)


async def _follow(kafka: KafkaAccess, put: Callable[[bytes | None], None]) -> None:
    where = TopicPartition(PACKS, 0)
    consumer = AIOKafkaConsumer(**kafka.client(), enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        while True:
            found = await consumer.getmany(where, timeout_ms=int(PERIOD_SECONDS * 1000))
            for record in found.get(where, []):
                put(record.value)
    finally:
        await consumer.stop()
