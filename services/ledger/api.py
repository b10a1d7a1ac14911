"""The ledger, to read: the trial balance, and one enterprise's postings for its story."""

from datetime import date
from typing import Annotated, LiteralString

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from shared.access import Principal, TokenVerifier, forbidden, require
from shared.contracts.vocabulary import Uscc
from shared.snapshot import snapshot
from shared.streaming.postgres_store import Pool


class AccountBalance(BaseModel):
    """Turnover of one account; `balance_fen` is debit minus credit."""

    account: str
    debit_fen: int
    credit_fen: int
    balance_fen: int


class TrialBalance(BaseModel):
    """Every account at one moment, after `postings` postings; `balance_fen` over all is 0."""

    accounts: list[AccountBalance]
    debit_fen: int
    credit_fen: int
    balance_fen: int
    postings: int


class PostingRow(BaseModel):
    """One posting; `business_key` is the exemption's or the payment's id."""

    seq: int
    event_id: str
    type: str
    business_key: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: date


class Postings(BaseModel):
    """One enterprise's postings in ledger order; `next_after` asks for more, null at the end."""

    uscc: str
    postings: list[PostingRow]
    next_after: int | None


def routes(pool: Pool, verifier: TokenVerifier) -> APIRouter:
    """The read API."""
    router = APIRouter(prefix="/v1")
    of_enterprise = require(verifier, "enterprise", "liaison", "approver", "auditor", "operator", "service")
    of_all = require(verifier, "auditor", "operator", "service")

    @router.get("/trial-balance", dependencies=[Depends(of_all)])
    async def trial_balance() -> TrialBalance:
        return await _trial_balance(pool)

    @router.get("/enterprises/{uscc}/postings")
    async def enterprise_postings(
        uscc: Uscc,
        caller: Annotated[Principal, Depends(of_enterprise)],
        after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> Postings:
        if not caller.may_act_for(uscc):
            raise forbidden("An enterprise reads its own postings only.")
        return await _postings(pool, uscc, after, limit)

    return router


async def _trial_balance(pool: Pool) -> TrialBalance:
    async with snapshot(pool) as db:
        rows = await (await db.execute(_BALANCES)).fetchall()
        counted = await (await db.execute(_COUNTED)).fetchone()
    assert counted is not None
    accounts = [
        AccountBalance(account=account, debit_fen=debit, credit_fen=credit, balance_fen=debit - credit)
        for account, debit, credit in rows
    ]
    debit_fen = sum(one.debit_fen for one in accounts)
    credit_fen = sum(one.credit_fen for one in accounts)
    return TrialBalance(
        accounts=accounts,
        debit_fen=debit_fen,
        credit_fen=credit_fen,
        balance_fen=debit_fen - credit_fen,
        postings=counted[0],
    )


async def _postings(pool: Pool, uscc: str, after: int, limit: int) -> Postings:
    async with snapshot(pool) as db:
        rows = await (await db.execute(_POSTINGS, (uscc, after, limit + 1))).fetchall()
    names = list(PostingRow.model_fields)
    postings = [PostingRow(**dict(zip(names, row, strict=True))) for row in rows[:limit]]
    return Postings(uscc=uscc, postings=postings, next_after=postings[-1].seq if len(rows) > limit else None)


_BALANCES: LiteralString = "SELECT account, debit_fen, credit_fen FROM account_balance ORDER BY account"
_COUNTED: LiteralString = "SELECT last FROM posting_counter"
_POSTINGS: LiteralString = """
    SELECT seq, event_id, type, business_key, decision_id, debit, credit, amount_fen, booked_on
    FROM posting WHERE uscc = %s AND seq > %s ORDER BY seq LIMIT %s"""
