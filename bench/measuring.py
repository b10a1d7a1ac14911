"""What benchmarks share: the end of a log, who used how much of a processor, and a line printed."""

import asyncio
import sys

import psutil
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from services.cli.draining import GROUPS, lag
from services.cli.log import partition_numbers
from shared.contracts.topics import topics
from shared.streaming.kafka_access import KafkaAccess

WORTH_TELLING = 0.2
SERVICES = ("intake", "eligibility", "payments", "ledger", "holdover")


def decided(kafka: KafkaAccess) -> None:
    """Wait until intake and eligibility have read all there is."""
    asyncio.run(_decided(kafka))


async def _decided(kafka: KafkaAccess) -> None:
    admin, consumer = AIOKafkaAdminClient(**kafka.client()), AIOKafkaConsumer(**kafka.client())
    await admin.start()
    await consumer.start()
    try:
        groups = ("relief-intake", "relief-eligibility")
        numbers = await partition_numbers(kafka, [name for group in groups for name in GROUPS[group][1]])
        # In this order: one clean pass over both means that nothing is between them.
        while True:
            if not any([await lag(admin, consumer, group, numbers) for group in groups]):
                return
            await asyncio.sleep(1)
    finally:
        await consumer.stop()
        await admin.close()


async def ends(kafka: KafkaAccess, topic: str) -> int:
    """How many records a topic of ours has."""
    consumer = AIOKafkaConsumer(**kafka.client())
    await consumer.start()
    try:
        numbers = range(topics()[topic].partitions)
        found = await consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
        return sum(int(end) for end in found.values())
    finally:
        await consumer.stop()


def processes() -> dict[str, float]:
    """Processor seconds of this stack's processes so far, by what they are."""
    spent: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True) + [p for p in psutil.process_iter() if p.ppid() == 1]:
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        name = what(process.name(), line)
        if name is not None:
            spent[name] = spent.get(name, 0.0) + times.user + times.system + times.children_user + times.children_system
    return spent


def what(name: str, line: str) -> str | None:
    for service in SERVICES:
        if f"services.{service}.app" in line:
            return service
    if "kafka" in line and "java" in name:
        return "kafka"
    return "postgres" if name.startswith("postgres") else None


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_spent(before: dict[str, float], after: dict[str, float], count: int, each: str) -> None:
    """Who used how much of a processor between two looks, in all and per one of `count`."""
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    for name, used in sorted(spent.items(), key=lambda item: -item[1]):
        if used > WORTH_TELLING:
            say(f"  {name:<12}{used:6.1f} s of processor, {used / count * 1e6:6.0f} us per {each}")
