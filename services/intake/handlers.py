"""Wire to domain and back: upstream records in, facts and rejects out."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pydantic import BaseModel

from services.intake.decoding import Refused, decode, unknown_fields
from services.intake.domain.acceptance import Days, Done, Outcome, Status
from services.intake.ruling import State, claim_key, conflict, content_of, is_of_an_enterprise, rule
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.rejected import RAW_MAX_BYTES, RejectCode
from shared.contracts.topics import APPLICATIONS, FACTS, OPERATIONS, REJECTED, topics
from shared.ids import derived
from shared.observability import metrics
from shared.streaming.records import Cause, Output, Raw, States, partition_of

Taken = AnyEvent | Refused
DAYS = "@days"
# The source of what intake's own API publishes, and of the rejects.
SOURCE = "/relief/intake"
INPUTS = (*(name for name in topics() if name.startswith("upstream.")), APPLICATIONS, OPERATIONS)

_PARTITIONS = topics()[FACTS].partitions
_REJECTED_PARTITIONS = topics()[REJECTED].partitions
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The contract's times end with the year 2199.
_LAST_MS = (datetime(2199, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_json = msgspec.json.Encoder(enc_hook=lambda model: model.__dict__)
_state_encoder = msgspec.msgpack.Encoder()
_state_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)


def application_key(event_id: str) -> str:
    """The state key of what became of an application that came in over HTTP, by its event's id."""
    return f"@application:{event_id}"


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
        if not is_of_an_enterprise(fact):
            return (DAYS, _operation_key(fact))
        claimed_as = claim_key(fact)
        if claimed_as is not None:
            return (fact.subject, claimed_as)
        return (fact.subject, application_key(fact.id)) if fact.source == SOURCE else (fact.subject,)

    def cause(self, fact: Taken) -> Cause | None:
        return None

    def step(self, states: States[State], fact: Taken, record: Raw) -> Sequence[Output]:
        if isinstance(fact, Refused):
            return [self._reject(record, fact.code, fact.message)]
        unknown = unknown_fields(fact)
        if unknown:
            metrics.UNKNOWN_FIELDS.labels(fact.type).inc(unknown)
        return self._fact(states, fact, record) if is_of_an_enterprise(fact) else self._operation(states, fact, record)

    # ---- facts of enterprises ----------------------------------------------------------------------------------

    def _fact(self, states: States[State], event: AnyEvent, record: Raw) -> Sequence[Output]:
        ruling, incoming = rule(states, event)
        _count(ruling.outcome, event, record)
        refused = conflict(ruling.outcome)
        _tell(states, event, record, refused)
        if refused is not None:
            return [self._reject(record, *refused, incoming.content, ruling.against)]
        if ruling.outcome is not Outcome.ACCEPTED:
            return ()
        return [self._publish(event, record, event.subject, partition_of(event.subject.encode(), _PARTITIONS), 0)]

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
        content, done = content_of(event), states.get(_operation_key(event))
        if isinstance(done, Done):
            if done.content != content:
                message = "This operation was carried out with other content; the first stands."
                return [self._reject(record, "ID_CONFLICT", message, content, done.content)]
            _count(Outcome.DUPLICATE, event, record)
            return ()
        if event.type == "relief.day.started.v1":
            day, days = event.data.date.isoformat(), states.get(DAYS)
            if isinstance(days, Days) and day <= days.last:
                _count(Outcome.SUPERSEDED, event, record)
                return ()
            states.put(DAYS, Days(day))
        states.put(_operation_key(event), Done(content))
        uscc = event.data.__dict__.get("uscc")  # as an attribute, a member that no contract names would be found too
        if uscc is not None:
            return [self._publish(event, record, uscc, partition_of(uscc.encode(), _PARTITIONS), 0)]
        return [self._publish(event, record, event.subject, partition, partition) for partition in range(_PARTITIONS)]

    # ---- rejects -----------------------------------------------------------------------------------------------

    def _reject(
        self, record: Raw, code: RejectCode, message: str, content: bytes | None = None, against: bytes | None = None
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
            "source": SOURCE,
            "type": "relief.record.rejected.v1",
            "subject": position,
            "time": _moment(record.timestamp),
            "datacontenttype": "application/json",
            "data": data,
        }
        key = position.encode()
        return Output(REJECTED, partition_of(key, _REJECTED_PARTITIONS), key, _json.encode(event))


def _tell(states: States[State], event: AnyEvent, record: Raw, refused: tuple[RejectCode, str] | None) -> None:
    """Keep what became of an application of our own API. Its first word stands: a repeat changes nothing."""
    name = application_key(event.id)
    if record.topic == APPLICATIONS and event.source == SOURCE and states.get(name) is None:
        states.put(name, Status(event.subject, *(refused or (None, None))))


def _count(outcome: Outcome, event: AnyEvent, record: Raw) -> None:
    """Repeats and old versions are visible outcomes, never silent."""
    if outcome in (Outcome.DUPLICATE, Outcome.REPEATED):
        metrics.DUPLICATES.labels(record.topic).inc()
    elif outcome is Outcome.SUPERSEDED:
        metrics.SUPERSEDED.labels(event.type).inc()


def _moment(milliseconds: int) -> datetime:
    """A record's timestamp; a sender may put any 64-bit number there, and -1 stands for none."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LAST_MS))


def _operation_key(event: AnyEvent) -> str:
    return f"@operation:{event.source} {event.id}"


def _origin(record: Raw, index: int) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "index": index}
