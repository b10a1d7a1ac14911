"""What officers do with batches, enterprises and programmes: prepare, approve, reject, freeze, release."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.payments.desk import Desk, Outcome, Reasoned, books_disagree, conflict, in_time, log, unknown
from services.payments.domain import officer as word
from services.payments.domain.batch import Batch, BatchState, Verdict, approve, reject
from services.payments.domain.life import may
from services.payments.store import batches, clerking, officering
from services.payments.store.batches import Approval
from services.payments.store.officering import WithBank
from shared.access import Principal, TokenVerifier, require
from shared.contracts.vocabulary import Hash, Programme, Uscc
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection, transaction
from shared.streaming.records import partition_of

PREPARE_SECONDS = RELEASE_SECONDS = 60
# (day, prepared by, reason, when) -> batches made
Prepare = Callable[[date, str, str, datetime], Awaitable[int]]


class Prepared(BaseModel):
    """`batches` made now, of what waited and could go; those on the way by now, if the same is asked again."""

    outcome: Literal["created", "nothing_waits"]
    day: date
    batches: int


class Decision(Reasoned):
    """`version`: the one that the officer saw; a batch that changed since is not decided on."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Decided(BaseModel):
    """The batch after the officer's word; `version` is the one decided on, `approved_by` whoever approved that one."""

    batch_id: str
    outcome: Outcome
    state: BatchState
    frozen: bool
    version: int
    approved_by: list[str]
    second_officer_awaited: bool


class EnterpriseNamed(Reasoned):
    scope: Literal["enterprise"]
    subject: Uscc


class ProgrammeNamed(Reasoned):
    scope: Literal["programme"]
    subject: Programme


Named = Annotated[EnterpriseNamed | ProgrammeNamed, Field(discriminator="scope")]


class Frozen(BaseModel):
    """`held` payments wait from now on, of which `left_batches` left one. A programme's wait where they are.

    What is with the bank already goes on: `with_bank` payments of `with_bank_fen`.
    """

    scope: str
    subject: str
    outcome: Outcome
    held: int
    left_batches: int
    with_bank: int
    with_bank_fen: int


class Released(BaseModel):
    """`released` payments may go into the next batch; those that something else holds still wait."""

    scope: str
    subject: str
    outcome: Outcome
    released: int


def routes(desk: Desk, verifier: TokenVerifier, prepare: Prepare, threshold_fen: int) -> APIRouter:
    """`prepare` is the clerk's; batches above `threshold_fen` need two officers."""
    router = APIRouter(prefix="/v1")
    preparer, approver = require(verifier, "preparer"), require(verifier, "approver")
    guard = require(verifier, "approver", "operator")

    @router.post("/batches")
    async def prepare_batches(body: Reasoned, caller: Annotated[Principal, Depends(preparer)]) -> Prepared:
        """Put what waits into batches now, dated the last day that has started everywhere."""
        async with in_time(PREPARE_SECONDS):
            await desk.ready()
            async with transaction(desk.pool) as db:
                day = await clerking.started_day(db, desk.partitions)
            if day is None:
                raise conflict("No day has started in every partition yet; start one, then prepare batches.")
            made = await prepare(day, caller.subject, body.reason, desk.now())
        return Prepared(outcome="created" if made else "nothing_waits", day=day, batches=made)

    @router.post("/batches/{batch_id}/approve")
    async def approve_batch(batch_id: Hash, body: Decision, caller: Annotated[Principal, Depends(approver)]) -> Decided:
        """Let a batch go to the bank. The same officer's approval again, once it has gone through, is `exists`."""

        def decide(batch: Batch) -> Verdict:
            return approve(batch, caller.subject, threshold_fen, body.version)

        return await _act(desk, "batch_approved", batch_id, caller, body.reason, decide)

    @router.post("/batches/{batch_id}/reject")
    async def reject_batch(batch_id: Hash, body: Decision, caller: Annotated[Principal, Depends(approver)]) -> Decided:
        """Refuse a batch; its payments wait for the next one."""

        def decide(batch: Batch) -> Verdict:
            return reject(batch, caller.subject, body.version)

        return await _act(desk, "batch_rejected", batch_id, caller, body.reason, decide)

    @router.post("/batches/{batch_id}/freeze")
    async def freeze_batch(batch_id: Hash, body: Reasoned, caller: Annotated[Principal, Depends(guard)]) -> Decided:
        """Stop a batch that is not with the bank yet; its payments stay in it."""
        return await _act(desk, "batch_frozen", batch_id, caller, body.reason, word.freeze)

    @router.post("/batches/{batch_id}/release")
    async def release_batch(batch_id: Hash, body: Reasoned, caller: Annotated[Principal, Depends(guard)]) -> Decided:
        """Let a frozen batch go on from where it stood."""
        return await _act(desk, "batch_released", batch_id, caller, body.reason, word.release)

    @router.post("/freezes")
    async def freeze(body: Named, caller: Annotated[Principal, Depends(guard)]) -> Frozen:
        """Pay nothing more to an enterprise, or under a programme, until it is released."""
        return await _freeze(desk, body, caller.subject)

    @router.post("/freezes/release")
    async def release(body: Named, caller: Annotated[Principal, Depends(guard)]) -> Released:
        """End a freeze. What was held for it alone may go into the next batch."""
        return await _release(desk, body, caller.subject)

    return router


async def _act(
    desk: Desk, kind: str, batch_id: str, caller: Principal, reason: str, decide: Callable[[Batch], Verdict]
) -> Decided:
    async with desk.acting() as db:
        batch = await _load(desk, db, batch_id)
        verdict = decide(batch)
        after = verdict.batch
        if not verdict.repeat:
            if after.frozen != batch.frozen:
                await officering.set_frozen(db, batch_id, after.frozen)
            else:
                await batches.save_batch(db, after, _given(batch, after, reason))
            await desk.record(db, kind, batch_id, caller.subject, reason)
    return Decided(
        batch_id=batch_id,
        outcome="exists" if verdict.repeat else "created",
        state=after.state,
        frozen=after.frozen,
        version=batch.version,
        approved_by=list(after.approvals),
        second_officer_awaited=not verdict.done,
    )


async def _load(desk: Desk, db: Connection, batch_id: str) -> Batch:
    """Payments leave a batch and never join it later, so these locks are all that are needed."""
    await desk.lock(db, await batches.partitions_of(db, [batch_id]))
    try:
        found = await batches.load_batches(db, [batch_id])
    except Stop as stop:
        log.exception("a batch does not hold what it declares", batch=batch_id, exc_info=stop)
        raise books_disagree() from stop
    if batch_id not in found:
        raise unknown("batch")
    return found[batch_id]


def _given(before: Batch, after: Batch, reason: str) -> Iterable[Approval]:
    for place, officer in enumerate(after.approvals[len(before.approvals) :], len(before.approvals) + 1):
        yield Approval(before.batch_id, before.version, officer, reason, place)


async def _freeze(desk: Desk, body: EnterpriseNamed | ProgrammeNamed, officer: str) -> Frozen:
    held: list[str] = []
    left = 0
    async with desk.acting() as db:
        await _lock_named(desk, db, body)
        news = await officering.keep_frozen(db, body.scope, body.subject, officer, body.reason)
        if news and body.scope == "enterprise":
            payments = await officering.payments_of_enterprise(db, body.subject)
            held = [payment_id for payment_id, state, _ in payments if may("held", state)]
            left = sum(batch is not None for _, state, batch in payments if may("held", state))
            await officering.hold_frozen(db, held)
        bank = await _with_bank(db, body)
        if news:
            await desk.record(db, f"{body.scope}_frozen", body.subject, officer, body.reason)
    return Frozen(
        scope=body.scope,
        subject=body.subject,
        outcome="created" if news else "exists",
        held=len(held),
        left_batches=left,
        with_bank=bank.payments,
        with_bank_fen=bank.total_fen,
    )


async def _release(desk: Desk, body: EnterpriseNamed | ProgrammeNamed, officer: str) -> Released:
    """The freeze ends at once, and its payments follow some thousands at a time, so that nobody's work waits for all of
    them. Cut short, the rest follows when the same is said again, or with the clerk's next batches.
    """
    uscc = body.subject if body.scope == "enterprise" else None
    news, released, after = False, 0, ""
    async with in_time(RELEASE_SECONDS):
        while True:
            async with desk.acting() as db:
                await _lock_named(desk, db, body)
                ended = not after and await officering.drop_frozen(db, body.scope, body.subject)
                freed = await officering.release_held(db, uscc, after, desk.at_once)
                if ended:
                    await desk.record(db, f"{body.scope}_released", body.subject, officer, body.reason)
            news, released = news or ended, released + len(freed)
            if len(freed) < desk.at_once:
                break
            after = max(freed)
    return Released(scope=body.scope, subject=body.subject, outcome="created" if news else "exists", released=released)


async def _lock_named(desk: Desk, db: Connection, body: EnterpriseNamed | ProgrammeNamed) -> None:
    if body.scope == "programme":
        await desk.lock_all(db)
        return
    # Before anything was decided on an enterprise, only its code says which partition will be its own.
    known = await officering.partitions_of_enterprise(db, body.subject)
    await desk.lock(db, {*known, partition_of(body.subject.encode(), desk.partitions)})


async def _with_bank(db: Connection, body: EnterpriseNamed | ProgrammeNamed) -> WithBank:
    if body.scope == "enterprise":
        return await officering.with_bank(db, body.subject, None)
    return await officering.with_bank(db, None, body.subject)
