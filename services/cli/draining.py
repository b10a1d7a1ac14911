"""Waiting until everything sent has gone all the way: upstream to facts, decisions, money events, postings."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from services.cli.installation import Installation
from services.cli.log import partition_numbers
from services.cli.terminal import CommandError
from shared.contracts.topics import (
    COMMANDS,
    DECISIONS,
    FACTS,
    LEDGER_EXEMPTIONS,
    LEDGER_REFUNDS,
    OPERATIONS,
    UPSTREAM,
)

LEDGER = "relief-ledger"
# What each consumer group reads, in the order in which records pass, so that one clean pass over all means drained.
# Not here: intake's group for the status of applications, which nothing waits for, and packs, read outside any group.
GROUPS = {
    "relief-intake": ("intake", (*UPSTREAM, OPERATIONS)),
    "relief-eligibility": ("eligibility", (FACTS,)),
    "relief-holdover-facts": ("holdover", (FACTS,)),
    "relief-payments-commands": ("payments", (COMMANDS,)),
    "relief-payments": ("payments", (DECISIONS,)),
    "relief-holdover-decisions": ("holdover", (DECISIONS,)),
    LEDGER: ("ledger", (LEDGER_EXEMPTIONS, LEDGER_REFUNDS)),
}
POLL_SECONDS = 0.2
# A service that says it is in trouble is given this long to help itself; one that says nothing, longer.
TROUBLED_SECONDS, SILENT_SECONDS = 20.0, 120.0


async def drained(found: Installation) -> None:
    """Return when no group lags and the relay has nothing to publish; CommandError when nothing moves for long."""
    admin = AIOKafkaAdminClient(**found.kafka.client())
    # The first look at a topic is always "not known yet, try again", and there are a dozen.
    consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(**found.kafka.client(), retry_backoff_ms=10)
    await admin.start()
    await consumer.start()
    try:
        numbers = await partition_numbers(found.kafka, [name for _, names in GROUPS.values() for name in names])
        last, moved = None, time.monotonic()
        while True:
            lags, unrelayed = {}, 0
            for group in GROUPS:
                if group == LEDGER:  # what the relay publishes after the ledger was asked, nobody would wait for
                    unrelayed = await asyncio.to_thread(_unrelayed, found)
                lags[group] = await lag(admin, consumer, group, numbers)
            unrelayed += await asyncio.to_thread(_to_come, found)
            if unrelayed == 0 and not any(lags.values()):
                return
            if (lags, unrelayed) != last:
                last, moved = (lags, unrelayed), time.monotonic()
            silent = time.monotonic() - moved
            wrong = await asyncio.to_thread(found.wrong) if silent > TROUBLED_SECONDS else ""
            if wrong or silent > SILENT_SECONDS:
                waiting = ", ".join(f"{GROUPS[group][0]} has {lag:,} to do" for group, lag in lags.items() if lag)
                raise CommandError(f"Nothing has moved for {silent:.0f} seconds: {waiting}. {wrong}See `relief logs`.")
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await consumer.stop()
        await admin.close()


async def lag(
    admin: AIOKafkaAdminClient, consumer: "AIOKafkaConsumer[bytes, bytes]", group: str, numbers: dict[str, list[int]]
) -> int:
    """Records of the group's topics that it has not yet told Kafka to be done."""
    partitions = [TopicPartition(name, n) for name in GROUPS[group][1] for n in numbers[name]]
    ends = await consumer.end_offsets(partitions)
    done = await admin.list_consumer_group_offsets(group)
    return sum(end - max(0, done[where].offset if where in done else 0) for where, end in ends.items())


def _unrelayed(found: Installation) -> int:
    totals = found.get("payments", "/v1/totals")
    return int(totals["events_told"] - totals["events_relayed"])


def _to_come(found: Installation) -> int:
    """What holdover has not told the topic yet, and enterprises to which its days still bring something."""
    totals = found.get("holdover", "/v1/totals")
    return int(totals["events_told"] - totals["events_relayed"] + totals["waiting"])
