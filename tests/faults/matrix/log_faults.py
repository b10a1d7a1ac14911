"""Faults of the log itself: trimmed at its beginning, of what was done and of what was not; deleted and made anew."""

import asyncio
import shutil
import time

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition

from services.cli.log import Line, read
from services.intake.app import GROUP
from shared.contracts.topics import FACTS, UPSTREAM
from shared.streaming.told import ends
from shared.streaming.topics import ensure_topics
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.load import wait_until
from tests.faults.matrix.server_faults import append_only

_UNDONE = 10  # records of one partition, at least, that were never done and are half trimmed away
_RECREATED = "was the topic recreated or restored?"


def trimmed_of_done(ground: Ground) -> str:
    """Redis is set back to a place that the log has no more; Kafka's committed offset says that it was passed."""
    file = append_only(ground)
    copy = file.with_name("before-the-trimming.aof")
    shutil.copyfile(file, copy)
    with ground.load.flowing():
        time.sleep(4)  # the world has to go on
        ground.servers.stop_service("redis")
        done = _committed(ground)
        asyncio.run(_trim(ground, done))
        copy.replace(file)
        ground.restart_server("redis")
    return f"upstream trimmed of {sum(done.values())} records that were done, and Redis set back to before them"


def trimmed_of_undone(ground: Ground) -> str:
    with ground.load.flowing():
        time.sleep(1)
        for replica in range(ground.replicas):
            ground.stack.stop_service("intake", replica)
        where = TopicPartition("", 0)

        def enough() -> bool:
            nonlocal where
            undone = _undone(ground)
            where = max(undone, key=undone.__getitem__)
            return undone[where] >= _UNDONE

        wait_until(enough, "what is sent while intake is away", 120)
        done = _committed(ground).get(where, 0)
        begin = done + _undone(ground)[where] // 2
        missing = asyncio.run(_between(ground, where, done, begin))
        asyncio.run(_trim(ground, {where: begin}))
        with ground.running.instead("intake", ["-m", "services.intake.app"]):
            said = _complaint(ground, "intake", "records are missing")
        # The operator's step, as the sentence says: the sender repeats them, and the group's offset is set.
        ground.running.send_records(where.topic, missing)
        asyncio.run(_set_offset(ground, where, begin))
        ground.load.was_hurt()
        for replica in range(ground.replicas):
            ground.stack.start_service("intake", replica)
    return (
        f"{len(missing)} records trimmed before they were done: stopped with {said!r}; after the operator's step it "
        "went on"
    )


def recreated(ground: Ground) -> str:
    """There is no way on but the log as it was: what is told stays right, and nothing more is told from the new one."""
    before = sum(asyncio.run(ends(ground.running.kafka, [FACTS])).values())
    with ground.load.flowing():
        time.sleep(1.5)
        asyncio.run(_recreate(ground))
        said = _complaint(ground, "eligibility", _RECREATED)
        assert _RECREATED in _complaint(ground, "holdover", _RECREATED)
    after = sum(asyncio.run(ends(ground.running.kafka, [FACTS])).values())
    return f"{FACTS} with {before} records and more deleted and made anew, by now with {after}: stopped with {said!r}"


def facts_partitions(ground: Ground) -> frozenset[TopicPartition]:
    return frozenset(asyncio.run(ends(ground.running.kafka, [FACTS])))


def _complaint(ground: Ground, service: str, words: str) -> str:
    """What the service says, once it says these words."""
    said = ""

    def says() -> bool:
        nonlocal said
        try:
            said = " ".join(ground.running.wrong(service).values())
        except httpx.HTTPError:
            return False
        return words in said

    wait_until(says, f"that {service} says {words!r}", 120)
    return said


def _committed(ground: Ground) -> dict[TopicPartition, int]:
    """How far intake told Kafka that it had done the upstream topics."""

    async def ask() -> dict[TopicPartition, int]:
        admin = AIOKafkaAdminClient(**ground.running.kafka.client())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(GROUP)
        finally:
            await admin.close()
        return {where: one.offset for where, one in offsets.items() if where.topic in UPSTREAM and one.offset > 0}

    return asyncio.run(ask())


def _undone(ground: Ground) -> dict[TopicPartition, int]:
    done = _committed(ground)
    return {where: end - done.get(where, 0) for where, end in asyncio.run(ends(ground.running.kafka, UPSTREAM)).items()}


async def _between(ground: Ground, where: TopicPartition, first: int, end: int) -> list[Line]:
    found = []
    async for one in read(ground.running.kafka, where.topic, [where.partition]):
        if first <= one.offset < end:
            found.append(Line(one.key, one.value, tuple(one.headers)))
    return found


async def _trim(ground: Ground, before: dict[TopicPartition, int]) -> None:
    admin = AIOKafkaAdminClient(**ground.running.kafka.client())
    await admin.start()
    try:
        await admin.delete_records({where: RecordsToDelete(before_offset=offset) for where, offset in before.items()})
    finally:
        await admin.close()


async def _set_offset(ground: Ground, where: TopicPartition, offset: int) -> None:
    """Refused until the group has no member: one that was killed is a member until its session ends."""
    for _ in range(60):
        consumer = AIOKafkaConsumer(**ground.running.kafka.client(), group_id=GROUP, enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign([where])
            await consumer.commit({where: offset})
            return
        except CommitFailedError:
            await asyncio.sleep(1)
        finally:
            await consumer.stop()
    raise AssertionError(f"the group {GROUP} has members")


async def _recreate(ground: Ground) -> None:
    admin = AIOKafkaAdminClient(**ground.running.kafka.client())
    await admin.start()
    try:
        await admin.delete_topics([FACTS])
        while FACTS in await admin.list_topics():  # noqa: ASYNC110  # only the broker knows
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    await ensure_topics(ground.running.kafka)
