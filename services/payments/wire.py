"""Domain to wire: what is told to the ledgers."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec

from services.payments.domain.claim import ClaimChange
from services.payments.domain.decision import Decision
from services.payments.domain.exemption import ExemptionChange, insurance_and_period
from services.payments.domain.refund import PROGRAMMES, Key, PaymentChange
from shared.contracts import topics
from shared.ids import exemption_id, ledger_event_id
from shared.streaming.records import Output

SOURCE = "/relief/payments"


class Occasion(NamedTuple):
    """What every event told at one occasion shares: when, because of which record, and in which partition."""

    at: datetime
    traceparent: str | None
    booked_on: date
    # The record, or the action, that caused it.
    topic: str
    partition: int
    offset: int
    # An enterprise keeps its partition number in every topic between our services.
    told_in: int


def exemption_output(change: ExemptionChange, decision: Decision, occasion: Occasion) -> Output:
    """The event on `ledger.exemptions.v1`."""
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
        "booked_on": occasion.booked_on,
    }
    event_id = ledger_event_id(identity, change.change, decision.revision)
    event_type = f"relief.exemption.{change.change}.v1"
    return _output(topics.LEDGER_EXEMPTIONS, event_type, event_id, 0, data, occasion)


def refund_output(change: PaymentChange, key: Key, index: int, occasion: Occasion) -> Output:
    """The event on `ledger.refunds.v1`; `index` counts this occasion's events there, from 0."""
    payment = change.payment
    data = {
        "payment_id": payment.payment_id,
        "uscc": key.uscc,
        "prefecture": payment.prefecture,
        "programme": PROGRAMMES[key.measure],
        "key": key.key,
        "amount_fen": change.amount_fen,
        "decision_id": change.decision_id,
        "batch_id": payment.batch_id,
        "clawback_id": change.clawback_id,
        "reason": change.reason,
        "booked_on": occasion.booked_on,
    }
    event_id = ledger_event_id(change.clawback_id or payment.payment_id, change.change, change.revision)
    return _output(topics.LEDGER_REFUNDS, f"relief.refund.{change.change}.v1", event_id, index, data, occasion)


def claim_output(change: ClaimChange, index: int, occasion: Occasion) -> Output:
    """The event on `ledger.refunds.v1` of a part of a clawback; every part is told once."""
    claim = change.claim
    data = {
        "payment_id": claim.payment_id,
        "uscc": claim.key.uscc,
        "prefecture": claim.prefecture,
        "programme": PROGRAMMES[claim.key.measure],
        "key": claim.key.key,
        "amount_fen": change.amount_fen,
        "decision_id": claim.decision_id,
        "batch_id": None,
        "clawback_id": claim.clawback_id,
        "reason": change.reason,
        "booked_on": occasion.booked_on,
    }
    event_id = ledger_event_id(claim.clawback_id, change.change, claim.parts)
    return _output(topics.LEDGER_REFUNDS, f"relief.refund.{change.change}.v1", event_id, index, data, occasion)


def _output(
    topic: str, event_type: str, event_id: str, index: int, data: Mapping[str, Any], occasion: Occasion
) -> Output:
    origin = {"topic": occasion.topic, "partition": occasion.partition, "offset": occasion.offset, "index": index}
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": event_type,
        "subject": data["uscc"],
        "time": occasion.at,
        "datacontenttype": "application/json",
        "data": {"origin": origin, **data},
    }
    if occasion.traceparent is not None:
        event["traceparent"] = occasion.traceparent
    return Output(topic, occasion.told_in, data["uscc"].encode(), msgspec.json.encode(event))
