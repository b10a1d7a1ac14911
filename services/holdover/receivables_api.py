"""What a supplier is owed of the deferred sums, to read: totals, pages of accounts, and all accounts as CSV."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import asdict, astuple, fields
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.holdover.answers import Receivables, ReceivablesPage
from services.holdover.api import RATE, SUPPLIER_READERS
from services.holdover.store import receivables
from services.holdover.store.receivables import Receivable
from shared.access import Principal, forbidden
from shared.contracts.vocabulary import Hash, Name
from shared.gate import Gate
from shared.problem_schemas import refusing
from shared.problems import Problem
from shared.snapshot import snapshot
from shared.streaming.postgres_store import Pool

CSV_RATE = "10/minute"
# Each holds one of the pool's connections for as long as its reader takes.
CSV_AT_ONCE = 2
# Sums over 180,000 accounts take some five seconds: the others wait, and leave the pool to those who write.
SUMS_AT_ONCE = 2
ROWS_PER_CHUNK = 500
COLUMNS = tuple(field.name for field in fields(Receivable))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def routes(pool: Pool, gate: Gate) -> APIRouter:
    """The routes: a supplier sees its own receivables only."""
    router = APIRouter(prefix="/v1")
    reader = gate.require(*SUPPLIER_READERS, rate=RATE)
    exporting, summing = asyncio.Semaphore(CSV_AT_ONCE), asyncio.Semaphore(SUMS_AT_ONCE)

    async def own(supplier_id: Annotated[Name, Query()], caller: Annotated[Principal, Depends(reader)]) -> str:
        if not caller.may_see_supplier(supplier_id):
            raise forbidden("A supplier sees its own receivables only.")
        return supplier_id

    async def whole(supplier: Annotated[str, Depends(own)]) -> AsyncIterator[AsyncIterator[Receivable]]:
        # A dependency ends after the answer was sent, also where the reader went away in the middle of it.
        if exporting.locked():
            raise Problem(503, "busy", "Busy", "Other exports are being read; try again.", retry_after=10)
        async with exporting, snapshot(pool) as db, receivables.every(db, supplier) as rows:
            yield rows

    @router.get("/receivables")
    async def totals(supplier: Annotated[str, Depends(own)]) -> Receivables:
        """Sums by utility, with the bills that are in no holdover; empty lists for a supplier without bills."""
        async with summing, snapshot(pool) as db:
            return Receivables(
                supplier_id=supplier,
                totals=await receivables.totals(db, supplier),
                left_out=await receivables.left_out(db, supplier),
                **asdict(await receivables.reached(db, supplier)),
            )

    @router.get("/receivables/accounts", responses=refusing(404))
    async def accounts(
        supplier: Annotated[str, Depends(own)],
        after: Hash | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> ReceivablesPage:
        """The accounts behind the sums, by account number, utility and enterprise. 404 for an unknown `after`."""
        async with snapshot(pool) as db:
            # Past an account that is not there would look like the end of the list.
            if after is not None and not await receivables.has(db, supplier, after):
                raise Problem(404, "unknown-account", "Unknown account", "There is no such account of this supplier.")
            found = await receivables.page(db, supplier, after, limit + 1)
        rows = found[:limit]
        last = rows[-1].holdover_id if len(found) > limit else None
        return ReceivablesPage(supplier_id=supplier, accounts=rows, next_after=last)

    @router.get(
        "/receivables.csv",
        dependencies=[Depends(gate.require(*SUPPLIER_READERS, rate=CSV_RATE))],
        response_class=StreamingResponse,
    )
    async def all_accounts(
        rows: Annotated[AsyncIterator[Receivable], Depends(whole)],
    ) -> StreamingResponse:
        """All accounts of one moment as CSV (RFC 4180, UTF-8) with a head line; the columns are those of the pages.

        A text that a spreadsheet would take for a formula has an apostrophe before it. A connection that breaks is an
        answer that is not whole.
        """
        headers = {"Content-Disposition": 'attachment; filename="receivables.csv"'}
        return StreamingResponse(_csv(rows), media_type="text/csv; charset=utf-8; header=present", headers=headers)

    return router


async def _csv(rows: AsyncIterator[Receivable]) -> AsyncIterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    waiting = 1
    async for row in rows:
        writer.writerow([_cell(value) for value in astuple(row)])
        waiting += 1
        if waiting >= ROWS_PER_CHUNK:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
            waiting = 0
    yield text.getvalue()


def _cell(value: object) -> str:
    """Amounts are never negative, so only a name can begin like a formula."""
    written = "" if value is None else str(value)
    return f"'{written}" if written.startswith(_FORMULA) else written
