"""The runner at the edge on a real broker and a real Redis: processes are killed, frozen, ended and joined by others.

The fold adds up, so that whatever is lost or counted twice shows as a wrong sum.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

from deploy.local.stack import Stack
from shared.streaming import redis_store
from shared.streaming.fakes import until
from shared.streaming.redis_store import RedisStore

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 3
_numbers = count(1)


@dataclass
class Group:
    """A group of toy services, its topics and its store, all of its own name."""

    name: str
    environment: dict[str, str]
    producer: AIOKafkaProducer
    store: RedisStore[int]
    fed: dict[tuple[int, int], int] = field(default_factory=dict)  # (partition, offset) -> amount
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def source(self) -> str:
        return f"{self.name}.in"

    @property
    def out(self) -> str:
        return f"{self.name}.out"

    def start(self, instance: str, crash_at: str | None = None) -> subprocess.Popen[bytes]:
        extra = {"RELIEF_CRASH_AT": crash_at} if crash_at else {}
        servers = [self.environment["RELIEF_KAFKA_BOOTSTRAP"], self.environment["RELIEF_REDIS_URL"]]
        command = [sys.executable, "-m", "shared.streaming.toy_member", *servers, self.name, self.source, self.out]
        command.append(instance)
        member = subprocess.Popen(command, cwd=ROOT, env=self.environment | extra, stdout=subprocess.DEVNULL)
        self.members.append(member)
        return member

    async def feed(self, records: int) -> None:
        for number in range(records):
            partition, amount = number % PARTITIONS, len(self.fed) + 1
            # A few keys in each batch: had all of them been in each, a stale commit would be a clean step back.
            key = b"k%d" % (len(self.fed) // 60 % 7)
            value = json.dumps({"amount": amount}).encode()
            sent = await self.producer.send(self.source, value, key=key, partition=partition)
            self.fed[partition, len([p for p, _ in self.fed if p == partition])] = amount
            if number % 100 == 99:
                await sent
        await self.producer.flush()

    def parts(self) -> list[TopicPartition]:
        return [TopicPartition(self.source, partition) for partition in range(PARTITIONS)]

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.environment["RELIEF_KAFKA_BOOTSTRAP"])
        await consumer.start()
        try:
            parts = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            return dict(await consumer.end_offsets(parts))
        finally:
            await consumer.stop()

    async def under_way(self) -> bool:
        marks = [await self.store.mark(partition) for partition in self.parts()]
        return any(mark is not None and mark.next_offset for mark in marks)

    async def caught_up(self) -> bool:
        ends = await self.ends(self.source)
        marks = {partition: await self.store.mark(partition) for partition in self.parts()}
        return all(mark is not None and mark.next_offset == ends[partition] for partition, mark in marks.items())

    async def committed(self) -> dict[TopicPartition, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.environment["RELIEF_KAFKA_BOOTSTRAP"])
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.name)
            return {partition: offset.offset for partition, offset in found.items()}
        finally:
            await admin.close()

    async def told(self) -> list[dict[str, int | str]]:
        """Everything in the output topic, in order per partition."""
        consumer = AIOKafkaConsumer(
            self.out, bootstrap_servers=self.environment["RELIEF_KAFKA_BOOTSTRAP"], auto_offset_reset="earliest"
        )
        ends = await self.ends(self.out)
        await consumer.start()
        told = []
        try:
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    told += [json.loads(record.value) for record in records]
        finally:
            await consumer.stop()
        return told

    async def verify(self) -> int:
        """Nothing lost, nothing counted twice; how many outputs were repeated on the way."""
        told = await self.told()
        firsts: dict[int | str, dict[str, int | str]] = {}
        for one in told:
            assert firsts.setdefault(one["id"], one) == one, "a repeat differs from the first"
        assert {name: one["amount"] for name, one in firsts.items()} == {
            f"{self.source}/{partition}/{offset}": amount for (partition, offset), amount in self.fed.items()
        }
        for partition in range(PARTITIONS):
            prefix = f"{self.source}/{partition}/"
            offsets = [int(str(name).removeprefix(prefix)) for name in firsts if str(name).startswith(prefix)]
            assert offsets == sorted(offsets), "the first occurrences are out of order"
        total = 0
        for partition in self.parts():
            total += sum(found or 0 for found in await self.store.read(partition, [f"k{n}" for n in range(7)]))
        assert total == sum(self.fed.values())
        return len(told) - len(firsts)


@pytest.fixture
async def group(stack: Stack) -> AsyncIterator[Group]:
    name = f"toy{next(_numbers)}"
    environment = {**os.environ, **stack.environment()}
    bootstrap = environment["RELIEF_KAFKA_BOOTSTRAP"]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{name}.{end}", PARTITIONS, 1) for end in ("in", "out")])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    redis = redis_store.connect(environment["RELIEF_REDIS_URL"])
    group = Group(name, environment, producer, RedisStore(redis, name, lambda total: str(total).encode(), int))
    try:
        yield group
    finally:
        for member in group.members:
            member.kill()
            member.wait()
        await producer.stop()
        await redis.aclose()


async def ended(member: subprocess.Popen[bytes], seconds: float = 30) -> int:
    return await asyncio.wait_for(asyncio.to_thread(member.wait), seconds)


POINTS = ["before_publish", "after_publish", "before_commit", "after_commit", "before_kafka_commit"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_that_dies_anywhere_loses_and_repeats_nothing(group: Group, point: str) -> None:
    await group.feed(600)
    dying = group.start("one", f"{point}:{3 if point != 'before_kafka_commit' else 1}")
    assert await ended(dying) == -signal.SIGKILL
    started = time.monotonic()
    group.start("one")
    await until(group.caught_up, 60)
    # A static member that is back in time takes its partitions at once: nobody waits for the session to time out.
    assert time.monotonic() - started < 9
    repeats = await group.verify()
    assert (repeats > 0) == (point in ("after_publish", "before_commit"))


async def test_members_that_come_and_go_under_load_lose_and_repeat_nothing(group: Group) -> None:
    await group.feed(300)
    one = group.start("one")
    feeding = asyncio.create_task(group.feed(3000))
    await until(group.under_way)  # before, a signal would meet a process that is not yet listening to any
    two = group.start("two")
    await asyncio.sleep(2)
    one.send_signal(signal.SIGTERM)
    assert await ended(one) == 0
    await feeding
    await group.feed(300)
    three = group.start("one")
    two.send_signal(signal.SIGKILL)
    await until(group.caught_up, 60)
    assert three.poll() is None
    await group.verify()


async def test_on_sigterm_the_batch_in_hand_ends_and_kafka_is_told(group: Group) -> None:
    await group.feed(400)
    member = group.start("one")

    await until(group.under_way)
    member.send_signal(signal.SIGTERM)
    assert await ended(member) == 0
    marks = {partition: await group.store.mark(partition) for partition in group.parts()}
    stands = {partition: mark.next_offset for partition, mark in marks.items() if mark is not None}
    # Of a partition of which nothing was done yet, Kafka may have been told so, or not been told.
    assert {where: n for where, n in (await group.committed()).items() if n} == {w: n for w, n in stands.items() if n}
    group.start("one")
    await until(group.caught_up, 60)
    assert await group.verify() == 0, "an orderly end repeats nothing"


@pytest.mark.parametrize("point", ["before_publish", "before_commit"])
async def test_an_owner_that_froze_in_the_middle_of_a_batch_is_fenced_when_it_wakes_up(
    group: Group, point: str
) -> None:
    await group.feed(600)
    frozen = group.start("frozen", f"{point}:4:SIGSTOP")

    async def is_frozen() -> bool:
        return psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED

    await until(is_frozen)
    group.start("other")
    await until(group.caught_up, 60)
    frozen.send_signal(signal.SIGCONT)
    await asyncio.sleep(1)
    await group.feed(600)
    await until(group.caught_up, 60)
    assert frozen.poll() is None
    await group.verify()


@pytest.mark.parametrize("busy", [True, False])
async def test_what_redis_lost_is_done_again(group: Group, busy: bool) -> None:
    await group.feed(600)
    group.start("one")
    await until(group.caught_up, 60)
    for partition in group.parts()[:2]:
        await group.store._redis.delete(group.store.key(partition))
    if busy:
        await group.feed(60)
    await until(group.caught_up, 60)
    assert await group.verify() >= 400


async def test_a_header_that_is_no_text_goes_through_with_its_neighbours(group: Group) -> None:
    await group.feed(30)
    batch = _DefaultRecordBatchBuilderPy(2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=9000)  # fmt: skip  # noqa: E501
    for offset, headers in enumerate(([], [(BadName(), b"\xff")], [("good", b"x")])):
        batch.append(offset, None, b"k1", b'{"amount": 5}', headers)
        group.fed[0, 10 + offset] = 5
    built = group.producer.create_batch()
    built._buffer, built._relative_offset = bytes(batch.build()), 3
    await (await group.producer.send_batch(built, group.source, partition=0))
    await group.producer.send_and_wait(group.source, b'{"amount": 7}', key=b"k1", partition=0)
    group.fed[0, 13] = 7
    group.start("one")
    await until(group.caught_up, 20)
    await group.verify()


class BadName(str):
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"
