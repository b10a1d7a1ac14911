"""The read API on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from aiokafka.structs import TopicPartition
from fastapi import FastAPI

from services.payments import api
from services.payments.app import MIGRATIONS, SCHEMA
from services.payments.cases import enterprise, made, take
from services.payments.domain.state import Held
from services.payments.store.rows import PaymentRows
from shared import problems
from shared.contracts import topics
from shared.devkeys import issue_development_token, write_development_keys
from shared.gate_cases import development_gate
from shared.ids import decision_id, exemption_id, payment_id
from shared.streaming.postgres_store import PostgresStore, connect, migrate

pytestmark = pytest.mark.integration
USCC, OTHER = enterprise(1), enterprise(2)
PENSION = "pension/2020-02"
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
        store: PostgresStore[Held] = PostgresStore(pool, SCHEMA, PaymentRows())
        partition = TopicPartition(topics.DECISIONS, 3)
        await store.restart(partition, 0, None)
        await take(
            store,
            partition,
            [
                made(USCC, "exemption", PENSION, 1, 700, offset=1),
                made(OTHER, "exemption", PENSION, 1, 50, offset=2),
                made(USCC, "exemption", "medical/2020-02", 1, 0, offset=3),
                made(USCC, "refund", "2019", 1, 100, offset=4, payee="Ali"),
                made(USCC, "refund", "2019", 2, 60, offset=5, payee="Ali"),
            ],
        )
        app = FastAPI()
        problems.install(app)
        app.include_router(api.routes(pool, development_gate(tmp_path)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://payments") as client:
            yield client


async def test_an_enterprises_money(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answer = await client.get(f"/v1/enterprises/{USCC}/payments", headers=bearer("enterprise", USCC))
    assert answer.status_code == 200
    assert answer.json() == {
        "uscc": USCC,
        "exemptions": [
            {
                "exemption_id": exemption_id(USCC, f"{insurance}/2020-02"),
                "insurance": insurance,
                "period": "2020-02",
                "amount_fen": amount,
                "prefecture": place,
                "revision": 1,
                "decision_id": decision_id(USCC, "exemption", f"{insurance}/2020-02", 1),
            }
            for insurance, amount, place in (("medical", 0, None), ("pension", 700, "650100"))
        ],
        "refunds": [
            {
                "measure": "refund",
                "programme": "job_stabilisation",
                "key": "2019",
                "amount_fen": 60,
                "revision": 2,
                "decision_id": decision_id(USCC, "refund", "2019", 2),
            }
        ],
        "payments": [
            {
                "payment_id": payment_id(USCC, "refund", "2019", number),
                "measure": "refund",
                "programme": "job_stabilisation",
                "key": "2019",
                "number": number,
                "amount_fen": amount,
                "state": state,
                "prefecture": "650100",
                "decision_id": decision_id(USCC, "refund", "2019", number),
            }
            for number, amount, state in ((1, 100, "cancelled"), (2, 60, "authorised"))
        ],
    }


async def test_totals(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answer = await client.get("/v1/totals", headers=bearer("auditor"))
    rows = [tuple(row.values()) for row in answer.json()["totals"]]
    assert rows == [
        ("exemptions", "pension", None, 2, 750),
        ("payments", "job_stabilisation", "authorised", 1, 60),
        ("payments", "job_stabilisation", "cancelled", 1, 100),
        ("refunds", "job_stabilisation", None, 1, 60),
    ]
    assert (answer.json()["events_told"], answer.json()["events_relayed"]) == (5, 0)


@pytest.mark.parametrize("role", ["liaison", "approver", "auditor", "operator", "service"])
async def test_officers_read_any_enterprise_and_an_unknown_one_has_nothing(
    client: httpx.AsyncClient, bearer: Bearer, role: str
) -> None:
    answer = await client.get(f"/v1/enterprises/{enterprise(9)}/payments", headers=bearer(role))
    assert answer.json() == {"uscc": enterprise(9), "exemptions": [], "refunds": [], "payments": []}


@pytest.mark.parametrize(
    ("path", "role", "uscc", "status"),
    [
        (f"/v1/enterprises/{USCC}/payments", "enterprise", OTHER, 403),
        (f"/v1/enterprises/{USCC}/payments", "enterprise", None, 403),
        (f"/v1/enterprises/{USCC}/payments", "preparer", None, 403),
        (f"/v1/enterprises/{USCC[:-1]}/payments", "auditor", None, 422),
        ("/v1/totals", "enterprise", USCC, 403),
        ("/v1/totals", "liaison", None, 403),
    ],
)
async def test_who_may_not_read(
    client: httpx.AsyncClient, bearer: Bearer, path: str, role: str, uscc: str | None, status: int
) -> None:
    answer = await client.get(path, headers=bearer(role, uscc))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_nobody_reads_without_a_token(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/totals")).status_code == 401
    assert (await client.get(f"/v1/enterprises/{USCC}/payments")).status_code == 401
