"""The fold of payments: a decision is translated in, the domain moves the money, events are translated out."""

from collections.abc import Iterable, Sequence
from datetime import date

from services.payments.decoding import Taken, read
from services.payments.domain.day import Day, begin, booked_on
from services.payments.domain.decision import Contradiction, Decision, Outcome
from services.payments.domain.exemption import Exemption, waive
from services.payments.domain.refund import PROGRAMMES, Key, PaymentChange, Refund, entitle, key_of
from services.payments.domain.state import DAY, Held, state_key
from services.payments.wire import Occasion, exemption_output, refund_output
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
            return DAY, state_key(key_of(fact.fact))
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
        decision = fact.fact
        occasion = Occasion(
            fact.at,
            fact.traceparent,
            booked_on(held, fact.at),
            record.topic,
            record.partition,
            record.offset,
            told_in=record.partition,
        )
        try:
            if decision.measure == "exemption":
                return _waive(states, decision, occasion)
            return _entitle(states, decision, occasion)
        except Contradiction as error:
            where = f"offset {record.offset} of {record.topic}/{record.partition}"
            raise Stop(f"The decision at {where} contradicts what was decided before: {error}") from error


def _begin_day(states: States[Held], held: Day | None, day: date) -> None:
    after = begin(held, day)
    if after is not None:
        states.put(DAY, after)


def _waive(states: States[Held], decision: Decision, occasion: Occasion) -> Sequence[Output]:
    name = state_key(key_of(decision))
    held = states.get(name)
    assert held is None or isinstance(held, Exemption)
    outcome, after, change = waive(held, decision)
    if not _counts(outcome, occasion.topic):
        return ()
    states.put(name, after)
    if change is None:
        return ()
    output = exemption_output(change, decision, occasion)
    category = decision.key.partition("/")[0]
    metrics.MONEY_FEN.labels(f"relief.exemption.{change.change}.v1", category).inc(abs(change.delta_fen))
    return (output,)


def _entitle(states: States[Held], decision: Decision, occasion: Occasion) -> Sequence[Output]:
    key = key_of(decision)
    name = state_key(key)
    held = states.get(name)
    assert held is None or isinstance(held, Refund)
    outcome, after, changes = entitle(held, decision)
    if not _counts(outcome, occasion.topic):
        return ()
    states.put(name, after)
    return told(changes, key, occasion)


def told(changes: Iterable[PaymentChange], key: Key, occasion: Occasion, first_index: int = 0) -> list[Output]:
    """The events of the steps of one entitlement's payments, counted; `first_index` of the first at its occasion."""
    outputs = []
    for index, change in enumerate(changes, first_index):
        programme = PROGRAMMES[key.measure]
        metrics.MONEY_FEN.labels(f"relief.refund.{change.change}.v1", programme).inc(change.amount_fen)
        outputs.append(refund_output(change, key, index, occasion))
    return outputs


def _counts(outcome: Outcome, topic: str) -> bool:
    """Whether the decision is news; what is not is counted, never passed over in silence."""
    if outcome == "repeat":
        metrics.DUPLICATES.labels(topic).inc()
    elif outcome == "superseded":
        metrics.SUPERSEDED.labels("relief.decision.made.v1").inc()
    return outcome == "changed"
