"""Every service's HTTP application over real stores, without its consumers, for requests one by one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.local.services import DEVELOPMENT_DEBTORS
from services.eligibility import app as eligibility
from services.eligibility.settings import Settings as EligibilitySettings
from services.holdover import app as holdover
from services.holdover.settings import Settings as HoldoverSettings
from services.intake.api_cases import open_desk
from services.ledger import app as ledger
from services.ledger.settings import Settings as LedgerSettings
from services.payments import app as payments
from services.payments.settings import DebtorAccount
from services.payments.settings import Settings as PaymentsSettings
from shared.service import Service, application

SERVICES = ("intake", "eligibility", "payments", "ledger", "holdover")
NOWHERE = "127.0.0.1:1"


class Site:
    """A client of one service, and the loop in which both live."""

    def __init__(self, name: str, database: str, redis_url: str, secrets: Path, root: Path) -> None:
        self._loop = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.secrets = secrets
        self.name, build = name, _BUILD[name]
        opened = (
            open_desk_client(redis_url, secrets) if build is None else _open(build(database, redis_url, secrets, root))
        )
        self.client: httpx.AsyncClient = self._loop.run(self._stack.enter_async_context(opened))
        transport = self.client._transport
        assert isinstance(transport, httpx.ASGITransport)
        self.app: Any = transport.app
        self.schema: dict[str, Any] = self.ask("GET", "/openapi.json").json()

    def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        return self._loop.run(self.client.request(method, path, **sent))

    def close(self) -> None:
        self._loop.run(self._stack.aclose())
        self._loop.close()


@asynccontextmanager
async def open_desk_client(redis_url: str, secrets: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_desk(redis_url, secrets) as desk:
        yield desk.http


@asynccontextmanager
async def _open(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncExitStack() as stack:
        for backing in {id(source.backing.opened): source.backing for source in service.inputs}.values():
            await stack.enter_async_context(backing.opened())
        stack.push_async_callback(service.gate.close)
        transport = httpx.ASGITransport(application(service))
        yield await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://service"))


def _eligibility(database: str, redis_url: str, secrets: Path, root: Path) -> Service:
    return eligibility.build(
        EligibilitySettings(kafka_bootstrap=NOWHERE, http_port=1, secrets_dir=secrets, redis_url=redis_url)
    )


def _payments(database: str, redis_url: str, secrets: Path, root: Path) -> Service:
    debtors = {name: DebtorAccount(**account) for name, account in json.loads(DEVELOPMENT_DEBTORS).items()}
    return payments.build(
        PaymentsSettings(
            kafka_bootstrap=NOWHERE, http_port=1, secrets_dir=secrets, postgres_url=database, bank_dir=root,
            debtors=debtors,
        )
    )  # fmt: skip


def _ledger(database: str, redis_url: str, secrets: Path, root: Path) -> Service:
    return ledger.build(
        LedgerSettings(kafka_bootstrap=NOWHERE, http_port=1, secrets_dir=secrets, postgres_url=database)
    )


def _holdover(database: str, redis_url: str, secrets: Path, root: Path) -> Service:
    return holdover.build(
        HoldoverSettings(
            kafka_bootstrap=NOWHERE, http_port=1, secrets_dir=secrets, postgres_url=database, redis_url=redis_url
        )
    )


# None: intake's, whose publisher is in memory there.
_BUILD: dict[str, Callable[[str, str, Path, Path], Service] | None] = {
    "intake": None, "eligibility": _eligibility, "payments": _payments, "ledger": _ledger, "holdover": _holdover,
}  # fmt: skip
