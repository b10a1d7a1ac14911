"""Publishing in order: per output partition, one batch at a time, the next only after the last is acknowledged.

A later batch may never land while an earlier one is missing. So a failure closes the producer: everyone in flight
fails with it, goes back to the stored offset, and publishes the same records again through a new producer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming.errors import Retry, Stop
from shared.streaming.records import Output

BATCH_BYTES = 900_000
CLOSE_SECONDS = 5.0


class Publisher:
    """`acks=all`, idempotent, unlingering. Safe to share between the tasks of one process."""

    def __init__(self, bootstrap: str, client_id: str, request_timeout_ms: int = 20_000) -> None:
        self._bootstrap, self._client_id = bootstrap, client_id
        self._request_timeout_ms = request_timeout_ms
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._turns: dict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        await self._current()

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _close(producer)

    async def check(self) -> str | None:
        """None, or what keeps this publisher from working."""
        return None if self._producer is not None else "no Kafka producer is connected; is the broker up?"

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Return once every record is acknowledged by all in-sync replicas; raise Retry otherwise."""
        if not outputs:
            return
        grouped: dict[TopicPartition, list[Output]] = defaultdict(list)
        for output in outputs:
            grouped[TopicPartition(output.topic, output.partition)].append(output)
        producer = await self._current()
        # Wait for all, also after a failure: nobody may begin anew while a batch of this round is in flight.
        results = await asyncio.gather(
            *(self._send(producer, where, group) for where, group in grouped.items()), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self._discard(producer)
            raise _treatment(failures[0]) from failures[0]

    async def _send(self, producer: AIOKafkaProducer, where: TopicPartition, outputs: list[Output]) -> None:
        async with self._turns[where]:
            position = 0
            while position < len(outputs):
                if producer is not self._producer:
                    raise Retry("the Kafka producer was closed after another failure")
                batch = producer.create_batch()
                first = position
                while position < len(outputs):
                    output = outputs[position]
                    if batch.append(key=output.key, value=output.value, timestamp=None) is None:
                        break
                    position += 1
                if position == first:
                    raise Stop(
                        f"A record for {where.topic} is larger than {BATCH_BYTES} bytes and can never be published."
                    )
                with metrics.PUBLISH_SECONDS.labels(where.topic).time():
                    acknowledged = await producer.send_batch(batch, where.topic, partition=where.partition)
                    await acknowledged
                metrics.RECORDS_PUBLISHED.labels(where.topic).inc(position - first)

    async def _current(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=2 * BATCH_BYTES,
                    request_timeout_ms=self._request_timeout_ms,
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    await _close(producer)
                    raise Retry(f"Kafka at {self._bootstrap} cannot be reached: {error!r}") from error
                self._producer = producer
            current = self._producer
            assert current is not None
            return current

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        if producer is self._producer:
            self._producer = None
            metrics.PRODUCER_RECREATIONS.inc()
        await _close(producer)


async def _close(producer: AIOKafkaProducer) -> None:
    """Bounded: a broker that is gone must not keep us; what still lands from here on is a repeat, never a gap."""
    try:
        await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
    except (KafkaError, OSError, TimeoutError):
        return


def _treatment(error: BaseException) -> BaseException:
    if isinstance(error, KafkaError | OSError | TimeoutError):
        return Retry(f"publishing failed: {error!r}")
    return error
