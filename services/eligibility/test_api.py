"""The read API on a real Redis: who reads what, and what it says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.structs import TopicPartition
from fastapi import FastAPI

from services.eligibility import api, packs
from services.eligibility.cases import PACK, A, enterprise
from services.eligibility.fact_cases import Partition, assessed, day, pack, paid, registered
from services.eligibility.handlers import EligibilityFold, decode_state, encode_state
from shared.contracts.topics import FACTS
from shared.devkeys import issue_development_token
from shared.gate_cases import development_gate
from shared.ids import decision_id
from shared.observability.health import Health
from shared.streaming.records import Mark
from shared.streaming.redis_store import RedisStore, connect
from shared.web import build_app

pytestmark = pytest.mark.integration
B = enterprise(2)
Ask = Callable[..., Any]


@asynccontextmanager
async def serving(redis_url: str, secrets: Path) -> AsyncIterator[Ask]:
    redis, gate = connect(redis_url), development_gate(secrets, redis_url, "eligibility")
    store = RedisStore(redis, "eligibility", encode_state, decode_state)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = build_app("relief", lifespan, Health(), (api.routes(store, packs.by_hash, gate),))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://eligibility") as client:

        async def ask(uscc: str = A, role: str | None = "auditor", own: str | None = None) -> httpx.Response:
            token = issue_development_token(secrets, role, "someone", own) if role is not None else ""
            return await client.get(f"/v1/enterprises/{uscc}", headers={"Authorization": f"Bearer {token}"})

        yield ask
    await gate.close()
    await redis.aclose()


@pytest.fixture
async def ask(redis_url: str, secrets: Path) -> AsyncIterator[Ask]:
    """The API over an enterprise with an exemption and a return."""
    partition = Partition(EligibilityFold(packs.by_hash))
    taken = registered(1)
    partition.take(pack(), taken, assessed(1000, 2), paid(1000, 3), assessed(900, 4, version=2), day("2020-03-01", 5))
    redis = connect(redis_url)
    await redis.flushall()
    store = RedisStore(redis, "eligibility", encode_state, decode_state)
    assert await store.write(TopicPartition(FACTS, taken.partition), None, Mark(6), partition.states())
    await redis.aclose()
    async with serving(redis_url, secrets) as asking:
        yield asking


async def test_what_is_known_and_decided(ask: Ask) -> None:
    told = (await ask()).json()
    assert (told["uscc"], told["as_of"], told["deregistered_on"]) == (A, "2020-03-01", None)
    (registration,) = told["registrations"]
    assert (registration["employees"], registration["payee_known"]) == (50, True)
    returned, waived = told["decisions"]
    assert (waived["measure"], waived["outcome"], waived["amount_fen"], waived["revision"]) == (
        "exemption", "granted", 900, 2,
    )  # fmt: skip
    assert waived["decision_id"] == decision_id(A, "exemption", "pension/2020-02", 2)
    assert waived["written"] == {"outcome": "granted", "amount_fen": 900}
    assert waived["policy"]["sha256"] == PACK.ref.sha256
    assert (returned["measure"], returned["amount_fen"]) == ("contribution_return", 1000)


async def test_no_payee_is_told_not_even_sealed(ask: Ask) -> None:
    text = (await ask()).text
    assert "e30" not in text
    assert "digest" not in text


@pytest.mark.parametrize("role", ["liaison", "preparer", "approver", "auditor", "operator", "service"])
async def test_officers_read_any_enterprise(ask: Ask, role: str) -> None:
    assert (await ask(A, role)).status_code == 200


@pytest.mark.parametrize(
    ("uscc", "role", "own", "status"),
    [
        (A, "enterprise", A, 200),
        (A, "enterprise", B, 403),
        (A, "enterprise", None, 403),
        (B, "enterprise", A, 403),
        (A, None, None, 401),
        (B, "auditor", None, 404),
        ("@in_force", "auditor", None, 422),
        ("@next", "auditor", None, 422),
        (A[:-1] + "0", "auditor", None, 422),
    ],
)
async def test_who_may_read_what(ask: Ask, uscc: str, role: str | None, own: str | None, status: int) -> None:
    answer = await ask(uscc, role, own)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert A[:-1] not in answer.text.replace(f"/{uscc}", ""), "nothing of the record"


async def test_503_while_redis_is_away(secrets: Path) -> None:
    async with serving("redis://127.0.0.1:1/0", secrets) as asking:
        answer = await asking()
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/store-unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def test_too_many_requests_are_429(ask: Ask) -> None:
    answers = [await ask() for _ in range(601)]
    assert (answers[599].status_code, answers[600].status_code) == (200, 429)
    assert int(answers[600].headers["retry-after"]) >= 1
