"""Whole enterprises by the page, on real tables."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.holdover import books_api
from services.holdover.cases import FUND, POWER, USCC, WATER, Logs, enterprise
from services.holdover.domain.enterprise import Held
from services.holdover.domain.identity import holdover_id
from services.holdover.store.test_rows import commit, story, told
from shared import problems
from shared.contracts import topics
from shared.devkeys import issue_development_token, write_development_keys
from shared.gate_cases import development_gate
from shared.streaming.postgres_store import PostgresStore

pytestmark = pytest.mark.integration
Store = PostgresStore[Held]
POWER_ID = holdover_id(USCC, POWER)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    write_development_keys(tmp_path)
    return tmp_path


@pytest.fixture
async def client(store: Store, secrets: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(books_api.routes(store.pool, development_gate(secrets)))
    headers = {"Authorization": f"Bearer {issue_development_token(secrets, 'auditor', 'someone', None)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://holdover", headers=headers) as client:
        yield client


async def ask(client: httpx.AsyncClient, **parameters: Any) -> Any:
    answer = await client.get("/v1/books", params=parameters)
    assert answer.status_code == 200, answer.text
    return books_api.Books.model_validate_json(answer.content).model_dump(mode="json")


async def test_a_whole_life_is_in_the_books(store: Store, client: httpx.AsyncClient) -> None:
    await commit(store, story(Logs()))
    page = await ask(client)
    (books,) = page["enterprises"]
    assert books["uscc"] == USCC
    assert books["applications"] == [
        {"application_id": "a1", "utilities": ["electricity", "provident_fund"], "submitted_on": "2020-02-10",
         "outcome": "granted", "withdrawn_on": None},
        {"application_id": "a2", "utilities": None, "submitted_on": None, "outcome": "undecided",
         "withdrawn_on": "2020-04-01"},
    ]  # fmt: skip
    power, fund, water = books["accounts"]
    order = power.pop("order")
    events = [one for one in await told(store) if one.data.holdover_id == POWER_ID]
    last = [one.data for one in events if one.type == "relief.holdover.supply_protected.v1"][-1]
    assert order == {
        "order_id": last.order_id,
        "from_on": last.from_on.isoformat(),
        "until_on": last.until_on.isoformat(),
        "signature": last.signature,
    }
    assert power == {
        "holdover_id": POWER_ID, **POWER._asdict(), "state": "repaying", "application_id": "a1",
        "begun_on": "2020-02-01", "bills_fen": 1160, "lowered_fen": 41, "repaid_fen": 600, "open_fen": 519,
        "surplus_fen": 0, "instalments": 6, "events": len(events),
    }  # fmt: skip
    assert (fund["utility"], fund["state"], fund["order"]) == (FUND.utility, "defaulted", None)
    assert (water["utility"], water["state"], water["events"]) == (WATER.utility, "none", 0)
    assert [(one["bill_id"], one["version"], one["left_out"], one["paid_fen"]) for one in books["bills"]] == [
        ("b1", 2, None, 601), ("b2", 1, "not_production", 0), ("b3", 1, "outside_window", 0), ("b9", 1, None, 40),
        ("f1", 1, None, 0), ("w1", 1, "no_grant", 0),
    ]  # fmt: skip
    assert books["bills"][0] == {
        "bill_id": "b1", "holdover_id": POWER_ID, "version": 2, "period": "2020-04", "due_on": "2020-04-20",
        "amount_fen": 1100, "production_use": True, "left_out": None, "paid_fen": 601,
    }  # fmt: skip
    assert books["payments"][0] == {
        "payment_id": "p0", "bill_id": "b9", "amount_fen": 40, "paid_on": "2020-02-03"
    }  # fmt: skip
    assert [one for one in books["instalments"] if one["holdover_id"] == POWER_ID][:1] == [
        {"holdover_id": POWER_ID, "number": 1, "due_on": "2020-07-31", "amount_fen": 174, "paid_fen": 174}
    ]
    assert len(books["instalments"]) == 12
    assert [(one["request_id"], one["answer"], one["holdover_id"]) for one in books["answers"]] == [
        ("r1", "refused", POWER_ID), ("r2", "refused", POWER_ID), ("r3", "allowed", POWER_ID)
    ]  # fmt: skip


async def test_pages_meet_and_named_enterprises_come_alone(store: Store, client: httpx.AsyncClient) -> None:
    logs = Logs()
    everybody = sorted(enterprise(number) for number in range(1, 8))
    await commit(store, [logs.bill(f"b{number}", 100, uscc=uscc) for number, uscc in enumerate(everybody)])
    whole = (await ask(client))["enterprises"]
    assert [one["uscc"] for one in whole] == everybody
    paged: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = await ask(client, after=after, limit=3)
        paged += page["enterprises"]
        after = page["next_after"]
    assert paged == whole
    named = await ask(client, uscc=[everybody[4], enterprise(99)])
    assert named["enterprises"][0] == whole[4]
    assert (named["enterprises"][1]["uscc"], named["enterprises"][1]["bills"]) == (enterprise(99), [])
    assert named["next_after"] is None


async def test_a_page_says_how_far_the_logs_were_read(store: Store, client: httpx.AsyncClient) -> None:
    before = await ask(client)
    logs = Logs()
    await commit(store, [logs.applied("a1"), logs.bill("b1", 1000), logs.decided("a1")])
    after = await ask(client)
    moved = {
        (new["topic"], new["partition"]): new["next_offset"] - old["next_offset"]
        for old, new in zip(before["places"], after["places"], strict=True)
        if new != old
    }
    assert moved == {(topics.FACTS, 3): 2, (topics.DECISIONS, 3): 1}
    assert (after["events_told"], after["events_relayed"]) == (3, 0)


@pytest.mark.parametrize(
    ("role", "status"), [("operator", 200), ("service", 200), ("enterprise", 403), ("liaison", 403)]
)
async def test_who_may_read(client: httpx.AsyncClient, secrets: Path, role: str, status: int) -> None:
    token = issue_development_token(secrets, role, "someone", USCC if role == "enterprise" else None)
    answer = await client.get("/v1/books", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert (await client.get("/v1/books", headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "uscc=1", "&".join(f"uscc={enterprise(n)}" for n in range(101))]
)
async def test_what_cannot_be_asked(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/books?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
