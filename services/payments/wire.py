"""Wire to domain and back: decisions in, ledger events out."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from services.payments.domain.decision import Contradiction, Decision
from services.payments.domain.exemption import ExemptionChange, insurance_and_period
from services.payments.domain.refund import PROGRAMMES, PaymentChange
from shared.contracts import registry, topics
from shared.contracts.decisions import DecisionMade, DecisionMadeData
from shared.contracts.envelope import Origin
from shared.ids import exemption_id, ledger_event_id
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Raw

SOURCE = "/relief/payments"
_decisions = registry.decoder(topics.DECISIONS)


class Taken(NamedTuple):
    """One record of `relief.decisions.v1`. `fact` is None where no money is in it."""

    cause: Cause
    at: datetime
    traceparent: str | None
    fact: Decision | date | None


class Booking(NamedTuple):
    """What every event of one decision shares."""

    decision: Decision
    booked_on: date
    taken: Taken
    record: Raw


def read(record: Raw) -> Taken:
    """Raises Stop for what is no decision and no day: only intake rejects, and passing it over could lose money."""
    try:
        event = _decisions.validate_json(record.value or b"")
    except ValidationError as error:
        # Without the input: it may hold a payee.
        kinds = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:3])
        raise Stop(f"{_place(record)} holds no decision that this version can read ({kinds}).") from None
    cause = _cause(event.data.origin)
    if not isinstance(event, DecisionMade):
        return Taken(cause, event.time, event.traceparent, event.data.date)
    if record.key != event.data.uscc.encode():
        raise Stop(f"{_place(record)} has another key than the enterprise it decides on.")
    return Taken(cause, event.time, event.traceparent, _decision(event.data, record))


def _decision(data: DecisionMadeData, record: Raw) -> Decision | None:
    if data.measure == "holdover":
        return None
    if data.outcome != "granted" and data.amount_fen != 0:
        raise Stop(f"{_place(record)} is {data.outcome} and yet names {data.amount_fen} fen.")
    if data.measure == "exemption":
        try:
            insurance_and_period(data.key)
        except Contradiction as error:
            raise Stop(f"{_place(record)} cannot be booked: {error}") from None
    return Decision(
        data.uscc,
        data.measure,
        data.key,
        data.revision,
        data.amount_fen,
        data.prefecture,
        data.decision_id,
        data.payee_sealed,
        data.payee_digest,
    )


def exemption_output(change: ExemptionChange, booking: Booking) -> Output:
    """The event on `ledger.exemptions.v1`."""
    decision = booking.decision
    insurance, period = insurance_and_period(decision.key)
    identity = exemption_id(decision.uscc, decision.key)
    data = {
        "exemption_id": identity,
        "uscc": decision.uscc,
        "prefecture": change.prefecture,
        "insurance": insurance,
        "period": period,
        "amount_fen": change.amount_fen,
        "delta_fen": change.delta_fen,
        "revision": decision.revision,
        "decision_id": decision.decision_id,
        "booked_on": booking.booked_on,
    }
    event_type = f"relief.exemption.{change.change}.v1"
    return _output(topics.LEDGER_EXEMPTIONS, event_type, identity, change.change, 0, data, booking)


def refund_output(change: PaymentChange, index: int, booking: Booking) -> Output:
    """The event on `ledger.refunds.v1`; `index` counts this record's events there, from 0."""
    decision, payment = booking.decision, change.payment
    data = {
        "payment_id": payment.payment_id,
        "uscc": decision.uscc,
        "prefecture": payment.prefecture,
        "programme": PROGRAMMES[decision.measure],
        "key": decision.key,
        "amount_fen": payment.amount_fen,
        "decision_id": decision.decision_id,
        "batch_id": None,
        "clawback_id": None,
        "reason": None,
        "booked_on": booking.booked_on,
    }
    event_type = f"relief.refund.{change.change}.v1"
    return _output(topics.LEDGER_REFUNDS, event_type, payment.payment_id, change.change, index, data, booking)


def _output(
    topic: str, event_type: str, business_key: str, transition: str, index: int,
    data: Mapping[str, Any], booking: Booking,
) -> Output:  # fmt: skip
    decision, taken, record = booking.decision, booking.taken, booking.record
    origin = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "index": index}
    event = {
        "specversion": "1.0",
        "id": ledger_event_id(business_key, transition, decision.revision),
        "source": SOURCE,
        "type": event_type,
        "subject": decision.uscc,
        "time": taken.at,
        "datacontenttype": "application/json",
        "data": {"origin": origin, **data},
    }
    if taken.traceparent is not None:
        event["traceparent"] = taken.traceparent
    # The partition of the decision: an enterprise keeps its number in every topic between our services.
    return Output(topic, record.partition, decision.uscc.encode(), msgspec.json.encode(event))


def _cause(origin: Origin) -> Cause:
    return Cause(f"{origin.topic}/{origin.partition}", (origin.offset, origin.index))


def _place(record: Raw) -> str:
    return f"The record at offset {record.offset} of {record.topic}/{record.partition}"
