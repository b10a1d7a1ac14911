"""What every officer's action shares: one transaction that ends in bounded time, and a problem for what refuses it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, StringConstraints

from services.payments.domain.batch import Refusal
from services.payments.domain.claim import NothingOpen, SameOfficer
from services.payments.restored import ready_at_once
from services.payments.store import clerking
from shared.calendar import SHANGHAI
from shared.problems import Problem
from shared.streaming.errors import Retry, Stop
from shared.streaming.postgres_store import Connection, Pool, lock_partitions, transaction

log = structlog.stdlib.get_logger(__name__)

RETRY_SECONDS = 5

Outcome = Literal["created", "exists"]
Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
    ),
]


class Reasoned(BaseModel):
    """The body of every action: why, in one line. It is kept for ever and read by auditors: no personal data in it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    reason: Reason


@dataclass(frozen=True, slots=True)
class Desk:
    """Where officers act. `partitions`: how many the decisions have. One lock is waited for `lock_seconds`, all that an
    action does may take `action_seconds`: the fold holds a partition for one batch, the clerk all while it prepares.
    `at_once`: payments that one transaction moves at most, where an action moves very many.
    """

    pool: Pool
    schema: str
    partitions: int
    now: Callable[[], datetime] = lambda: datetime.now(SHANGHAI)
    lock_seconds: float = 5
    action_seconds: float = 25
    at_once: int = 10_000
    # Raises Retry while nobody is heard.
    ready: Callable[[], Awaitable[None]] = ready_at_once

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[Connection]:
        """One transaction; what is committed is so when the block is left. Raises Problem for all that can come of it.

        409 where the rules say no, 503 where the database or somebody's lock does not answer in time: then nothing was
        done, or an answer got lost, and saying the same again is harmless either way.
        """
        async with in_time(self.action_seconds):
            await self.ready()
            try:
                async with transaction(self.pool) as db:
                    milliseconds = str(int(self.lock_seconds * 1000))
                    await db.execute("SELECT set_config('lock_timeout', %s, true)", (milliseconds,))
                    yield db
            except (Refusal, SameOfficer, NothingOpen) as refusal:
                raise conflict(str(refusal)) from refusal
            except Stop as stop:
                log.exception("an officer's action is stopped", exc_info=stop)
                raise books_disagree() from stop

    async def lock(self, db: Connection, partitions: Iterable[int]) -> None:
        """As the fold does, so that neither sees the other's work half done."""
        await lock_partitions(db, self.schema, partitions)

    async def lock_all(self, db: Connection) -> None:
        await self.lock(db, range(self.partitions))

    async def record(
        self, db: Connection, kind: str, subject: str, officer: str, reason: str, at: datetime | None = None
    ) -> int:
        """Into the audit trail, as of now or `at`; the number of the action. To be done last, but for what is told
        because of it: until the commit it holds up every other action.
        """
        return await clerking.record_action(db, kind, subject, officer, reason, at or self.now())


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """Raises Problem 503 after so many seconds, or where the database does not answer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (Retry, TimeoutError) as error:
        raise Problem(
            503,
            "not-done",
            "Not done",
            "The database, or other work on the same payments, did not let this through in time; send it again.",
            retry_after=RETRY_SECONDS,
        ) from error


def conflict(sentence: str) -> Problem:
    """409: understood, allowed, and not possible as things stand."""
    return Problem(409, "not-possible", "Not possible as things stand", sentence)


def unknown(what: str) -> Problem:
    return Problem(404, "unknown", "Unknown", f"There is no {what} of this id; look it up in the list.")


def books_disagree() -> Problem:
    """500 without a single number: where a sum is wrong, none of them may be acted on."""
    return Problem(
        500,
        "books-disagree",
        "Books disagree",
        "What is declared here and what is held are not the same. Nothing was done and nothing of it may be paid until "
        "that is explained; tell the operators, whose log says more.",
    )
