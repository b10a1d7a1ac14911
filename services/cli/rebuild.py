"""`relief rebuild`: a service's derived state is dropped, and the service derives it again from the log."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.stack import Stack
from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation, run
from services.cli.log import partition_numbers
from services.cli.terminal import CommandError, bar, err, print_json, sentence_on_failure
from shared.contracts.topics import DECISIONS, FACTS, OPERATIONS, UPSTREAM
from shared.streaming.errors import Retry
from shared.streaming.redis_store import RedisStore, connect

# What each service derives: the name of its store, and the logs it derives it from.
DERIVED = {
    "intake": (("intake", (*UPSTREAM, OPERATIONS)), ("relief-intake-status", (DECISIONS,))),
    "eligibility": (("eligibility", (FACTS,)),),
}
KEPT = ("payments", "holdover", "ledger")
POLL_SECONDS = 0.5
SILENT_SECONDS = 60.0

Progress = Callable[[float], None]
Place = tuple[RedisStore[bytes], TopicPartition]


def register(app: typer.Typer) -> None:
    app.command("rebuild")(rebuild)


@sentence_on_failure
def rebuild(
    service: Annotated[str, typer.Argument(help="intake or eligibility")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Drop what a service derived from the log, and have it derived again. It goes on running meanwhile.

    What it tells again has the same ids and the same bytes as before.
    """
    if service in KEPT:
        raise CommandError(
            f"{service} keeps in PostgreSQL what was promised and told; it is restored from a backup, never rebuilt."
        )
    if service not in DERIVED:
        raise CommandError(f"There is no service {service} with derived state; there are {', '.join(DERIVED)}.")
    site, redis = installation(state), Stack(state).status().redis
    if redis is None:
        raise CommandError(f"Redis of the stack in {state} does not run; see `relief status`.")
    began = time.monotonic()
    with bar(f"rebuilding {service}", 1.0) as progress:
        records = run(
            _rebuild(site, redis, service, lambda done: progress.update(progress.task_ids[0], completed=done))
        )
    seconds = time.monotonic() - began
    if as_json:
        print_json({"service": service, "records": records, "seconds": round(seconds, 3)})
    else:
        err.print(f"{service} has derived its state again, from {records:,} records in {seconds:.1f} seconds.")


async def _rebuild(site: Installation, url: str, service: str, on_progress: Progress) -> int:
    redis = connect(url)
    # It joins no group; the first look at a topic is always "not known yet, try again".
    consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(bootstrap_servers=site.kafka, retry_backoff_ms=10)
    try:
        await consumer.start()
        places = await _places(site, redis, service)
        logs = [where for _, where in places]
        await _check_whole(consumer, logs, service)
        ends = await consumer.end_offsets(logs)
        await redis.unlink(*(store.key(where) for store, where in places))
        await _wait(site, places, ends, on_progress)
        return sum(ends.values())
    except (KafkaError, RedisError, OSError, Retry) as error:
        raise CommandError(f"Kafka or Redis does not answer: {error!r}; see `relief status`.") from error
    finally:
        await consumer.stop()
        await redis.aclose()


async def _places(site: Installation, redis: "Redis", service: str) -> list[Place]:
    derived = DERIVED[service]
    numbers = await partition_numbers(site.kafka, [topic for _, topics in derived for topic in topics])
    return [
        (store, TopicPartition(topic, number))
        for name, topics in derived
        for store in [RedisStore[bytes](redis, name, bytes, bytes)]
        for topic in topics
        for number in numbers[topic]
    ]


async def _check_whole(consumer: "AIOKafkaConsumer[bytes, bytes]", logs: list[TopicPartition], service: str) -> None:
    """What is derived from records that are gone cannot be derived again, and would be missing."""
    for where, begin in (await consumer.beginning_offsets(logs)).items():
        if begin:
            raise CommandError(
                f"{where.topic}/{where.partition} begins at offset {begin}: its older records are trimmed, and what "
                f"{service} knows of them would be lost. Restore Redis from its own files instead."
            )


async def _wait(
    site: Installation, places: list[Place], ends: dict[TopicPartition, int], on_progress: Progress
) -> None:
    """Until the service has come as far as the logs went when it was told to begin again."""
    total, last, moved = max(1, sum(ends.values())), -1, time.monotonic()
    while True:
        marks = {where: await store.mark(where) for store, where in places}
        done = sum(min(ends[where], mark.next_offset) for where, mark in marks.items() if mark is not None)
        on_progress(done / total)
        if done >= sum(ends.values()):
            return
        if done != last:
            last, moved = done, time.monotonic()
        if time.monotonic() - moved > SILENT_SECONDS:
            wrong = await asyncio.to_thread(site.wrong)
            raise CommandError(
                f"Nothing has moved for {SILENT_SECONDS:.0f} seconds, at {done:,} of {total:,} records. {wrong}"
                "It goes on as soon as the service does; see `relief logs`."
            )
        await asyncio.sleep(POLL_SECONDS)
