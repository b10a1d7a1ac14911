"""The fold of the ledger: every event becomes one posting, once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from services.ledger.domain.posting import LedgerEvent, Posted, Unpostable, meet, post
from shared.contracts import registry, topics
from shared.contracts.envelope import Origin
from shared.contracts.ledger_events import ExemptionData
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Raw, States, digest

_decoders = {topic: registry.decoder(topic) for topic in (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS)}


class Taken(NamedTuple):
    """One record of a ledger topic."""

    cause: Cause
    event: LedgerEvent


class LedgerFold:
    """Reads `ledger.exemptions.v1` and `ledger.refunds.v1`; state: per event id, whether and as what it was posted."""

    def decode(self, record: Raw) -> Taken:
        """Raises Stop for what is no ledger event: every event is posted, or the ledger says that it is not."""
        try:
            event = _decoders[record.topic].validate_json(record.value or b"")
        except ValidationError as error:
            kinds = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:3]
            )
            raise Stop(f"{_place(record)} holds no event that this version can read ({kinds}).") from None
        data, seen = event.data, digest(record)
        if isinstance(data, ExemptionData):
            key, purpose, amount = data.exemption_id, data.insurance, data.delta_fen
        else:
            key, purpose, amount = data.payment_id, data.programme, data.amount_fen
        taken = LedgerEvent(
            event.id,
            event.type,
            key,
            data.uscc,
            data.prefecture,
            purpose,
            amount,
            data.decision_id,
            data.booked_on,
            seen,
        )
        return Taken(_cause(data.origin), taken)

    def keys(self, fact: Taken) -> Iterable[str]:
        return (fact.event.event_id,)

    def cause(self, fact: Taken) -> Cause:
        return fact.cause

    def step(self, states: States[Posted], fact: Taken, record: Raw) -> Sequence[Output]:
        """Tells nobody anything. Raises Stop for an id that comes with other content, and for what cannot be booked."""
        event = fact.event
        known = states.get(event.event_id)
        outcome = meet(known.digest if known else None, event)
        metrics.POSTINGS.labels(outcome).inc()
        if outcome == "exists":
            return ()
        if outcome == "exists_with_different_content":
            raise Stop(
                f"{_place(record)} repeats event {event.event_id} with other content than was posted. Find out which "
                "one is true; posted rows are never changed."
            )
        try:
            states.put(event.event_id, Posted(event.digest, post(event), record.offset))
        except Unpostable as error:
            raise Stop(f"{_place(record)} cannot be posted: {error}") from error
        return ()


def _cause(origin: Origin) -> Cause:
    return Cause(f"{origin.topic}/{origin.partition}", (origin.offset, origin.index))


def _place(record: Raw) -> str:
    return f"The record at offset {record.offset} of {record.topic}/{record.partition}"
