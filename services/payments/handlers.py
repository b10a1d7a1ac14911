"""The fold of payments: a decision is translated in, the domain moves the money, events are translated out."""

from collections.abc import Iterable, Sequence
from datetime import date

from services.payments.domain.day import Day, begin, booked_on
from services.payments.domain.decision import Contradiction, Decision, Outcome
from services.payments.domain.exemption import Exemption, waive
from services.payments.domain.refund import PROGRAMMES, Refund, entitle
from services.payments.domain.state import DAY, Held, state_key
from services.payments.wire import Booking, Taken, exemption_output, read, refund_output
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Raw, States


class PaymentsFold:
    """Reads `relief.decisions.v1`; state: the partition's last day, and one entitlement per (uscc, measure, key)."""

    def decode(self, record: Raw) -> Taken:
        """Raises Stop: see `wire.read`."""
        return read(record)

    def keys(self, fact: Taken) -> Iterable[str]:
        if isinstance(fact.fact, Decision):
            return DAY, state_key(fact.fact.uscc, fact.fact.measure, fact.fact.key)
        return () if fact.fact is None else (DAY,)

    def cause(self, fact: Taken) -> Cause:
        return fact.cause

    def step(self, states: States[Held], fact: Taken, record: Raw) -> Sequence[Output]:
        """Raises Stop where the log contradicts itself: no money may move on it."""
        held = states.get(DAY)
        assert held is None or isinstance(held, Day)
        if fact.fact is None:
            return ()
        if not isinstance(fact.fact, Decision):
            _begin_day(states, held, fact.fact)
            return ()
        booking = Booking(fact.fact, booked_on(held, fact.at), fact, record)
        try:
            if fact.fact.measure == "exemption":
                return _waive(states, booking)
            return _entitle(states, booking)
        except Contradiction as error:
            where = f"offset {record.offset} of {record.topic}/{record.partition}"
            raise Stop(f"The decision at {where} contradicts what was decided before: {error}") from error


def _begin_day(states: States[Held], held: Day | None, day: date) -> None:
    after = begin(held, day)
    if after is not None:
        states.put(DAY, after)


def _waive(states: States[Held], booking: Booking) -> Sequence[Output]:
    decision = booking.decision
    key = state_key(decision.uscc, decision.measure, decision.key)
    held = states.get(key)
    assert held is None or isinstance(held, Exemption)
    outcome, after, change = waive(held, decision)
    if not _counts(outcome, booking.record):
        return ()
    states.put(key, after)
    if change is None:
        return ()
    output = exemption_output(change, booking)
    category = decision.key.partition("/")[0]
    metrics.MONEY_FEN.labels(f"relief.exemption.{change.change}.v1", category).inc(abs(change.delta_fen))
    return (output,)


def _entitle(states: States[Held], booking: Booking) -> Sequence[Output]:
    decision = booking.decision
    key = state_key(decision.uscc, decision.measure, decision.key)
    held = states.get(key)
    assert held is None or isinstance(held, Refund)
    outcome, after, changes = entitle(held, decision)
    if not _counts(outcome, booking.record):
        return ()
    states.put(key, after)
    for change in changes:
        told = f"relief.refund.{change.change}.v1"
        metrics.MONEY_FEN.labels(told, PROGRAMMES[decision.measure]).inc(change.payment.amount_fen)
    return [refund_output(change, index, booking) for index, change in enumerate(changes)]


def _counts(outcome: Outcome, record: Raw) -> bool:
    """Whether the decision is news; what is not is counted, never passed over in silence."""
    if outcome == "repeat":
        metrics.DUPLICATES.labels(record.topic).inc()
    elif outcome == "superseded":
        metrics.SUPERSEDED.labels("relief.decision.made.v1").inc()
    return outcome == "changed"
