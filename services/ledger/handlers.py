"""The fold of the ledger: every event becomes one posting, once."""

from collections.abc import Iterable, Sequence

from services.ledger import wire
from services.ledger.domain.posting import LedgerEvent, Posted, Unpostable, meet, post
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.reading import place
from shared.streaming.records import Output, Raw, States

# Looked up once: the label is asked for with every event.
_OUTCOMES = {
    outcome: metrics.POSTINGS.labels(outcome) for outcome in ("created", "exists", "exists_with_different_content")
}


class LedgerFold:
    """Reads `ledger.exemptions.v1` and `ledger.refunds.v1`; state: per event id, whether and as what it was posted."""

    def decode(self, record: Raw) -> LedgerEvent:
        """Raises Stop for what is no ledger event: every event is posted, or the ledger says that it is not."""
        return wire.read(record)

    def keys(self, fact: LedgerEvent) -> Iterable[str]:
        return (fact.event_id,)

    def cause(self, fact: LedgerEvent) -> None:
        """No watermark: every event's id is looked up anyway, and a watermark would pass over an id that comes again
        with other content, and over what a restored payments tells anew from a lower place.
        """

    def step(self, states: States[Posted], fact: LedgerEvent, record: Raw) -> Sequence[Output]:
        """Tells nobody anything. Raises Stop for an id that comes with other content, and for what cannot be booked."""
        known = states.get(fact.event_id)
        outcome = meet(known.digest if known else None, fact)
        _OUTCOMES[outcome].inc()
        if outcome == "exists":
            return ()
        if outcome == "exists_with_different_content":
            raise Stop(
                f"{place(record)} repeats event {fact.event_id} with other content than was posted. Find out "
                "which one is true; posted rows are never changed."
            )
        try:
            states.put(fact.event_id, Posted(fact.digest, post(fact), record.offset))
        except Unpostable as error:
            raise Stop(f"{place(record)} cannot be posted: {error}") from error
        return ()
