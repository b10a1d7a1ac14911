"""The ledger, to read: balances as of any day and number, the journal by the page, one enterprise's postings."""

import re
from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BeforeValidator

from services.ledger.answers import (
    AccountBalance,
    Accounts,
    ChainHead,
    ChainHeads,
    PostingRow,
    Postings,
    Transactions,
    TrialBalance,
)
from services.ledger.domain.chart import CHART
from services.ledger.store import reading
from services.ledger.store.reading import Filter, Turnover
from shared.access import Principal, forbidden
from shared.contracts.vocabulary import Uscc
from shared.gate import Gate
from shared.problems import Problem
from shared.snapshot import snapshot
from shared.streaming.postgres_store import Connection, Pool

PAGE_MAX = 5000


def _written_day(value: object) -> object:
    # Pydantic alone would also take a number, as seconds since 1970.
    if not isinstance(value, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day is written YYYY-MM-DD")
    return value


def _booked_type(value: str) -> str:
    if value not in CHART:
        raise ValueError(f"the chart books {', '.join(CHART)}")
    return value


_Seq = Annotated[int, Query(ge=0, le=2**63 - 1)]
_Day = Annotated[date, BeforeValidator(_written_day), Query()]
_Type = Annotated[str, AfterValidator(_booked_type), Query(json_schema_extra={"enum": list(CHART)})]
# The account and those under it.
_Account = Annotated[
    str, Query(max_length=256, pattern="^(Assets|Liabilities|Expenses|Income|Equity)(:[A-Z0-9][A-Za-z0-9-]*)*$")
]


def routes(pool: Pool, gate: Gate) -> APIRouter:
    """The read API."""
    router = APIRouter(prefix="/v1")
    of_enterprise = gate.require("enterprise", "liaison", "approver", "auditor", "operator", "service")
    of_all = [Depends(gate.require("auditor", "operator", "service"))]

    @router.get("/accounts", dependencies=of_all)
    async def accounts(on: _Day | None = None, at_seq: _Seq | None = None) -> Accounts:
        async with snapshot(pool) as db:
            at = await _at(db, at_seq)
            found = await reading.turnovers(db, at, on)
        return Accounts(accounts=_balances(found), at_seq=at, on=on)

    @router.get("/trial-balance", dependencies=of_all)
    async def trial_balance(on: _Day | None = None, at_seq: _Seq | None = None) -> TrialBalance:
        async with snapshot(pool) as db:
            at = await _at(db, at_seq)
            found = await reading.turnovers(db, at, on)
        return _trial_balance(found, at, on)

    @router.get("/chain-heads", dependencies=of_all)
    async def chain_heads(at_seq: _Seq | None = None) -> ChainHeads:
        async with snapshot(pool) as db:
            at = await _at(db, at_seq)
            heads = await reading.heads(db, at)
        return ChainHeads(heads=[ChainHead(**msgspec.structs.asdict(head)) for head in heads], at_seq=at)

    @router.get("/transactions", dependencies=of_all, response_model=Transactions)
    async def transactions(
        account: _Account | None = None,
        uscc: Uscc | None = None,
        type: _Type | None = None,
        booked_from: _Day | None = None,
        booked_to: _Day | None = None,
        after: _Seq = 0,
        at_seq: _Seq | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 1000,
    ) -> Response:
        async with snapshot(pool) as db:
            at = await _at(db, at_seq)
            which = Filter(account, uscc, type, booked_from, booked_to)
            entries, next_after = await reading.page(db, which, after, at, limit)
        # Written as they are: an export asks for all of them, and checking our own rows again would double its time.
        page = {"transactions": entries, "next_after": next_after, "at_seq": at}
        return Response(msgspec.json.encode(page), media_type="application/json")

    @router.get("/enterprises/{uscc}/postings")
    async def enterprise_postings(
        uscc: Uscc,
        caller: Annotated[Principal, Depends(of_enterprise)],
        after: _Seq = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> Postings:
        if not caller.may_act_for(uscc):
            raise forbidden("An enterprise reads its own postings only.")
        async with snapshot(pool) as db:
            entries, next_after = await reading.page(db, Filter(uscc=uscc), after, await _at(db, None), limit)
        rows = [PostingRow(**{name: getattr(entry, name) for name in PostingRow.model_fields}) for entry in entries]
        return Postings(uscc=uscc, postings=rows, next_after=next_after)

    return router


async def _at(db: Connection, asked: int | None) -> int:
    """The number to answer for: the last posting's, unless an earlier one is asked for."""
    last = await reading.last_seq(db)
    if asked is not None and asked > last:
        raise Problem(
            422, "not-posted-yet", "Not posted yet", f"The ledger has {last} postings; ask for at_seq up to {last}."
        )
    return last if asked is None else asked


def _balances(found: list[Turnover]) -> list[AccountBalance]:
    return [
        AccountBalance(account=one.account, debit_fen=one.debit_fen, credit_fen=one.credit_fen,
                       balance_fen=one.debit_fen - one.credit_fen)
        for one in found
    ]  # fmt: skip


def _trial_balance(found: list[Turnover], at_seq: int, on: date | None) -> TrialBalance:
    debit_fen, credit_fen = sum(one.debit_fen for one in found), sum(one.credit_fen for one in found)
    return TrialBalance(
        accounts=_balances(found),
        at_seq=at_seq,
        on=on,
        debit_fen=debit_fen,
        credit_fen=credit_fen,
        balance_fen=debit_fen - credit_fen,
        postings=sum(one.debits for one in found),
    )
