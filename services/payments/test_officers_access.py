"""Who may ask officers' questions and do officers' work, and what is not understood."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.payments.cases import enterprise
from services.payments.officers_cases import AUDITOR, AYSE, MONDAY, Counter, open_counter, refused

pytestmark = pytest.mark.integration
A = enterprise(1)
NOBODY = "f" * 32


@pytest.fixture
async def counter(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(database, secrets, tmp_path / "bank") as opened:
        yield opened


ACTIONS = [
    ("POST", "batches", "preparer"),
    *(("POST", f"batches/{NOBODY}/{verb}", "approver") for verb in ("approve", "reject")),
    *(("POST", f"batches/{NOBODY}/{verb}", "approver operator") for verb in ("freeze", "release")),
    *(("POST", path, "approver operator") for path in ("freezes", "freezes/release")),
    ("PUT", "budgets/job_stabilisation", "approver"),
    ("POST", f"payments/{NOBODY}/resolve", "approver"),
    *(("POST", f"clawbacks/{NOBODY}/write-off{rest}", "approver") for rest in ("", "/withdraw")),
    *(("GET", path, "preparer approver auditor operator") for path in ("batches", f"batches/{NOBODY}")),
    *(
        ("GET", path, "approver auditor operator")
        for path in ("budgets", "clawbacks", "bank-files", "parked", "held", "freezes", "actions")
    ),
]
BODY = {"reason": "r", "total_fen": 1, "scope": "enterprise", "subject": A, "status": "rejected"}


@pytest.mark.parametrize(("method", "path", "roles"), ACTIONS)
async def test_each_way_in_is_open_to_its_roles_alone(counter: Counter, method: str, path: str, roles: str) -> None:
    async def ask(headers: dict[str, str]) -> httpx.Response:
        return await counter.ask(method, path, headers, json=BODY)

    refused(await ask({}), 401)
    for role in ("enterprise", "liaison", "preparer", "approver", "auditor", "operator", "service"):
        answer = await ask(counter.header(("someone", role)))
        assert (answer.status_code == 403) == (role not in roles.split()), (role, answer.text)
    assert await counter.trail() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": " \u3000 "},
        {"reason": "two\nlines"},
        {"reason": "x" * 501},
        {"reason": "half a character \ud800"},
        {"reason": "a NUL \u0000"},
        {"reason": 7},
        {"reason": "fine", "officer": "somebody else"},
        {"reason": "fine", "version": "2"},
        {"reason": "fine", "version": 0},
    ],
)
async def test_an_action_without_a_reason_that_can_be_kept_is_not_understood(
    counter: Counter, body: dict[str, object]
) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    batch = await counter.batch()
    headers = counter.header(AYSE) | {"Content-Type": "application/json"}
    # Escaped, as JSON allows: the client's own encoder refuses half a character.
    answer = await counter.ask("POST", f"batches/{batch}/approve", headers, content=json.dumps(body))
    refused(answer, 422)
    assert await counter.office.one("SELECT state FROM payment") == "batched"


async def test_an_unknown_batch(counter: Counter) -> None:
    for verb in ("approve", "reject", "freeze", "release"):
        assert "no batch" in refused(await counter.post(f"batches/{NOBODY}/{verb}"), 404)
    refused(await counter.post("batches/1/approve"), 422)
    refused(await counter.get(f"batches/{NOBODY}", AUDITOR), 404)
