"""What officers do with sums: budgets, payments the bank is silent about, claims that will not come back."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.payments.clerk import ACTIONS
from services.payments.desk import Desk, Outcome, Reasoned, conflict, unknown
from services.payments.domain import officer as word
from services.payments.domain.claim import Claim, ClaimChange, write_off
from services.payments.domain.day import booked_on
from services.payments.domain.officer import Resolution
from services.payments.domain.refund import PROGRAMMES
from services.payments.store import command_rows, officering
from services.payments.wire import Occasion, claim_output
from shared.access import Principal
from shared.calendar import local_day
from shared.contracts import topics
from shared.contracts.vocabulary import Hash, Name, Programme, Total
from shared.gate import Gate
from shared.ids import derived
from shared.observability import metrics
from shared.problem_schemas import refusing
from shared.streaming.postgres_store import Connection, append
from shared.streaming.records import Output, partition_of

SOURCE = "/relief/payments/officers"
# Where the bank's own code would stand; the officer's words are in the audit trail.
REASON_CODE = "resolved_by_officer"

# What ledgers are told; the officers' own words stay in the trail, for they may name a person.
WRITTEN_OFF = "written_off_by_two_officers"


class BudgetSet(Reasoned):
    total_fen: Total


class BudgetNow(BaseModel):
    """In fen; `free_fen` is what new batches may still take."""

    programme: str
    outcome: Literal["created", "changed", "exists"]
    total_fen: int
    reserved_fen: int
    spent_fen: int
    free_fen: int


class Resolve(Reasoned):
    """What became of a payment, by other evidence than the bank's files; the bank's reference proves a settlement."""

    status: Resolution
    bank_reference: Name | None = None

    @model_validator(mode="after")
    def _proven(self) -> Self:
        if self.status == "settled" and self.bank_reference is None:
            raise PydanticCustomError("no_bank_reference", "a settlement needs the bank_reference of the statement")
        return self


class Ordered(BaseModel):
    """Said in the log of commands as `event_id`; the payment follows when it is read there, which takes a moment."""

    payment_id: str
    outcome: Outcome
    status: Resolution
    event_id: str


class WriteOff(Reasoned):
    """`open_fen`: the open rest that the officer saw; a claim that changed since is not given up."""

    open_fen: Annotated[int, Field(ge=1, le=9 * 10**18)] | None = None


class WrittenOff(BaseModel):
    """`proposed` waits for a second officer; `open_fen` is what is still owed."""

    clawback_id: str
    outcome: Literal["proposed", "written_off", "withdrawn", "exists"]
    proposed_by: str | None
    written_off_fen: int
    open_fen: int


def routes(desk: Desk, gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/v1")
    approver = gate.require("approver")
    commands = topics.topics()[topics.COMMANDS].partitions

    @router.put("/budgets/{programme}", responses=refusing(409))
    async def set_budget(
        programme: Programme, body: BudgetSet, caller: Annotated[Principal, Depends(approver)]
    ) -> BudgetNow:
        """Give a programme its money, never less than what is paid or on its way."""
        async with desk.acting() as db:
            # The clerk reads what is free and takes of it under these locks.
            await desk.lock_all(db)
            held = await officering.load_budget(db, programme)
            outcome = word.allot(held, body.total_fen)
            if outcome != "exists":
                await officering.save_budget(db, programme, body.total_fen)
                why = f"{body.total_fen} fen, {held.total_fen if held else 0} before: {body.reason}"
                await desk.record(db, "budget_set", programme, caller.subject, why)
        _, reserved_fen, spent_fen = held or (0, 0, 0)
        return BudgetNow(
            programme=programme,
            outcome=outcome,
            total_fen=body.total_fen,
            reserved_fen=reserved_fen,
            spent_fen=spent_fen,
            free_fen=body.total_fen - reserved_fen - spent_fen,
        )

    @router.post("/payments/{payment_id}/resolve", status_code=202, responses=refusing(404, 409))
    async def resolve(payment_id: Hash, body: Resolve, caller: Annotated[Principal, Depends(approver)]) -> Ordered:
        """Answer in the bank's place for a payment that it is silent about."""
        at = desk.now()
        event = _status(payment_id, body, at)
        async with desk.acting() as db:
            outcome = await _resolve(desk, db, payment_id, body.status)
            if outcome == "created":
                await desk.record(db, officering.RESOLVED[body.status], payment_id, caller.subject, body.reason, at)
                key = payment_id.encode()
                output = Output(topics.COMMANDS, partition_of(key, commands), key, msgspec.json.encode(event))
                await append(db, desk.schema, [output])
        return Ordered(payment_id=payment_id, outcome=outcome, status=body.status, event_id=str(event["id"]))

    _route_claims(router, desk, approver)
    return router


def _route_claims(router: APIRouter, desk: Desk, approver: Callable[..., Awaitable[Principal]]) -> None:
    @router.post("/clawbacks/{clawback_id}/write-off", responses=refusing(404, 409))
    async def give_up(clawback_id: Hash, body: WriteOff, caller: Annotated[Principal, Depends(approver)]) -> WrittenOff:
        """Give up what is still owed: one officer proposes, another one does it."""
        async with desk.acting() as db:
            claim, partition = await _load_claim(desk, db, clawback_id)
            if body.open_fen is not None and body.open_fen != claim.open_fen:
                raise conflict(f"{claim.open_fen} fen of the claim are open by now, not {body.open_fen}: look again.")
            after, change = write_off(claim, caller.subject, WRITTEN_OFF)
            await command_rows.save_claim(db, after)
            kind = "write_off_proposed" if change is None else "written_off"
            at = desk.now()
            seq = await desk.record(db, kind, clawback_id, caller.subject, body.reason, at)
            if change is not None:
                await _tell(desk, db, change, partition, seq, at)
        return _claim_now(after, "proposed" if change is None else "written_off")

    @router.post("/clawbacks/{clawback_id}/write-off/withdraw", responses=refusing(404, 409))
    async def withdraw(
        clawback_id: Hash, body: Reasoned, caller: Annotated[Principal, Depends(approver)]
    ) -> WrittenOff:
        """Take the proposal back; any approver may."""
        async with desk.acting() as db:
            claim, _ = await _load_claim(desk, db, clawback_id)
            after = msgspec.structs.replace(claim, given_up_by=None)
            if after != claim:
                await command_rows.save_claim(db, after)
                await desk.record(db, "write_off_withdrawn", clawback_id, caller.subject, body.reason)
        return _claim_now(after, "exists" if after == claim else "withdrawn")


async def _resolve(desk: Desk, db: Connection, payment_id: str, status: Resolution) -> Outcome:
    found = await officering.find_payment(db, payment_id)
    if found is None:
        raise unknown("payment")
    await desk.lock(db, [found.partition])
    # Again: what was read before the lock may have moved while it was waited for.
    found = await officering.find_payment(db, payment_id)
    assert found is not None
    return word.resolve(found.state, found.said, status)


def _status(payment_id: str, body: Resolve, at: datetime) -> dict[str, object]:
    return {
        "specversion": "1.0",
        # A payment is resolved once, so its id and the word are all that there is to tell apart.
        "id": derived(SOURCE, payment_id, body.status),
        "source": SOURCE,
        "type": "relief.payment.status.v1",
        "subject": payment_id,
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "payment_id": payment_id,
            "status": body.status,
            "reason_code": REASON_CODE,
            "bank_reference": body.bank_reference,
            "on": local_day(at),
        },
    }


async def _load_claim(desk: Desk, db: Connection, clawback_id: str) -> tuple[Claim, int]:
    found = await command_rows.load_claim(db, clawback_id)
    if found is None:
        raise unknown("clawback")
    await desk.lock(db, [found[1]])
    found = await command_rows.load_claim(db, clawback_id)
    assert found is not None
    return found


async def _tell(desk: Desk, db: Connection, change: ClaimChange, partition: int, seq: int, at: datetime) -> None:
    day = await officering.day_of(db, partition)
    occasion = Occasion(at, None, booked_on(day, at), ACTIONS, 0, seq, told_in=partition)
    await append(db, desk.schema, [claim_output(change, 0, occasion)])
    programme = PROGRAMMES[change.claim.key.measure]
    metrics.MONEY_FEN.labels(f"relief.refund.{change.change}.v1", programme).inc(change.amount_fen)


def _claim_now(claim: Claim, outcome: Literal["proposed", "written_off", "withdrawn", "exists"]) -> WrittenOff:
    return WrittenOff(
        clawback_id=claim.clawback_id,
        outcome=outcome,
        proposed_by=claim.given_up_by,
        written_off_fen=claim.written_off_fen,
        open_fen=claim.open_fen,
    )
