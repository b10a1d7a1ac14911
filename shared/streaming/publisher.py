"""Publishing in order: per output partition, one batch at a time, the next only after the last is acknowledged.

A later batch may never land while an earlier one is missing. So a failure closes the producer: whoever uses it next
gets a new one, goes back to the stored offset, and publishes the same records again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.structs import TopicPartition

from shared.observability import metrics
from shared.streaming.admission import DENIALS, check_admitted, denied
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import Output

BATCH_BYTES = 900_000
RECORD_BYTES = 890_000  # of key and value; aiokafka itself lets the first record of a batch be of any size
CLOSE_SECONDS = 5.0
# An idempotent producer never gives a batch up by itself; so long nothing else can go to that partition.
ACKNOWLEDGE_SECONDS = 30.0


class Publisher:
    """`acks=all`, idempotent, unlingering. Safe to share between the tasks of one process."""

    def __init__(self, kafka: KafkaAccess, client_id: str, request_timeout_ms: int = 20_000) -> None:
        self._kafka, self._client_id = kafka, client_id
        self._request_timeout_ms = request_timeout_ms
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._turns: dict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._aside: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def start(self) -> None:
        """Raises Retry when the broker cannot be reached, Stop when it does not let us in."""
        await self._current()

    async def stop(self) -> None:
        self._stopped = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._close(producer)
        for task in self._aside:
            task.cancel()
        await asyncio.gather(*self._aside, return_exceptions=True)

    async def check(self) -> str | None:
        """None, or what keeps this publisher from working; it then tries to reconnect by itself."""
        if self._producer is not None:
            return None
        if not self._starting.locked() and not self._stopped:
            self._do_aside(self._reconnect())
        return "no Kafka producer is connected; is the broker up?"

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Return once every record is acknowledged by all in-sync replicas.

        Raises Retry otherwise, and Stop before anything is sent where a record is too large ever to be published.
        """
        if not outputs:
            return
        grouped: dict[TopicPartition, list[Output]] = defaultdict(list)
        for output in outputs:
            if len(output.key) + len(output.value) > RECORD_BYTES:
                raise Stop(f"A record for {output.topic} is larger than {RECORD_BYTES} bytes: it cannot be published.")
            grouped[TopicPartition(output.topic, output.partition)].append(output)
        producer = await self._current()
        # Wait for all, also after a failure: nobody may begin anew while a batch of this round is in flight.
        results = await asyncio.gather(
            *(self._send(producer, where, group) for where, group in grouped.items()), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise min((self._treatment(failure) for failure in failures), key=_gravity) from failures[0]

    async def _send(self, producer: AIOKafkaProducer, where: TopicPartition, outputs: list[Output]) -> None:
        async with self._turns[where]:
            position = 0
            while position < len(outputs):
                if producer is not self._producer:
                    raise Retry("the Kafka producer was closed after another failure")
                try:
                    position += await self._send_batch(producer, where, outputs[position:])
                except BaseException:  # a cancelled wait too: nobody would learn what became of the batch
                    self._discard(producer)
                    raise

    async def _send_batch(self, producer: Any, where: TopicPartition, outputs: Sequence[Output]) -> int:
        """One batch, acknowledged; how many of the outputs it held."""
        batch = producer.create_batch()
        held = 0
        for output in outputs:
            if batch.append(key=output.key, value=output.value, timestamp=None) is None:
                break
            held += 1
        with metrics.PUBLISH_SECONDS.labels(where.topic).time():
            acknowledged = await producer.send_batch(batch, where.topic, partition=where.partition)
            await asyncio.wait_for(acknowledged, ACKNOWLEDGE_SECONDS)
        metrics.RECORDS_PUBLISHED.labels(where.topic).inc(held)
        return held

    async def _current(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                if self._stopped:
                    raise Retry("this publisher has stopped")
                producer = AIOKafkaProducer(
                    **self._kafka.client(),
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
                    await self._close(producer)
                    if isinstance(error, DENIALS):
                        raise Stop(denied(self._kafka, "publish anything")) from error
                    await check_admitted(self._kafka)  # says why, where it knows
                    raise Retry(f"Kafka at {self._kafka.bootstrap} cannot be reached: {error!r}") from error
                except BaseException:
                    self._do_aside(self._close(producer))
                    raise
                self._producer = producer
            return self._producer

    async def _reconnect(self) -> None:
        try:
            await self._current()
        except (Retry, Stop):
            return  # the next check tries again, and what is to be published hears of it

    def _discard(self, producer: AIOKafkaProducer) -> None:
        if producer is self._producer:
            self._producer = None
            metrics.PRODUCER_RECREATIONS.inc()
            # Not waited for: what still lands from here on is a repeat, never a gap.
            self._do_aside(self._close(producer))

    async def _close(self, producer: AIOKafkaProducer) -> None:
        """Bounded: it flushes first, and a broker that is gone must not keep us."""
        try:
            await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
        except (KafkaError, OSError):
            # aiokafka would go on trying for ever, and holds connections: end what its `stop` did not get to.
            task = producer._sender.sender_task if producer._sender is not None else None
            if task is not None:
                task.cancel()
            await producer.client.close()

    def _do_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    def _treatment(self, error: BaseException) -> BaseException:
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            return Stop(
                f"The broker does not take a record of this size: {error!r}. Raise the topic's max.message.bytes."
            )
        # aiokafka hides why a producer that may write nothing at all could not begin.
        if isinstance(error, DENIALS) or isinstance(error.__cause__, DENIALS):
            return Stop(denied(self._kafka, f"publish ({error.__cause__ or error!r})"))
        if isinstance(error, KafkaError | OSError):
            return Retry(f"publishing failed: {error!r}")
        return error


def _gravity(error: BaseException) -> int:
    """What is told of several failures: the one that needs a person first, what passes by itself last."""
    return 0 if isinstance(error, Stop) else 2 if isinstance(error, Retry) else 1
