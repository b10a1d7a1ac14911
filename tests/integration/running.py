"""A running installation that tests hurt: what is sent to it, how far it has come, and how its processes end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import httpx
import psycopg
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from deploy.local.stack import ROOT, Stack
from services.cli.installation import Installation, installation
from services.cli.log import Sendable, partition_numbers, send
from shared.contracts.topics import (
    COMMANDS,
    DECISIONS,
    FACTS,
    LEDGER_EXEMPTIONS,
    LEDGER_REFUNDS,
    OPERATIONS,
    UPSTREAM,
)
from shared.streaming import redis_store
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.redis_store import RedisStore
from tests.integration.region import Upstream

SETTLE_SECONDS = 90.0
# In the order in which records pass, with where each service's place is durably kept.
STAGES: dict[str, tuple[str, ...]] = {
    "intake": (*UPSTREAM, OPERATIONS),
    "eligibility": (FACTS,),
    "holdover": (FACTS, DECISIONS),
    "payments": (DECISIONS, COMMANDS),
    "ledger": (LEDGER_EXEMPTIONS, LEDGER_REFUNDS),
}
IN_REDIS = frozenset({"intake", "eligibility"})


@dataclass(slots=True)
class Running:
    """`spoilt`: a test left something in it that others would trip over."""

    stack: Stack
    spoilt: bool = False

    @property
    def found(self) -> Installation:
        return installation(self.stack.state)

    @property
    def environment(self) -> dict[str, str]:
        return self.stack.environment()

    @property
    def kafka(self) -> KafkaAccess:
        return self.stack.kafka()

    def send(self, region: Iterable[Upstream]) -> None:
        for topic, group in groupby(region, key=lambda one: one.topic):
            self.send_records(topic, [one.record for one in group])

    def send_records(self, topic: str, records: Iterable[Sendable]) -> None:
        asyncio.run(send(self.kafka, topic, records, lambda _: None))

    def settle(
        self,
        last: str = "ledger",
        but: frozenset[TopicPartition] = frozenset(),
        seconds: float = SETTLE_SECONDS,
    ) -> None:
        """Returns when every service up to `last` stands, in its own store, at the end of all it reads (but for some
        partitions), and payments has published all it has to tell. An AssertionError says who does not get there."""
        asyncio.run(self._settle(last, but, seconds))

    async def _settle(self, last: str, but: frozenset[TopicPartition], seconds: float) -> None:
        names = list(STAGES)[: list(STAGES).index(last) + 1]
        redis = redis_store.connect(self.environment["RELIEF_REDIS_URL"])
        numbers = await partition_numbers(self.kafka, [topic for name in names for topic in STAGES[name]])
        parts = {
            name: [
                part for topic in STAGES[name] for n in numbers[topic] if (part := TopicPartition(topic, n)) not in but
            ]
            for name in names
        }
        consumer = AIOKafkaConsumer(**self.kafka.client(), retry_backoff_ms=10)
        await consumer.start()
        deadline = time.monotonic() + seconds
        try:
            while True:
                # In this order, so that one pass with nobody behind means that nothing is under way.
                behind = [await self._behind(name, await consumer.end_offsets(parts[name]), redis) for name in names]
                if not any(behind):
                    return
                if time.monotonic() > deadline:
                    late = [f"{name} has {n} records to do" for name, n in zip(names, behind, strict=True) if n]
                    raise AssertionError(f"not settled in {seconds:.0f} s: {', '.join(late)}. {self.found.wrong()}")
                await asyncio.sleep(0.1)
        finally:
            await consumer.stop()
            await redis.aclose()

    async def _behind(self, name: str, ends: dict[TopicPartition, int], redis: "Redis") -> int:
        if name in IN_REDIS:
            store: RedisStore[bytes] = RedisStore(redis, name, bytes, bytes)
            marks = {part: await store.mark(part) for part in ends}
            return sum(end - (mark.next_offset if (mark := marks[part]) else 0) for part, end in ends.items())
        places, untold = self._in_postgres(name)
        return untold + sum(end - places.get((part.topic, part.partition), 0) for part, end in ends.items())

    def _in_postgres(self, name: str) -> tuple[dict[tuple[str, int], int], int]:
        with psycopg.connect(self.environment["RELIEF_POSTGRES_URL"], autocommit=True) as db:
            rows = db.execute(f"SELECT topic, partition, next_offset FROM {name}.inbox").fetchall()
            pointers = f"SELECT c.last - p.relayed FROM {name}.outbox_counter c, {name}.outbox_pointer p"
            untold = db.execute(pointers).fetchone() if name != "ledger" else (0,)
            if name == "holdover" and untold is not None:
                # What days that have started still bring, by the clock.
                due = db.execute(
                    "SELECT count(*) FROM holdover.enterprise e JOIN holdover.days d USING (partition)"
                    " WHERE e.next_due <= least(d.known, d.decided)"
                ).fetchone()
                untold = (untold[0] + (due[0] if due else 0),)
        assert untold is not None
        return {(topic, partition): offset for topic, partition, offset in rows}, int(untold[0])

    def flush_redis(self) -> None:
        async def flush() -> None:
            redis = redis_store.connect(self.environment["RELIEF_REDIS_URL"])
            await redis.flushall()
            await redis.aclose()

        asyncio.run(flush())

    def ends(self, topic: str) -> int:
        """How many records the topic has had."""

        async def count() -> int:
            consumer = AIOKafkaConsumer(**self.kafka.client(), retry_backoff_ms=10)
            await consumer.start()
            try:
                numbers = await partition_numbers(self.kafka, [topic])
                ends = await consumer.end_offsets([TopicPartition(topic, n) for n in numbers[topic]])
                return sum(int(end) for end in ends.values())
            finally:
                await consumer.stop()

        return asyncio.run(count())

    def url(self, service: str, replica: int = 0) -> str:
        port = self.stack.environment(service, replica)["RELIEF_HTTP_PORT"]
        return f"http://127.0.0.1:{port}"

    def metric(self, name: str, service: str, replica: int = 0, **labels: str) -> float:
        """Sum of the samples of this name that have these labels; 0 without any."""
        text = httpx.get(f"{self.url(service, replica)}/metrics", timeout=10, trust_env=False).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wrong(self, service: str) -> dict[str, str]:
        """What the service says keeps it from being ready."""
        answer = httpx.get(f"{self.url(service)}/readyz", timeout=10, trust_env=False)
        sentences: dict[str, str] = answer.json()["wrong"]
        assert answer.status_code == (503 if sentences else 200)
        return sentences

    def doomed(self, service: str, crash_at: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """The first replica of a service, in place of the process manager's, that hurts itself at a named point."""
        return self.instead(service, ["-m", f"services.{service}.app"], RELIEF_CRASH_AT=crash_at)

    @contextmanager
    def instead(self, service: str, arguments: list[str], **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """In place of a service's first replica, Python with these arguments and further settings, until we leave."""
        self.stack.stop_service(service)
        environment = self.stack.environment(service) | settings
        command = [sys.executable, *arguments]
        with (self.stack.state / "logs" / f"instead-of-{service}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
                process.wait()


def bring_up(state: Path, environ: dict[str, str]) -> Stack:
    """The whole local stack with all services, ready, on ports of its own; it dies with this process."""
    stack = Stack(state, prefer_defaults=False, environ=environ)
    stack.up(stay=False)
    return stack
