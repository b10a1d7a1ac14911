"""The read API on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from aiokafka.structs import TopicPartition
from fastapi import FastAPI

from services.ledger import api
from services.ledger.app import MIGRATIONS, SCHEMA
from services.ledger.cases import EXEMPTIONS, enterprise, exemption, take
from services.ledger.domain.posting import Posted
from services.ledger.store.rows import PostingRows
from shared import problems
from shared.access import TokenVerifier
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PUBLIC, issue_development_token, write_development_keys
from shared.streaming.postgres_store import PostgresStore, connect, migrate

pytestmark = pytest.mark.integration
USCC, OTHER = enterprise(1), enterprise(2)
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(tmp_path: Path) -> Bearer:
    write_development_keys(tmp_path)

    def header(role: str, uscc: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_development_token(tmp_path, role, 'someone', uscc)}"}

    return header


@pytest.fixture
async def client(database: str, tmp_path: Path, bearer: Bearer) -> AsyncIterator[httpx.AsyncClient]:
    await migrate(database, SCHEMA, MIGRATIONS)
    async with connect(database, SCHEMA) as pool:
        store: PostgresStore[Posted] = PostgresStore(pool, SCHEMA, PostingRows())
        await store.restart(TopicPartition(EXEMPTIONS, 3), 0, None)
        await take(
            store, [exemption(USCC, "granted", 70), exemption(OTHER, "granted", 5, insurance="medical", offset=1)]
        )
        await take(store, [exemption(USCC, "revoked", -70, 2)])
        app = FastAPI()
        problems.install(app)
        app.include_router(api.routes(pool, TokenVerifier(tmp_path / ISSUER_PUBLIC, DEVELOPMENT_ISSUER)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
            yield client


async def test_the_trial_balance_is_zero_in_all(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answer = (await client.get("/v1/trial-balance", headers=bearer("auditor"))).json()
    assert [tuple(account.values()) for account in answer["accounts"]] == [
        ("Assets:Receivable:Contributions:Medical", 0, 5, -5),
        ("Assets:Receivable:Contributions:Pension", 70, 70, 0),
        ("Expenses:Relief:Exemption:Medical:650100", 5, 0, 5),
        ("Expenses:Relief:Exemption:Pension:650100", 70, 70, 0),
    ]
    assert (answer["debit_fen"], answer["credit_fen"], answer["balance_fen"], answer["postings"]) == (145, 145, 0, 3)


async def test_an_enterprises_postings_come_in_order_and_in_pages(client: httpx.AsyncClient, bearer: Bearer) -> None:
    path = f"/v1/enterprises/{USCC}/postings"
    headers = bearer("enterprise", USCC)
    whole = (await client.get(path, headers=headers)).json()
    assert [(row["seq"], row["type"], row["amount_fen"]) for row in whole["postings"]] == [
        (1, "relief.exemption.granted.v1", 70),
        (3, "relief.exemption.revoked.v1", 70),
    ]
    assert whole["next_after"] is None
    first = (await client.get(path, params={"limit": 1}, headers=headers)).json()
    assert (first["postings"], first["next_after"]) == (whole["postings"][:1], 1)
    rest = (await client.get(path, params={"limit": 1, "after": 1}, headers=headers)).json()
    assert (rest["postings"], rest["next_after"]) == (whole["postings"][1:], None)


@pytest.mark.parametrize(
    ("path", "role", "uscc", "status"),
    [
        (f"/v1/enterprises/{USCC}/postings", "enterprise", OTHER, 403),
        (f"/v1/enterprises/{USCC}/postings", "preparer", None, 403),
        ("/v1/enterprises/91650100/postings", "auditor", None, 422),
        (f"/v1/enterprises/{USCC}/postings?limit=0", "auditor", None, 422),
        ("/v1/trial-balance", "enterprise", USCC, 403),
        ("/v1/trial-balance", "approver", None, 403),
    ],
)
async def test_who_may_not_read(
    client: httpx.AsyncClient, bearer: Bearer, path: str, role: str, uscc: str | None, status: int
) -> None:
    answer = await client.get(path, headers=bearer(role, uscc))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_nobody_reads_without_a_token(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/trial-balance")).status_code == 401
