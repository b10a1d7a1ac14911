"""The HTTP API on a real Redis, for this service's tests; a fake publisher stands for Kafka's acknowledgement."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka.structs import TopicPartition
from fastapi import APIRouter, FastAPI
from redis.exceptions import RedisError

from services.intake import api, status
from services.intake.cases import CONTACT, STRUCTURED, Partition, enterprise
from services.intake.handlers import IntakeFold, decode_state, encode_state
from services.intake.ruling import State
from services.intake.status import Decided, status_key
from services.intake.submissions import Submissions
from shared.contracts.topics import APPLICATIONS, DECISIONS, topics
from shared.devkeys import issue_development_token
from shared.gate_cases import development_gate
from shared.observability.health import Health
from shared.streaming.records import Mark, Output, Record, partition_of
from shared.streaming.redis_store import RedisStore, connect
from shared.streaming.runner import Publishes
from shared.web import build_app

A, B = enterprise(1), enterprise(2)
KEY = "key-00000001"
HOLDOVER: dict[str, Any] = {
    "kind": "holdover",
    "uscc": A,
    "utilities": ["electricity", "gas"],
    "declared_difficulty": True,
    "contact": CONTACT,
}
NEED: dict[str, Any] = {
    "kind": "need",
    "uscc": A,
    "measure": "masks",
    "details": {"pieces": 200, "by": "March"},
    "contact": "Li Ming",
}


class Kafka:
    """Acknowledges and keeps; with `away`, raises that. With `forward`, what that publisher says goes first."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.forward: Publishes | None = None
        self.outputs: list[Output] = []

    async def publish(self, outputs: Sequence[Output]) -> None:
        if self.away is not None:
            raise self.away
        if self.forward is not None:
            await self.forward.publish(outputs)
        self.outputs += outputs


@dataclass(slots=True)
class Desk:
    """The API as it is served, and what stands behind it."""

    http: httpx.AsyncClient
    kafka: Kafka
    redis: Any
    facts: RedisStore[State]
    decided: RedisStore[Decided]
    secrets: Path
    # What the clock shows; a test may set it.
    time: list[str]

    def bearer(self, role: str = "enterprise", uscc: str | None = A, subject: str = "someone") -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_development_token(self.secrets, role, subject, uscc)}"}

    async def apply(self, body: Any = HOLDOVER, key: str | None = KEY, **who: Any) -> httpx.Response:
        headers = self.bearer(**who) | ({} if key is None else {"Idempotency-Key": key})
        return await self.http.post("/v1/applications", json=body, headers=headers)

    async def status(self, application_id: str, **who: Any) -> httpx.Response:
        return await self.http.get(f"/v1/applications/{application_id}", headers=self.bearer(**who))

    async def take(self, fold: IntakeFold) -> list[str]:
        """What intake's consumer would do with the records published so far."""
        partition = Partition(fold)
        codes = []
        for offset, output in enumerate(self.kafka.outputs):
            codes += partition.codes(Record(APPLICATIONS, 0, offset, output.key, output.value, STRUCTURED))
        where = TopicPartition(APPLICATIONS, self.kafka.outputs[0].partition)
        states = {key: decode_state(value) for key, value in partition.stored.items()}
        assert await self.facts.write(where, None, Mark(len(codes)), states)
        return codes

    async def decide(self, application_id: str, outcome: str) -> None:
        where = TopicPartition(DECISIONS, partition_of(A.encode(), topics()[DECISIONS].partitions))
        found = Decided(1, outcome, [("NO_DIFFICULTY", "原因", "why")] if outcome != "granted" else [])
        stored = await self.decided.mark(where)
        before = None if stored is None else stored.next_offset
        assert await self.decided.write(where, before, Mark((before or 0) + 1), {status_key(A, application_id): found})


@asynccontextmanager
async def serving(*routers: APIRouter) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application as every service serves it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = build_app("relief intake", lifespan, Health(), routers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        yield client


@asynccontextmanager
async def open_desk(redis_url: str, secrets: Path) -> AsyncIterator[Desk]:
    """The API over this Redis, emptied before."""
    redis = connect(redis_url)
    with contextlib.suppress(RedisError):
        await redis.flushall()
    facts = RedisStore(redis, "intake", encode_state, decode_state)
    decided = RedisStore(redis, "intake-status", status.encode_state, status.decode_state)
    kafka, time = Kafka(), ["2020-03-02T10:00:00+08:00"]
    gate = development_gate(secrets, redis_url, "intake")
    router = api.routes(
        Submissions(redis), facts, decided, kafka, gate, b"k" * 32,
        now=lambda: datetime.fromisoformat(time[0]),
    )  # fmt: skip
    async with serving(router) as client:
        yield Desk(client, kafka, redis, facts, decided, secrets, time)
    await gate.close()
    await redis.aclose()


def problem(answer: httpx.Response, expected: int) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (expected, "application/problem+json"), body
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == expected
    return body
