"""The read API on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from services.ledger import api
from services.ledger.answers import Transaction, Transactions
from services.ledger.cases import enterprise, exemption, take
from services.ledger.domain.chain import Entry
from services.ledger.domain.posting import Posted
from services.ledger.journal_cases import batches, journalled
from shared import problems
from shared.access import ROLES
from shared.devkeys import issue_development_token, write_development_keys
from shared.gate_cases import development_gate
from shared.streaming.postgres_store import PostgresStore

pytestmark = pytest.mark.integration
USCC, OTHER = enterprise(1), enterprise(2)
Bearer = Callable[..., dict[str, str]]
ACCOUNTS = [
    ("Assets:Receivable:Contributions:Medical", 0, 5, -5),
    ("Assets:Receivable:Contributions:Pension", 70, 70, 0),
    ("Expenses:Relief:Exemption:Medical:650100", 5, 0, 5),
    ("Expenses:Relief:Exemption:Pension:650100", 70, 70, 0),
]


@pytest.fixture
def bearer(tmp_path: Path) -> Bearer:
    write_development_keys(tmp_path)

    def header(role: str, uscc: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_development_token(tmp_path, role, 'someone', uscc)}"}

    return header


@pytest.fixture
async def client(store: PostgresStore[Posted], tmp_path: Path, bearer: Bearer) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(api.routes(store.pool, development_gate(tmp_path)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        yield client


@pytest.fixture
async def three(store: PostgresStore[Posted]) -> None:
    """A grant and another enterprise's in one batch, and in the next, on another day, the first one's revocation."""
    await take(store, [exemption(USCC, "granted", 70), exemption(OTHER, "granted", 5, insurance="medical", offset=1)])
    await take(store, [exemption(USCC, "revoked", -70, 2, booked_on=date(2020, 2, 21))])


@pytest.mark.usefixtures("three")
async def test_the_trial_balance_is_zero_in_all(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answer = (await client.get("/v1/trial-balance", headers=bearer("auditor"))).json()
    assert [tuple(account.values()) for account in answer.pop("accounts")] == ACCOUNTS
    assert answer == {
        "debit_fen": 145, "credit_fen": 145, "balance_fen": 0, "postings": 3, "at_seq": 3, "on": None,
    }  # fmt: skip


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", ["/v1/trial-balance", "/v1/accounts"])
@pytest.mark.parametrize(
    ("asked", "pension", "postings"),
    [({"on": "2020-02-20"}, (0, 70, -70), 2), ({"at_seq": "1"}, (0, 70, -70), 1), ({"at_seq": "0"}, None, 0),
     ({"on": "2020-02-21", "at_seq": "3"}, (70, 70, 0), 3), ({"on": "2020-02-19"}, None, 0)],
)  # fmt: skip
async def test_balances_of_a_day_and_a_number(
    client: httpx.AsyncClient, bearer: Bearer, path: str, asked: dict[str, str], pension: object, postings: int
) -> None:
    answer = (await client.get(path, params=asked, headers=bearer("auditor"))).json()
    named = {account["account"]: tuple(account.values())[1:] for account in answer["accounts"]}
    assert named.get("Assets:Receivable:Contributions:Pension") == pension
    assert (answer["on"], answer["at_seq"]) == (asked.get("on"), int(asked.get("at_seq", 3)))
    assert answer.get("postings", postings) == postings


async def transactions(client: httpx.AsyncClient, bearer: Bearer, **asked: Any) -> Transactions:
    answer = await client.get("/v1/transactions", params=asked, headers=bearer("auditor"))
    assert answer.status_code == 200, answer.text
    return Transactions.model_validate_json(answer.content, strict=True, extra="forbid")


async def test_the_journal_comes_in_pages(
    client: httpx.AsyncClient, bearer: Bearer, store: PostgresStore[Posted]
) -> None:
    taken = batches(2)
    for batch in taken:
        await take(store, batch)
    _, entries = journalled(record for batch in taken for record in batch)
    expected = [Transaction.model_validate_json(msgspec.json.encode(entry)) for entry in entries]
    assert list(Transaction.model_fields) == list(Entry.__struct_fields__)
    whole = await transactions(client, bearer)
    assert (whole.transactions, whole.next_after, whole.at_seq) == (expected, None, len(entries))
    first = await transactions(client, bearer, limit=5, at_seq=8)
    rest = await transactions(client, bearer, limit=5, at_seq=8, after=first.next_after)
    assert [*first.transactions, *rest.transactions] == expected[:8]
    assert (first.next_after, rest.next_after, rest.at_seq) == (5, None, 8)
    # The second enterprise's postings are two days later.
    for asked, wanted in (
        ({"account": "Assets:Bank"}, lambda one: "Assets:Bank:" in f"{one.debit} {one.credit}"),
        ({"uscc": OTHER}, lambda one: one.uscc == OTHER),
        ({"type": "relief.refund.settled.v1"}, lambda one: one.type == "relief.refund.settled.v1"),
        ({"booked_from": "2020-02-29"}, lambda one: one.uscc == OTHER),
        ({"booked_to": "2020-02-29"}, lambda one: one.uscc == USCC),
    ):
        found = await transactions(client, bearer, **asked)
        assert found.transactions == [one for one in expected if wanted(one)] != []
    assert (await transactions(client, bearer, booked_from="2020-02-29", uscc=USCC)).transactions == []
    heads = (await client.get("/v1/chain-heads", headers=bearer("auditor"))).json()
    assert heads["at_seq"] == len(entries)
    assert {head["link"] for head in heads["heads"]} <= {entry.link for entry in entries}
    assert sum(head["postings"] for head in heads["heads"]) == len(entries)
    early = (await client.get("/v1/chain-heads", params={"at_seq": 1}, headers=bearer("auditor"))).json()
    head = {"topic": "ledger.exemptions.v1", "partition": 3, "postings": 1, "last_seq": 1, "link": entries[0].link}
    assert early == {"heads": [head], "at_seq": 1}


@pytest.mark.usefixtures("three")
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


OF_ALL = ("/v1/trial-balance", "/v1/accounts", "/v1/transactions", "/v1/chain-heads")


@pytest.mark.parametrize("path", OF_ALL)
async def test_auditors_operators_and_services_read_all_of_it(
    client: httpx.AsyncClient, bearer: Bearer, path: str
) -> None:
    for role in ROLES:
        answer = await client.get(path, headers=bearer(role, USCC if role == "enterprise" else None))
        assert answer.status_code == (200 if role in {"auditor", "operator", "service"} else 403), role
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("path", "role", "uscc", "status"),
    [
        (f"/v1/enterprises/{USCC}/postings", "enterprise", OTHER, 403),
        (f"/v1/enterprises/{USCC}/postings", "preparer", None, 403),
        ("/v1/enterprises/91650100/postings", "auditor", None, 422),
        (f"/v1/enterprises/{USCC}/postings?limit=0", "auditor", None, 422),
        (f"/v1/enterprises/{USCC}/postings?limit=1001", "auditor", None, 422),
    ],
)
async def test_who_may_not_read(
    client: httpx.AsyncClient, bearer: Bearer, path: str, role: str, uscc: str | None, status: int
) -> None:
    answer = await client.get(path, headers=bearer(role, uscc))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("trial-balance?on=2020-2-20", "on"),
        ("trial-balance?on=1582156800", "on"),
        ("trial-balance?on=2020-02-30", "on"),
        ("accounts?on=", "on"),
        ("accounts?at_seq=-1", "at_seq"),
        ("accounts?at_seq=9223372036854775808", "at_seq"),
        ("chain-heads?at_seq=x", "at_seq"),
        ("transactions?limit=0", "limit"),
        ("transactions?limit=5001", "limit"),
        ("transactions?after=-1", "after"),
        ("transactions?uscc=91650100MA0000000X", "uscc"),
        ("transactions?type=relief.gift.made.v1", "type"),
        ("transactions?account=Cash", "account"),
        ("transactions?account=Assets:", "account"),
        ("transactions?account=Assets%27%3B--", "account"),
        ("transactions?booked_from=yesterday", "booked_from"),
        ("transactions?booked_to=2020-02-20T00:00:00", "booked_to"),
    ],
)
async def test_bad_input_is_named(client: httpx.AsyncClient, bearer: Bearer, path: str, named: str) -> None:
    answer = await client.get(f"/v1/{path}", headers=bearer("auditor"))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"].split(".")[-1] for error in answer.json()["errors"]] == [named]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", OF_ALL)
async def test_a_number_that_is_not_posted_yet_gets_a_sentence(
    client: httpx.AsyncClient, bearer: Bearer, path: str
) -> None:
    answer = await client.get(path, params={"at_seq": 4}, headers=bearer("auditor"))
    assert (answer.status_code, answer.json()["detail"]) == (422, "The ledger has 3 postings; ask for at_seq up to 3.")
