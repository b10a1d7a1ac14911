"""Applications over HTTP: taken once Kafka has acknowledged them, and told what became of them."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import structlog
from aiokafka.structs import TopicPartition
from fastapi import APIRouter, Depends, Header, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from services.intake.domain.acceptance import Status
from services.intake.handlers import SOURCE, application_key
from services.intake.ruling import State
from services.intake.status import Decided, status_key
from services.intake.submissions import Submission, Submissions
from shared.access import Principal, forbidden
from shared.calendar import SHANGHAI, local_day
from shared.contracts.applications import Contact
from shared.contracts.topics import APPLICATIONS, DECISIONS, topics
from shared.contracts.vocabulary import Details, Name, Uscc, Utility, Year
from shared.gate import Gate
from shared.ids import derived
from shared.problem_schemas import refusing
from shared.problems import Problem
from shared.streaming.errors import Retry, Stop
from shared.streaming.records import Output, partition_of
from shared.streaming.redis_store import RedisStore
from shared.streaming.runner import Publishes

log = structlog.stdlib.get_logger(__name__)

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


def _writable(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """JSON over HTTP may spell half a character, which no text in UTF-8 can hold."""
    try:
        msgspec.json.encode(details)
    except UnicodeEncodeError:
        raise PydanticCustomError("bad_details", "holds a text that is not Unicode") from None
    return details


class NeedRequest(_Body):
    """Register a need that people must meet."""

    kind: Literal["need"]
    measure: Name
    details: Annotated[Details, AfterValidator(_writable)]
    contact: Contact


Asked = HoldoverRequest | WithdrawalRequest | DeclineRequest | NeedRequest
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
    publisher: Publishes,
    gate: Gate,
    digest_key: bytes,
    now: Callable[[], datetime] = lambda: datetime.now(SHANGHAI),
) -> APIRouter:
    """`facts` and `decided`: the states of intake's two folds. `digest_key` keys the digests of what was asked."""
    router = APIRouter()
    submitter = gate.require(*SUBMITTERS, rate="60/minute")
    reader = gate.require(*READERS, rate="600/minute")

    @router.post("/v1/applications", status_code=202, responses=refusing(409))
    async def submit(
        body: Annotated[Asked, Field(discriminator="kind")],
        principal: Annotated[Principal, Depends(submitter)],
        response: Response,
        idempotency_key: Annotated[str, Header(min_length=8, max_length=128)],
    ) -> Taken:
        """Take an application. The same Idempotency-Key with the same body is the same application."""
        if not principal.may_act_for(body.uscc):
            raise forbidden("An enterprise may apply for itself only.")
        application_id = derived("application", principal.subject, body.uscc, idempotency_key)
        asked = _digest(digest_key, body)
        kept = await submissions.remember(application_id, Submission(body.uscc, asked, now().isoformat()))
        if not hmac.compare_digest(kept.asked, asked):
            raise Problem(
                409,
                "idempotency-key-reused",
                "Idempotency key reused",
                "This Idempotency-Key came with another application before; send a new key.",
            )
        event = _event(application_id, body, datetime.fromisoformat(kept.received_at))
        await _publish(publisher, body.uscc, event)
        response.headers["Location"] = f"/v1/applications/{application_id}"
        return Taken(application_id=application_id)

    @router.get("/v1/applications/{application_id}", responses=refusing(404))
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
        decision = (await decided.read(where, [status_key(uscc, application_id)]))[0]
        where = TopicPartition(APPLICATIONS, partition_of(key, topics()[APPLICATIONS].partitions))
        kept = (await facts.read(where, [application_key(application_id)]))[0]
    except Retry as error:
        raise Problem(
            503, "store-unavailable", "Store unavailable", "The status cannot be read at the moment.", retry_after=5
        ) from error
    if decision is not None:
        reasons = [{"code": code, "text": {"zh": zh, "en": en}} for code, zh, en in decision.reasons]
        # Pending says what is waited for; the decision is still to come.
        word = "accepted" if decision.outcome == "pending" else "decided"
        return {"status": word, "outcome": decision.outcome, "reasons": reasons}
    if not isinstance(kept, Status):
        return {"status": "received"}
    if kept.code is None:
        return {"status": "accepted"}
    return {"status": "rejected", "code": kept.code, "reason": kept.message}


async def _publish(publisher: Publishes, uscc: str, event: bytes) -> None:
    key = uscc.encode()
    partition = partition_of(key, topics()[APPLICATIONS].partitions)
    try:
        await publisher.publish([Output(APPLICATIONS, partition, key, event)])
    except (Retry, Stop) as error:
        if isinstance(error, Stop):
            log.error("an application cannot be published", why=str(error))
        raise Problem(
            503,
            "not-acknowledged",
            "Not acknowledged",
            "The application was not stored; send the same request with the same Idempotency-Key again.",
            retry_after=5,
        ) from error


def _digest(key: bytes, body: Asked) -> bytes:
    """Of what was asked, whatever the order of its members. Keyed: a contact is easily found from a plain digest."""
    canonical = msgspec.json.encode(body.model_dump(mode="json"), order="deterministic")
    return hashlib.blake2b(canonical, key=key, digest_size=16).digest()


def _event(application_id: str, body: Asked, at: datetime) -> bytes:
    data = body.model_dump(mode="json", exclude={"kind"})
    # A withdrawal names the application it takes back; every other kind is named by its own id.
    data.setdefault("application_id", application_id)
    data["submitted_on"] = local_day(at)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": application_id,
            "source": SOURCE,
            "type": _TYPES[body.kind],
            "subject": body.uscc,
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
