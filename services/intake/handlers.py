"""Wire to domain and back: upstream records in, facts and rejects out."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import BaseModel

from services.intake.decoding import Refused, content_digest, decode, unknown_fields
from services.intake.domain.acceptance import Claim, Days, Done, Incoming, Known, Outcome, Ruling, Status, accept
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.rejected import RAW_MAX_BYTES
from shared.contracts.topics import APPLICATIONS, FACTS, OPERATIONS, REJECTED, topics
from shared.ids import derived
from shared.observability import metrics
from shared.streaming.records import Cause, Output, Raw, States, partition_of

State = Known | Claim | Status | Days | Done
Taken = AnyEvent | Refused
DAYS = "@days"

_PARTITIONS = topics()[FACTS].partitions
_REJECTED_PARTITIONS = topics()[REJECTED].partitions
_json = msgspec.json.Encoder(enc_hook=lambda model: model.__dict__)
_state_encoder = msgspec.msgpack.Encoder()
_state_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)

# What makes a fact the same fact: the parts of its business id beside the uscc (contracts: common rules).
_BUSINESS: dict[str, Callable[[Any], tuple[str, ...]]] = {
    "cn.tax.enterprise.registered.v1": lambda d: (d.effective_on.isoformat(),),
    "cn.tax.enterprise.deregistered.v1": lambda d: (),
    "cn.tax.contribution.assessed.v1": lambda d: (d.assessment_id,),
    "cn.tax.contribution.paid.v1": lambda d: (d.payment_id,),
    "cn.insurance.headcount.reported.v1": lambda d: (d.period,),
    "cn.insurance.layoffs.reported.v1": lambda d: (d.period,),
    "cn.insurance.year.settled.v1": lambda d: (str(d.year),),
    "cn.utility.bill.issued.v1": lambda d: (d.bill_id,),
    "cn.utility.bill.paid.v1": lambda d: (d.payment_id,),
    "cn.utility.disconnection.requested.v1": lambda d: (d.request_id,),
    "relief.holdover.applied.v1": lambda d: (d.application_id,),
    "relief.holdover.withdrawal.v1": lambda d: (d.application_id,),
    "relief.refund.declined.v1": lambda d: (d.application_id,),
    "relief.need.registered.v1": lambda d: (d.application_id,),
}
# Ids that mean one thing whichever enterprise sends them: what their first record fixes.
_CLAIMS: dict[str, Callable[[Any], tuple[str, tuple[str, ...]]]] = {
    "cn.tax.contribution.assessed.v1": lambda d: (f"assessment:{d.assessment_id}", (d.uscc, d.insurance, d.period)),
    "cn.tax.contribution.paid.v1": lambda d: (f"payment:{d.payment_id}", (d.uscc,)),
    "cn.utility.bill.issued.v1": lambda d: (f"bill:{d.bill_id}", (d.uscc,)),
    "cn.utility.bill.paid.v1": lambda d: (f"bill_payment:{d.payment_id}", (d.uscc,)),
}
_CONFLICTS = {
    Outcome.ID_CONFLICT: ("ID_CONFLICT", "This id was accepted before with other content; the first stands."),
    Outcome.VERSION_CONFLICT: (
        "VERSION_CONFLICT",
        "This version was accepted before with other content; send a correction as a higher version.",
    ),
    Outcome.CLAIM_CONFLICT: (
        "VERSION_CONFLICT",
        "This id belongs to another enterprise, or to another insurance or period; use a new id.",
    ),
}


def encode_state(state: State) -> bytes:
    return _state_encoder.encode(state)


def decode_state(stored: bytes) -> State:
    return _state_decoder.decode(stored)


class Sealing:
    """Seals (plaintext, context) to payments and to operators, and the digest that shows a changed payee."""

    def __init__(
        self,
        payee: Callable[[bytes, bytes], str],
        payee_digest: Callable[[bytes], str],
        raw: Callable[[bytes, bytes], str],
    ) -> None:
        self.payee, self.payee_digest, self.raw = payee, payee_digest, raw


class IntakeFold:
    """Upstream topics, applications and operations into `relief.facts.v1` and `relief.rejected.v1`."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    def decode(self, record: Raw) -> Taken:
        return decode(record, decoder(record.topic))

    def keys(self, fact: Taken) -> Iterable[str]:
        if isinstance(fact, Refused):
            return ()
        if fact.type not in _BUSINESS:
            return (DAYS, _operation_key(fact))
        if fact.type in _CLAIMS:
            return (fact.subject, "@" + _CLAIMS[fact.type](fact.data)[0])
        application = getattr(fact.data, "application_id", None)
        return (fact.subject,) if application is None else (fact.subject, f"@application:{application}")

    def cause(self, fact: Taken) -> Cause | None:
        return None

    def step(self, states: States[State], fact: Taken, record: Raw) -> Sequence[Output]:
        if isinstance(fact, Refused):
            return [self._reject(record, fact.code, fact.message)]
        unknown = unknown_fields(fact)
        if unknown:
            metrics.UNKNOWN_FIELDS.labels(fact.type).inc(unknown)
        if fact.type not in _BUSINESS:
            return self._operation(states, fact, record)
        return self._fact(states, fact, record)

    # ---- facts of enterprises ----------------------------------------------------------------------------------

    def _fact(self, states: States[State], event: AnyEvent, record: Raw) -> Sequence[Output]:
        ruling, incoming = rule(states, event)
        _count(ruling.outcome, event, record)
        if ruling.outcome in _CONFLICTS:
            code, message = _CONFLICTS[ruling.outcome]
            self._status(states, event, record, code, message)
            return [self._reject(record, code, message, incoming.content, ruling.against)]
        if ruling.outcome is not Outcome.ACCEPTED:
            return ()
        self._status(states, event, record, None, None)
        return [self._publish(event, record, event.subject, partition_of(event.subject.encode(), _PARTITIONS), 0)]

    def _status(self, states: States[State], event: AnyEvent, record: Raw, code: str | None, text: str | None) -> None:
        if record.topic != APPLICATIONS:
            return
        name = f"@application:{event.data.application_id}"
        # The first word on an application stands: a later conflict is the newcomer's, not the application's.
        if states.get(name) is None:
            states.put(name, Status(event.subject, code, text))

    def _publish(self, event: AnyEvent, record: Raw, subject: str, partition: int, index: int) -> Output:
        data = dict(event.data.__dict__)
        if "payee" in data:
            data |= self._sealed_payee(data.pop("payee"), subject)
        if "contact" in data:
            contact = data.pop("contact")
            data["contact_sealed"] = (
                None if contact is None else self._sealing.payee(msgspec.json.encode(contact), subject.encode())
            )
        data["origin"] = _origin(record, index)
        envelope = {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": subject,
            "time": event.time,
            "datacontenttype": "application/json",
            "data": data,
        }
        if event.traceparent is not None:
            envelope["traceparent"] = event.traceparent
        return Output(FACTS, partition, subject.encode(), _json.encode(envelope))

    def _sealed_payee(self, payee: BaseModel | None, uscc: str) -> dict[str, str | None]:
        if payee is None:
            return {"payee": None, "payee_sealed": None, "payee_digest": None}
        plain = _json.encode(payee)
        return {
            "payee": None,
            "payee_sealed": self._sealing.payee(plain, uscc.encode()),
            "payee_digest": self._sealing.payee_digest(plain),
        }

    # ---- operations --------------------------------------------------------------------------------------------

    def _operation(self, states: States[State], event: AnyEvent, record: Raw) -> Sequence[Output]:
        """A day or a pack goes to every facts partition, a review to its enterprise's."""
        outcome = self._operation_outcome(states, event)
        _count(outcome, event, record)
        if outcome is not Outcome.ACCEPTED:
            return ()
        uscc = getattr(event.data, "uscc", None)
        if uscc is not None:
            return [self._publish(event, record, uscc, partition_of(uscc.encode(), _PARTITIONS), 0)]
        return [self._publish(event, record, event.subject, partition, partition) for partition in range(_PARTITIONS)]

    def _operation_outcome(self, states: States[State], event: AnyEvent) -> Outcome:
        key = _operation_key(event)
        if states.get(key) is not None:
            return Outcome.DUPLICATE
        if event.type == "relief.day.started.v1":
            day, days = event.data.date.isoformat(), states.get(DAYS)
            if isinstance(days, Days) and day <= days.last:
                return Outcome.SUPERSEDED
            states.put(DAYS, Days(day))
        states.put(key, Done())
        return Outcome.ACCEPTED

    # ---- rejects -----------------------------------------------------------------------------------------------

    def _reject(
        self, record: Raw, code: str, message: str, content: bytes | None = None, against: bytes | None = None
    ) -> Output:
        metrics.REJECTS.labels(record.topic, code).inc()
        raw = record.value or b""
        position = f"{record.topic}/{record.partition}/{record.offset}"
        data = {
            "origin": _origin(record, 0),
            "code": code,
            "message": message,
            "digest": hashlib.sha256(raw).hexdigest(),
            "content_digest": content.hex() if content is not None else None,
            "conflicts_with": against.hex() if against is not None else None,
            "size_bytes": len(raw),
            "raw_sealed": self._sealing.raw(raw, position.encode()) if 0 < len(raw) <= RAW_MAX_BYTES else None,
        }
        event = {
            "specversion": "1.0",
            "id": derived("rejected", position),
            "source": "/relief/intake",
            "type": "relief.record.rejected.v1",
            "subject": position,
            "time": datetime.fromtimestamp(record.timestamp / 1000, UTC),
            "datacontenttype": "application/json",
            "data": data,
        }
        key = position.encode()
        return Output(REJECTED, partition_of(key, _REJECTED_PARTITIONS), key, _json.encode(event))


def rule(states: States[State], event: AnyEvent) -> tuple[Ruling, Incoming]:
    """Whether a valid event of an enterprise becomes a fact; remembers it in the states."""
    known = states.get(event.subject)
    if not isinstance(known, Known):
        known = Known()
    claim_key, incoming = _incoming(event)
    claim = states.get(claim_key) if claim_key is not None else None
    ruling = accept(known, claim if isinstance(claim, Claim) else None, incoming)
    if ruling.outcome not in _CONFLICTS:
        states.put(event.subject, known)
    if ruling.outcome is Outcome.ACCEPTED and claim_key is not None and incoming.fixed is not None:
        states.put(claim_key, Claim(incoming.fixed))
    return ruling, incoming


def conflict(outcome: Outcome) -> tuple[str, str] | None:
    """Code and sentence of a conflict; None for every other outcome."""
    return _CONFLICTS.get(outcome)


def _incoming(event: AnyEvent) -> tuple[str | None, Incoming]:
    """The key of the claim on the event's id, if its kind has one, and the event reduced to digests."""
    data = event.data
    kind = event.type.encode()
    claim_key, fixed = None, None
    if event.type in _CLAIMS:
        name, parts = _CLAIMS[event.type](data)
        claim_key, fixed = "@" + name, content_digest(*(part.encode() for part in parts))
    return claim_key, Incoming(
        event=content_digest(event.source.encode(), event.id.encode()),
        business=content_digest(kind, *(part.encode() for part in _BUSINESS[event.type](data))),
        version=getattr(data, "version", 1),
        content=content_digest(kind, _json.encode(data.__dict__)),
        fixed=fixed,
    )


def _count(outcome: Outcome, event: AnyEvent, record: Raw) -> None:
    """Repeats and old versions are visible outcomes, never silent."""
    if outcome in (Outcome.DUPLICATE, Outcome.REPEATED):
        metrics.DUPLICATES.labels(record.topic).inc()
    elif outcome is Outcome.SUPERSEDED:
        metrics.SUPERSEDED.labels(event.type).inc()


def _operation_key(event: AnyEvent) -> str:
    return f"@operation:{event.source} {event.id}"


def _origin(record: Raw, index: int) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "index": index}


INPUTS = (*(name for name in topics() if name.startswith("upstream.")), APPLICATIONS, OPERATIONS)
