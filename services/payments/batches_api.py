"""What officers read: batches and what is in them, what waits and why, claims, the bank's files, who did what.

Lists come in pages: `next_after` is the `after` that asks for the next one, null at the end.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.payments.desk import books_disagree, log, unknown
from services.payments.domain.batch import BatchState
from services.payments.domain.refund import Reason
from services.payments.store import reading
from services.payments.store.reading import (
    ActionSeen,
    ApprovalSeen,
    BatchSeen,
    BudgetSeen,
    ClaimSeen,
    FileSeen,
    FrozenSeen,
    HeldSeen,
    ParkedSeen,
    PaymentSeen,
)
from shared.contracts.vocabulary import Hash, Programme, Sha256, Uscc
from shared.gate import Gate
from shared.problem_schemas import refusing
from shared.snapshot import snapshot
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection, Pool

R = TypeVar("R")
A = TypeVar("A")
Limit = Annotated[int, Query(ge=1, le=500)]
ParkedPlace = Annotated[str, Query(pattern=r"^[a-z0-9.-]{1,249}/[0-9]{1,9}/[0-9]{1,18}$")]
FrozenPlace = Annotated[str, Query(pattern=r"^(enterprise|programme)/[0-9A-Za-z_]{1,64}$")]


class Batches(BaseModel):
    """By day, programme, bank and number."""

    batches: list[BatchSeen]
    next_after: str | None


class BatchWhole(BaseModel):
    """One batch, its approvals of every version, and all its payments by id."""

    batch: BatchSeen
    approvals: list[ApprovalSeen]
    payments: list[PaymentSeen]


class Budgets(BaseModel):
    """A programme that is not among them has no money yet: its payments wait."""

    budgets: list[BudgetSeen]


class Held(BaseModel):
    """Payments that wait, and for what."""

    held: list[HeldSeen]
    next_after: str | None


class Freezes(BaseModel):
    """Enterprises and programmes; batches say for themselves whether they are frozen."""

    freezes: list[FrozenSeen]
    next_after: str | None


class Clawbacks(BaseModel):
    clawbacks: list[ClaimSeen]
    next_after: str | None


class BankFiles(BaseModel):
    """Files that came from the bank, by digest."""

    files: list[FileSeen]
    next_after: str | None


class Parked(BaseModel):
    """Commands that moved nothing, because they contradict what is known."""

    parked: list[ParkedSeen]
    next_after: str | None


class Actions(BaseModel):
    """What officers did over HTTP, and the clerk by the day, in order."""

    actions: list[ActionSeen]
    next_after: int | None


def routes(pool: Pool, gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/v1")
    _route_batches(router, pool, gate)
    _route_waiting(router, pool, gate)
    _route_trail(router, pool, gate)
    return router


def _route_batches(router: APIRouter, pool: Pool, gate: Gate) -> None:
    reader = Depends(gate.require("preparer", "approver", "auditor", "operator"))

    @router.get("/batches", dependencies=[reader], responses=refusing(404))
    async def batches(
        state: BatchState | None = None,
        programme: Programme | None = None,
        day: date | None = None,
        after: Hash | None = None,
        limit: Limit = 100,
    ) -> Batches:
        """500 where one of the page does not hold what it declares."""
        async with _look(pool) as db:
            # Past a batch that is not there would look like the end of the list.
            if after is not None and await reading.batch(db, after) is None:
                raise unknown("batch")
            found = await reading.batches(db, state, programme, day, after, limit + 1)
        rows, last = _page(found, limit, lambda row: row.batch_id)
        return Batches(batches=rows, next_after=last)

    @router.get("/batches/{batch_id}", dependencies=[reader], responses=refusing(404))
    async def batch(batch_id: Hash) -> BatchWhole:
        """500 where it does not hold what it declares."""
        async with _look(pool) as db:
            found = await reading.batch(db, batch_id)
            if found is None:
                raise unknown("batch")
            approvals = await reading.approvals(db, batch_id)
            payments = await reading.payments(db, batch_id)
        return BatchWhole(batch=found, approvals=approvals, payments=payments)


def _route_waiting(router: APIRouter, pool: Pool, gate: Gate) -> None:
    reader = Depends(gate.require("approver", "auditor", "operator"))

    @router.get("/budgets", dependencies=[reader])
    async def budgets() -> Budgets:
        async with _look(pool) as db:
            return Budgets(budgets=await reading.budgets(db))

    @router.get("/held", dependencies=[reader])
    async def held(reason: Reason | None = None, after: Hash | None = None, limit: Limit = 100) -> Held:
        async with _look(pool) as db:
            found = await reading.held(db, reason, after or "", limit + 1)
        rows, last = _page(found, limit, lambda row: row.payment_id)
        return Held(held=rows, next_after=last)

    @router.get("/freezes", dependencies=[reader])
    async def freezes(after: FrozenPlace = "enterprise/0", limit: Limit = 100) -> Freezes:
        scope, _, subject = after.partition("/")
        async with _look(pool) as db:
            found = await reading.freezes(db, (scope, subject), limit + 1)
        rows, last = _page(found, limit, lambda row: f"{row.scope}/{row.subject}")
        return Freezes(freezes=rows, next_after=last)

    @router.get("/clawbacks", dependencies=[reader])
    async def clawbacks(
        uscc: Uscc | None = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
        after: Hash | None = None,
        limit: Limit = 100,
    ) -> Clawbacks:
        async with _look(pool) as db:
            found = await reading.claims(db, uscc, is_open, after or "", limit + 1)
        rows, last = _page(found, limit, lambda row: row.clawback_id)
        return Clawbacks(clawbacks=rows, next_after=last)


def _route_trail(router: APIRouter, pool: Pool, gate: Gate) -> None:
    reader = Depends(gate.require("approver", "auditor", "operator"))

    @router.get("/bank-files", dependencies=[reader])
    async def bank_files(accepted: bool | None = None, after: Sha256 | None = None, limit: Limit = 100) -> BankFiles:
        async with _look(pool) as db:
            found = await reading.bank_files(db, accepted, after or "", limit + 1)
        rows, last = _page(found, limit, lambda row: row.sha256)
        return BankFiles(files=rows, next_after=last)

    @router.get("/parked", dependencies=[reader])
    async def parked(after: ParkedPlace | None = None, limit: Limit = 100) -> Parked:
        topic, partition, offset = after.split("/") if after is not None else ("", "0", "0")
        async with _look(pool) as db:
            found = await reading.parked(db, (topic, int(partition), int(offset)), limit + 1)
        rows, last = _page(found, limit, lambda row: f"{row.topic}/{row.partition}/{row.offset}")
        return Parked(parked=rows, next_after=last)

    @router.get("/actions", dependencies=[reader])
    async def actions(after: Annotated[int, Query(ge=-1, le=2**63 - 1)] = -1, limit: Limit = 100) -> Actions:
        async with _look(pool) as db:
            found = await reading.actions(db, after, limit + 1)
        rows, last = _page(found, limit, lambda row: row.seq)
        return Actions(actions=rows, next_after=last)


@asynccontextmanager
async def _look(pool: Pool) -> AsyncIterator[Connection]:
    try:
        async with snapshot(pool) as db:
            yield db
    except Stop as stop:
        log.exception("the books disagree", exc_info=stop)
        raise books_disagree() from stop


def _page(found: Sequence[R], limit: int, place: Callable[[R], A]) -> tuple[list[R], A | None]:
    """`found` has one row more than the page where there is another one."""
    rows = list(found[:limit])
    return rows, place(rows[-1]) if len(found) > limit else None
