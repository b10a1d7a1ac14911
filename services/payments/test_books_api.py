"""Whole enterprises by the page, on real tables."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.payments import books_api
from services.payments.cases import enterprise
from services.payments.every_case import ALL, LOWERED, MOVED, RECOVERED, WAIVED, live_every_life, payment
from services.payments.office_cases import Office, open_office
from shared import problems
from shared.contracts import topics
from shared.devkeys import issue_development_token
from shared.gate_cases import development_gate
from shared.ids import clawback_id, payment_id

pytestmark = pytest.mark.integration
Ask = Callable[..., Any]


@pytest.fixture
async def office(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, secrets, tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
async def client(office: Office, secrets: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(books_api.routes(office.pool, development_gate(secrets)))
    headers = {"Authorization": f"Bearer {issue_development_token(secrets, 'auditor', 'someone', None)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://payments", headers=headers) as client:
        yield client


async def ask(client: httpx.AsyncClient, **parameters: Any) -> Any:
    answer = await client.get("/v1/books", params=parameters)
    assert answer.status_code == 200, answer.text
    return books_api.Books.model_validate_json(answer.content).model_dump(mode="json")


async def test_every_life_is_in_the_books(office: Office, client: httpx.AsyncClient) -> None:
    await live_every_life(office)
    page = await ask(client)
    assert [one["uscc"] for one in page["enterprises"]] == sorted(ALL)
    assert page["next_after"] is None
    by_uscc = {one["uscc"]: one for one in page["enterprises"]}
    assert by_uscc[WAIVED] == {
        "uscc": WAIVED,
        "exemptions": [{"key": "pension/2020-02", "revision": 4, "amount_fen": 20}],
        "refunds": [],
        "payments": [],
        "clawbacks": [],
    }
    paid = await payment(office, RECOVERED)
    receipts = [
        {"bank_reference": reference, "amount_fen": fen} for reference, fen in (("R1", 100), ("R2", 50), ("R3", 7))
    ]
    assert by_uscc[RECOVERED] == {
        "uscc": RECOVERED,
        "exemptions": [],
        "refunds": [{"measure": "refund", "key": "2019", "revision": 2, "amount_fen": 400}],
        "payments": [
            {"measure": "refund", "key": "2019", "payment_id": paid, "amount_fen": 700, "state": "settled",
             "held_for": None, "submitted": True, "clawed_fen": 300},
        ],
        "clawbacks": [
            {"payment_id": paid, "clawback_id": clawback_id(paid, 1), "amount_fen": 300, "settled_fen": 150,
             "written_off_fen": 150, "receipts": receipts},
        ],
    }  # fmt: skip
    assert [(one["state"], one["submitted"]) for one in by_uscc[MOVED]["payments"]] == [
        ("cancelled", True),
        ("authorised", False),
    ]
    assert [(one["payment_id"], one["amount_fen"]) for one in by_uscc[LOWERED]["payments"]] == [
        (payment_id(LOWERED, "refund", "2019", 1), 500)
    ]


async def test_pages_meet_and_named_enterprises_come_alone(office: Office, client: httpx.AsyncClient) -> None:
    await live_every_life(office)
    whole = (await ask(client))["enterprises"]
    paged: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = await ask(client, after=after, limit=4)
        paged += page["enterprises"]
        after = page["next_after"]
    assert paged == whole
    named = await ask(client, uscc=[RECOVERED, enterprise(99)])
    assert [one["uscc"] for one in named["enterprises"]] == [RECOVERED, enterprise(99)]
    assert named["enterprises"][0] == whole[sorted(ALL).index(RECOVERED)]
    assert named["enterprises"][1]["refunds"] == []
    assert named["next_after"] is None


async def test_a_page_says_how_far_the_logs_were_read(office: Office, client: httpx.AsyncClient) -> None:
    before = await ask(client)
    await office.decide(RECOVERED, 1, 700)
    after = await ask(client)
    moved = {
        (new["topic"], new["partition"]): new["next_offset"] - old["next_offset"]
        for old, new in zip(before["places"], after["places"], strict=True)
        if new != old
    }
    assert moved == {(topics.DECISIONS, 3): 1}
    assert (after["events_told"], after["events_relayed"]) == (before["events_told"] + 1, 0)


@pytest.mark.parametrize(
    ("role", "status"), [("operator", 200), ("service", 200), ("approver", 403), ("preparer", 403)]
)
async def test_who_may_read(client: httpx.AsyncClient, secrets: Path, role: str, status: int) -> None:
    token = issue_development_token(secrets, role, "someone", None)
    answer = await client.get("/v1/books", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert (await client.get("/v1/books", headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "uscc=1", "&".join(f"uscc={enterprise(n)}" for n in range(101))]
)
async def test_what_cannot_be_asked(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/books?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
