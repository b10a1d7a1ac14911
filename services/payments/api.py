"""What payments holds, to read: one enterprise's money for its story, and totals for reconciliation."""

from datetime import date
from typing import Annotated, LiteralString

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.payments.domain.refund import PROGRAMMES
from services.payments.store import sums
from shared.access import Principal, forbidden
from shared.contracts.topics import DECISIONS, topics
from shared.contracts.vocabulary import Uscc
from shared.gate import Gate
from shared.ids import decision_id, exemption_id
from shared.snapshot import snapshot
from shared.streaming import progress
from shared.streaming.postgres_store import Pool


class ExemptionHeld(BaseModel):
    """One insurance and period; `amount_fen` is waived now, `prefecture` is where, none while it is 0."""

    exemption_id: str
    insurance: str
    period: str
    amount_fen: int
    prefecture: str | None
    revision: int
    decision_id: str


class RefundHeld(BaseModel):
    """What is due for one (measure, key): the sum of its payments that are not cancelled."""

    measure: str
    programme: str
    key: str
    amount_fen: int
    revision: int
    decision_id: str


class PaymentHeld(BaseModel):
    """One payment; `decision_id` authorised it. The payee is sealed and not shown."""

    payment_id: str
    measure: str
    programme: str
    key: str
    number: int
    amount_fen: int
    state: str
    prefecture: str
    decision_id: str


class EnterpriseMoney(BaseModel):
    """Everything held for one enterprise, also what is 0 by now; empty lists when nothing was ever decided."""

    uscc: str
    exemptions: list[ExemptionHeld]
    refunds: list[RefundHeld]
    payments: list[PaymentHeld]


class Total(BaseModel):
    """One sum. `kind` is exemptions, refunds (what is due), payments, clawbacks, or excess: by how much the payments of
    an entitlement are above what is due, while the bank has not answered for one. `purpose`: an insurance or programme.

    `state` is of payments, or what of clawbacks (raised, recovered, written_off), null for the others; `count` counts
    what is above 0, and every payment.
    """

    kind: str
    purpose: str
    state: str | None
    count: int
    amount_fen: int


class Totals(BaseModel):
    """All from one moment. `events_told` are stored, of which the ledger topics have at least `events_relayed`."""

    totals: list[Total]
    events_told: int
    events_relayed: int


class Clerk(BaseModel):
    """How far the days' work has come: the last day started everywhere, the last one worked through, both null at
    first, and the batches that are submitted and not with the bank yet.
    """

    started: date | None
    worked: date | None
    unsent: int


def routes(pool: Pool, gate: Gate) -> APIRouter:
    """The read API."""
    router = APIRouter(prefix="/v1")
    of_enterprise = gate.require("enterprise", "liaison", "approver", "auditor", "operator", "service")
    of_all = gate.require("auditor", "operator", "service")

    @router.get("/enterprises/{uscc}/payments")
    async def enterprise_payments(uscc: Uscc, caller: Annotated[Principal, Depends(of_enterprise)]) -> EnterpriseMoney:
        if not caller.may_act_for(uscc):
            raise forbidden("An enterprise reads its own payments only.")
        return await _enterprise(pool, uscc)

    @router.get("/totals", dependencies=[Depends(of_all)])
    async def totals() -> Totals:
        return await _totals(pool)

    @router.get("/clerk", dependencies=[Depends(of_all)])
    async def clerk() -> Clerk:
        async with snapshot(pool) as db:
            row = await (await db.execute(_CLERK, (topics()[DECISIONS].partitions,))).fetchone()
        assert row is not None
        return Clerk(started=row[0], worked=row[1], unsent=row[2])

    return router


async def _enterprise(pool: Pool, uscc: str) -> EnterpriseMoney:
    async with snapshot(pool) as db:
        exemptions = await (await db.execute(_EXEMPTIONS, (uscc,))).fetchall()
        refunds = await (await db.execute(_REFUNDS, (uscc,))).fetchall()
        payments = await (await db.execute(_PAYMENTS, (uscc,))).fetchall()
    return EnterpriseMoney(
        uscc=uscc,
        exemptions=[_exemption(uscc, *row) for row in exemptions],
        refunds=[
            RefundHeld(
                measure=measure,
                programme=PROGRAMMES[measure],
                key=key,
                amount_fen=amount_fen,
                revision=revision,
                decision_id=decision_id(uscc, measure, key, revision),
            )
            for measure, key, amount_fen, revision in refunds
        ],
        payments=[
            PaymentHeld(
                payment_id=identity,
                measure=measure,
                programme=PROGRAMMES[measure],
                key=key,
                number=number,
                amount_fen=amount_fen,
                state=state,
                prefecture=prefecture,
                decision_id=decision,
            )
            for identity, measure, key, number, amount_fen, state, prefecture, decision in payments
        ],
    )


def _exemption(
    uscc: str, insurance: str, period: str, amount_fen: int, prefecture: str | None, revision: int
) -> ExemptionHeld:
    key = f"{insurance}/{period}"
    return ExemptionHeld(
        exemption_id=exemption_id(uscc, key),
        insurance=insurance,
        period=period,
        amount_fen=amount_fen,
        prefecture=prefecture,
        revision=revision,
        decision_id=decision_id(uscc, "exemption", key, revision),
    )


async def _totals(pool: Pool) -> Totals:
    async with snapshot(pool) as db:
        held = await sums.held(db)
        told, relayed = await progress.told_and_relayed(db)
    held.sort(key=lambda one: (one.kind, one.purpose, one.state or ""))
    totals = [
        Total(kind=one.kind, purpose=one.purpose, state=one.state, count=one.count, amount_fen=one.amount_fen)
        for one in held
    ]
    return Totals(totals=totals, events_told=told, events_relayed=relayed)


_CLERK: LiteralString = """
    SELECT (SELECT CASE WHEN count(*) >= %s THEN min(date) END FROM day), (SELECT day FROM clerk),
      (SELECT count(*) FROM batch WHERE state IN ('approved', 'submitted') AND count > 0 AND NOT sent)"""
_EXEMPTIONS: LiteralString = """
    SELECT insurance, period, amount_fen, prefecture, revision FROM exemption WHERE uscc = %s
    ORDER BY period, insurance"""
_REFUNDS: LiteralString = """
    SELECT measure, key, amount_fen, revision FROM refund WHERE uscc = %s ORDER BY measure, key"""
_PAYMENTS: LiteralString = """
    SELECT payment_id, measure, key, number, amount_fen, state, prefecture, decision_id FROM payment WHERE uscc = %s
    ORDER BY measure, key, number"""
