"""For this service's tests: the API over a real store, as the service serves it, and callers with tokens."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Message, Send

from services.holdover import api, receivables_api
from services.holdover.app import SCHEMA
from services.holdover.cases import POWER, signer
from services.holdover.clock import Clock
from services.holdover.domain.enterprise import Held
from services.holdover.receivables_api import COLUMNS
from shared.devkeys import issue_development_token
from shared.gate_cases import development_gate
from shared.observability.health import Health
from shared.streaming.postgres_store import PostgresStore
from shared.web import build_app

_exporters = count()


class Desk:
    """Asks as somebody."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, secrets: Path) -> None:
        self.app, self._client, self._secrets = app, client, secrets

    async def ask(self, path: str, role: str | None = "auditor", **who: str) -> httpx.Response:
        """`who`: `uscc`, `supplier_id`, and `subject`, whom the limits count."""
        headers = {}
        if role is not None:
            subject, uscc = who.get("subject", f"some {role}"), who.get("uscc")
            token = issue_development_token(self._secrets, role, subject, uscc, supplier_id=who.get("supplier_id"))
            headers["Authorization"] = f"Bearer {token}"
        return await self._client.get(f"/v1/{path}", headers=headers)

    async def export(self, supplier_id: str, reader: Send, gone: asyncio.Event) -> None:
        """The CSV to a reader that is handed each message as it is sent, and goes away when it says so.

        As uvicorn serves it; the client of the other requests keeps an answer until its end.
        """
        token = issue_development_token(self._secrets, "auditor", f"reader {supplier_id}", None)
        sent = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if sent:
                return sent.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "path": "/v1/receivables.csv", "raw_path": b"/v1/receivables.csv", "scheme": "http", "root_path": "",
            "query_string": f"supplier_id={supplier_id}".encode(), "client": ("test", 1), "server": ("holdover", 80),
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }  # fmt: skip
        await self.app(scope, receive, reader)

    async def read(self, path: str, role: str = "auditor", **who: str) -> Any:
        """The JSON of an answer that has to be one."""
        answer = await self.ask(path, role, **who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def protection(self, account_no: str = POWER.account_no, supplier_id: str = POWER.supplier_id) -> Any:
        """What is said of the one account with this number."""
        found = await self.read(f"protection?supplier_id={supplier_id}&account_no={account_no}")
        (account,) = found["accounts"]
        return account

    async def rows_of_csv(self, supplier_id: str = POWER.supplier_id) -> list[dict[str, str]]:
        """All lines, asked for by somebody new: exports are few a minute."""
        answer = await self.ask(f"receivables.csv?supplier_id={supplier_id}", subject=f"exporter {next(_exporters)}")
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    async def receivables(self, limit: int, supplier_id: str = POWER.supplier_id) -> list[dict[str, Any]]:
        """All accounts, by pages of `limit`."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self.read(f"receivables/accounts?supplier_id={supplier_id}&limit={limit}{after}")
            found += page["accounts"]
            assert len(page["accounts"]) <= limit
            if page["next_after"] is None:
                return found
            after = f"&after={page['next_after']}"


@asynccontextmanager
async def serving(store: PostgresStore[Held], secrets: Path, redis_url: str, prefix: str) -> AsyncIterator[Desk]:
    """`prefix` parts the counts of one test from those of another."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    gate = development_gate(secrets, redis_url, prefix)
    routers = (
        api.routes(store.pool, gate, signer()),
        receivables_api.routes(store.pool, gate),
    )
    app = build_app("relief holdover", lifespan, Health(), routers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://holdover") as client:
        yield Desk(app, client, secrets)
    await gate.close()


def problem(answer: httpx.Response, expected: int) -> dict[str, Any]:
    """The problem document that an answer has to be."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (expected, "application/problem+json"), body
    assert {"type", "title", "status", "detail"} <= set(body)
    return body


def as_csv(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What the CSV says of these accounts."""
    return [{name: "" if row[name] is None else str(row[name]) for name in COLUMNS} for row in rows]


async def work(store: PostgresStore[Held], schema: str = SCHEMA) -> None:
    """All that the days have brought."""
    works = Clock(store.pool, schema, signer())
    while await works.once():
        pass
