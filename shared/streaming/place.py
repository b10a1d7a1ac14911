"""Where a partition goes on: where the store says, if the log still bears it out.

Kafka's committed offset is for lag monitors, and never a start. It is asked one thing only: whether a log that was
trimmed at its beginning was trimmed of nothing but what had been done.
"""

import asyncio
from typing import Any

import structlog
from aiokafka.structs import TopicPartition

from shared.streaming.consumer import Consumer
from shared.streaming.errors import Stop
from shared.streaming.records import Mark, Raw, digest
from shared.streaming.store import Store

log = structlog.get_logger()

COMMITTED_SECONDS = 10.0  # aiokafka itself would ask for ever


class Moved(Exception):
    """The store stands elsewhere than we thought: drop what is in hand and find the place again."""


async def find_place(runner: str, consumer: Consumer, store: Store[Any], partition: TopicPartition) -> Mark:
    """The mark to go on from; the store stands there too.

    Raises Stop when going on would skip records or take another log for ours, Moved when another owner is at work.
    """
    # The store before the log: a mark read later may be ahead of an end read earlier, and that proves nothing.
    mark = await store.mark(partition)
    begin = (await consumer.beginning_offsets([partition]))[partition]
    if mark is None or mark.next_offset < begin:
        await _check_trimmed_of_done(runner, consumer, partition, begin, mark)
        # Only over what was seen: a stale owner must not wipe out what a new one has done meanwhile.
        if not await store.restart(partition, begin, mark):
            raise Moved
        log.info("state begins anew at the log's start", runner=runner, partition=name(partition), offset=begin)
        mark = Mark(begin)
    end = (await consumer.end_offsets([partition]))[partition]
    if mark.next_offset > end:
        raise Stop(
            f"{runner} stands at offset {mark.next_offset} of {name(partition)}, but the log ends at {end}: "
            "was the topic recreated or restored? Restore the log, or rebuild the service."
        )
    if mark.last_offset < begin:
        mark.digest = b""  # the record that would prove the log is trimmed away
    return mark


async def _check_trimmed_of_done(
    runner: str, consumer: Consumer, partition: TopicPartition, begin: int, mark: Mark | None
) -> None:
    if begin == 0:
        return
    committed = await asyncio.wait_for(consumer.committed(partition), COMMITTED_SECONDS)
    if committed is None or committed < begin:
        done = committed if committed is not None else (mark.next_offset if mark else 0)
        raise Stop(
            f"{name(partition)} begins at offset {begin}, and {runner} had done the records only up to {done}: "
            "records are missing. Have the sender repeat them, then set the group's offset."
        )


def check_proof(runner: str, partition: TopicPartition, proof: tuple[int, bytes], first: Raw) -> None:
    """Stop unless the log still holds the record that the stored state came from."""
    offset, seen = proof
    if first.offset != offset or digest(first) != seen:
        raise Stop(
            f"{name(partition)} does not hold at offset {offset} the record that {runner} took there: "
            "was the topic recreated or restored? Restore the log, or rebuild the service."
        )


def name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
