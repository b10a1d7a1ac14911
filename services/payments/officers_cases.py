"""Officers at the HTTP API of a whole office, for this service's tests."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from services.payments import batches_api, officers, officers_money
from services.payments.app import SCHEMA
from services.payments.desk import Desk
from services.payments.office_cases import PARTITIONS, THRESHOLD_FEN, Office, open_office
from shared import problems
from shared.access import AUDIENCE
from shared.calendar import SHANGHAI
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PRIVATE
from shared.gate_cases import development_gate
from shared.keyfiles import read_key

MONDAY, TUESDAY = date(2020, 3, 2), date(2020, 3, 3)
NOON = datetime(2020, 3, 2, 12, tzinfo=SHANGHAI)
PREPARER, OPERATOR, AUDITOR = ("pia", "preparer"), ("ola", "operator"), ("udo", "auditor")
# Each with a role; whoever they are is told by the token's subject alone.
AYSE, BEK = ("ayse", "approver"), ("bek", "approver")
Officer = tuple[str, ...]


@dataclass
class Counter:
    """Officers in front of the API, and the office behind it."""

    office: Office
    app: FastAPI = field(default_factory=FastAPI)

    def set_desk(self, lock_seconds: float = 0.3, action_seconds: float = 25, at_once: int = 10_000) -> None:
        """How long officers wait for the work of others, and how much they move at once; from now on."""
        pool = self.office.pool
        desk = Desk(pool, SCHEMA, PARTITIONS, lambda: NOON, lock_seconds, action_seconds, at_once)
        gate = development_gate(self.office.secrets)
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(batches_api.routes(pool, gate))
        self.app.include_router(officers.routes(desk, gate, self.office.clerk.prepare, THRESHOLD_FEN))
        self.app.include_router(officers_money.routes(desk, gate))

    async def ask(self, method: str, path: str, headers: dict[str, str], **sent: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://payments") as client:
            return await client.request(method, f"/v1/{path}", headers=headers, **sent)

    def header(self, officer: Officer) -> dict[str, str]:
        """A token for a subject, with any number of roles."""
        subject, *roles = officer
        key = read_key(self.office.secrets / ISSUER_PRIVATE)
        assert isinstance(key, ECKey)
        now = int(time.time())
        claims = {"iss": DEVELOPMENT_ISSUER, "aud": AUDIENCE, "sub": subject, "roles": roles, "exp": now + 600}
        return {"Authorization": f"Bearer {jwt.encode({'alg': 'ES256', 'kid': key.kid}, claims, key)}"}

    async def get(self, path: str, officer: Officer = AUDITOR, **query: str | int) -> httpx.Response:
        return await self.ask("GET", path, self.header(officer), params=query)

    async def post(self, path: str, officer: Officer = AYSE, reason: str = "checked", **body: Any) -> httpx.Response:
        return await self.ask("POST", path, self.header(officer), json={"reason": reason} | body)

    async def put(self, path: str, officer: Officer = AYSE, reason: str = "checked", **body: Any) -> httpx.Response:
        return await self.ask("PUT", path, self.header(officer), json={"reason": reason} | body)

    async def batch(self) -> str:
        """The only batch's id."""
        found: str = await self.office.one("SELECT batch_id FROM batch")
        return found

    async def trail(self) -> list[tuple[Any, ...]]:
        """What officers did: (kind, subject, officer, reason)."""
        return await self.office.rows(
            "SELECT kind, subject, officer, reason FROM action WHERE officer <> 'clerk' ORDER BY seq"
        )


@asynccontextmanager
async def open_counter(database: str, secrets: Path, root: Path, size: int = 10) -> AsyncIterator[Counter]:
    async with open_office(database, secrets, root, size) as office:
        counter = Counter(office)
        counter.set_desk()
        yield counter


def refused(answer: httpx.Response, status: int = 409) -> str:
    """The one sentence of a problem document."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    assert document["status"] == status
    detail: str = document["detail"]
    return detail


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told
