"""Applications over HTTP: taken once Kafka has acknowledged them, and told what became of them."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from aiokafka.structs import TopicPartition
from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.intake.domain.acceptance import Status
from services.intake.handlers import State
from services.intake.status import Decided
from services.intake.submissions import Submission, Submissions
from shared.access import Principal, TokenVerifier, forbidden, require
from shared.contracts.applications import Contact
from shared.contracts.topics import APPLICATIONS, DECISIONS, topics
from shared.contracts.vocabulary import Name, Uscc, Utility, Year
from shared.ids import derived
from shared.limits import Limiter, rate_limit
from shared.problems import Problem
from shared.streaming.errors import Retry
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output, partition_of
from shared.streaming.redis_store import RedisStore

SHANGHAI = ZoneInfo("Asia/Shanghai")
SUBMITTERS = ("enterprise", "liaison", "operator")
READERS = ("enterprise", "liaison", "preparer", "approver", "auditor", "operator", "service")


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    uscc: Uscc


class HoldoverRequest(_Body):
    """Ask for the deferral of fees."""

    kind: Literal["holdover"]
    utilities: Annotated[list[Utility], Field(min_length=1, max_length=4)]
    declared_difficulty: bool
    contact: Contact


class WithdrawalRequest(_Body):
    """Take a holdover application back."""

    kind: Literal["withdrawal"]
    application_id: Name


class DeclineRequest(_Body):
    """Decline the refund of one reference year."""

    kind: Literal["refund_decline"]
    year: Year


class NeedRequest(_Body):
    """Register a need that people must meet."""

    kind: Literal["need"]
    measure: Name
    details: dict[Name, JsonValue]
    contact: Contact


Request = Annotated[HoldoverRequest | WithdrawalRequest | DeclineRequest | NeedRequest, Field(discriminator="kind")]
_TYPES = {
    "holdover": "relief.holdover.applied.v1",
    "withdrawal": "relief.holdover.withdrawal.v1",
    "refund_decline": "relief.refund.declined.v1",
    "need": "relief.need.registered.v1",
}


class Taken(BaseModel):
    """`application_id` names the application in every later answer and event."""

    application_id: str
    status: Literal["received"] = "received"


def routes(
    submissions: Submissions,
    facts: RedisStore[State],
    decided: RedisStore[Decided],
    publisher: Publisher,
    verifier: TokenVerifier,
    limiter: Limiter,
    now: Callable[[], datetime] = lambda: datetime.now(SHANGHAI),
) -> APIRouter:
    router = APIRouter()
    submitter, reader = require(verifier, *SUBMITTERS), require(verifier, *READERS)

    @router.post(
        "/v1/applications", status_code=202, dependencies=[Depends(rate_limit(limiter, "60/minute", submitter))]
    )
    async def submit(
        body: Request,
        principal: Annotated[Principal, Depends(submitter)],
        response: Response,
        idempotency_key: Annotated[str, Header(min_length=8, max_length=128)],
    ) -> Taken:
        """Take an application. The same Idempotency-Key with the same body is the same application."""
        if not principal.may_act_for(body.uscc):
            raise forbidden("An enterprise may apply for itself only.")
        application_id = derived("application", principal.subject, body.uscc, idempotency_key)
        asked = hashlib.blake2b(body.model_dump_json().encode(), digest_size=16).digest()
        at = now()
        event = _event(application_id, body, at)
        kept = await submissions.remember(application_id, Submission(body.uscc, asked, event, at.isoformat()))
        if kept.body != asked:
            raise Problem(
                409,
                "idempotency-key-reused",
                "Idempotency key reused",
                "This Idempotency-Key came with another application before; send a new key.",
            )
        await _publish(publisher, kept)
        response.headers["Location"] = f"/v1/applications/{application_id}"
        return Taken(application_id=application_id)

    @router.get("/v1/applications/{application_id}", dependencies=[Depends(rate_limit(limiter, "600/minute", reader))])
    async def status(application_id: str, principal: Annotated[Principal, Depends(reader)]) -> dict[str, Any]:
        """received, accepted, rejected (why) or decided (how)."""
        submission = await submissions.find(application_id)
        # The same answer for another's application as for none: an id must not tell that it exists.
        if submission is None or not principal.may_act_for(submission.uscc):
            raise Problem(404, "unknown-application", "Unknown application", "There is no such application of yours.")
        known = {"application_id": application_id, "uscc": submission.uscc, "received_at": submission.received_at}
        return known | await _state(application_id, submission.uscc, facts, decided)

    return router


async def _state(
    application_id: str, uscc: str, facts: RedisStore[State], decided: RedisStore[Decided]
) -> dict[str, Any]:
    key = uscc.encode()
    try:
        where = TopicPartition(DECISIONS, partition_of(key, topics()[DECISIONS].partitions))
        decision = (await decided.read(where, [application_id]))[0]
        if decision is not None:
            reasons = [{"code": code, "text": {"zh": zh, "en": en}} for code, zh, en in decision.reasons]
            return {"status": "decided", "outcome": decision.outcome, "reasons": reasons}
        where = TopicPartition(APPLICATIONS, partition_of(key, topics()[APPLICATIONS].partitions))
        kept = (await facts.read(where, [f"@application:{application_id}"]))[0]
    except Retry as error:
        raise Problem(
            503, "store-unavailable", "Store unavailable", "The status cannot be read at the moment.", retry_after=5
        ) from error
    if not isinstance(kept, Status):
        return {"status": "received"}
    if kept.code is None:
        return {"status": "accepted"}
    return {"status": "rejected", "code": kept.code, "reason": kept.message}


async def _publish(publisher: Publisher, submission: Submission) -> None:
    key = submission.uscc.encode()
    partition = partition_of(key, topics()[APPLICATIONS].partitions)
    try:
        await publisher.publish([Output(APPLICATIONS, partition, key, submission.event)])
    except Retry as error:
        raise Problem(
            503,
            "not-acknowledged",
            "Not acknowledged",
            "The application was not stored; send the same request with the same Idempotency-Key again.",
            retry_after=5,
        ) from error


def _event(
    application_id: str, body: HoldoverRequest | WithdrawalRequest | DeclineRequest | NeedRequest, at: datetime
) -> bytes:
    data = body.model_dump(mode="json", exclude={"kind"})
    # A withdrawal names the application it takes back; every other kind is named by its own id.
    data.setdefault("application_id", application_id)
    data["submitted_on"] = at.date()
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": application_id,
            "source": "/relief/intake",
            "type": _TYPES[body.kind],
            "subject": body.uscc,
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
