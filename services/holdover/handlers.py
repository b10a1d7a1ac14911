"""The folds of holdover: facts and decisions are translated in, the enterprise takes them, events are translated out.

Both read their own topic into one state: an enterprise has the same partition number in both, and the partition's lock
keeps their batches apart.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Literal

import msgspec

from services.holdover.decoding import Taken, TermsByHash, read_decision, read_fact
from services.holdover.domain.arrivals import DisconnectionRequested
from services.holdover.domain.enterprise import PARTITION, Days, Enterprise, Held
from services.holdover.domain.facts import DAWN, Contradiction, Outcome
from services.holdover.orders import Signer
from services.holdover.wire import DAYS, Occasion, outputs
from shared.calendar import SHANGHAI, local_day
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Raw, States

Source = Literal["facts", "decisions"]


class FactsFold:
    """Reads `relief.facts.v1`: applications, withdrawals, bills, payments, disconnection requests, and the days."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def decode(self, record: Raw) -> Taken | None:
        """Raises Stop: see `decoding`."""
        return read_fact(record)

    def keys(self, fact: Taken | None) -> Iterable[str]:
        return _keys(fact)

    def cause(self, fact: Taken | None) -> Cause | None:
        return None if fact is None else fact.cause

    def step(self, states: States[Held], fact: Taken | None, record: Raw) -> Sequence[Output]:
        """Raises Stop where the log contradicts itself."""
        return () if fact is None else _take(states, fact, record, "facts", self._signer)


class DecisionsFold:
    """Reads `relief.decisions.v1`: what became of applications, and the days passed on."""

    def __init__(self, terms_by_hash: TermsByHash, signer: Signer) -> None:
        self._terms_by_hash, self._signer = terms_by_hash, signer

    def decode(self, record: Raw) -> Taken | None:
        """Raises Stop: see `decoding`; Retry while the pack that a grant names is not known."""
        return read_decision(record, self._terms_by_hash)

    def keys(self, fact: Taken | None) -> Iterable[str]:
        return _keys(fact)

    def cause(self, fact: Taken | None) -> Cause | None:
        return None if fact is None else fact.cause

    def step(self, states: States[Held], fact: Taken | None, record: Raw) -> Sequence[Output]:
        """Raises Stop where the log contradicts itself."""
        return () if fact is None else _take(states, fact, record, "decisions", self._signer)


def advance(days: Days, enterprise: Enterprise, partition: int, signer: Signer) -> tuple[Days, list[Output]]:
    """What happens to an enterprise by the days that started in its partition, and the partition's days after it."""
    told: list[Output] = []
    for due, said in enterprise.advance(days.started):
        if said:
            days = msgspec.structs.replace(days, told=days.told + 1)
            occasion = Occasion(datetime.combine(due, time(), SHANGHAI), None, DAYS, partition, days.told)
            told += outputs(enterprise, said, occasion, signer)
    return days, told


def _keys(fact: Taken | None) -> Iterable[str]:
    if fact is None:
        return ()
    return (PARTITION,) if isinstance(fact.fact, date) else (PARTITION, fact.fact.uscc)


def _take(states: States[Held], taken: Taken, record: Raw, source: Source, signer: Signer) -> Sequence[Output]:
    held = states.get(PARTITION)
    days = held if isinstance(held, Days) else Days()
    days = _counted(days, source)
    fact = taken.fact
    if isinstance(fact, date):
        states.put(PARTITION, _begun(days, source, fact, record.topic))
        return ()
    known = states.get(fact.uscc)
    enterprise = known if isinstance(known, Enterprise) else Enterprise(fact.uscc)
    # First what its days still owe: what is told does not depend on when the clock gets to it.
    days, told = advance(days, enterprise, record.partition, signer)
    on = days.started or local_day(taken.at)
    try:
        if isinstance(fact, DisconnectionRequested):
            outcome, said = enterprise.ask(fact, days.started, on)
        else:
            last = days.known if source == "facts" else days.decided
            outcome, said = enterprise.take(fact, last or DAWN, days.started, on)
    except Contradiction as error:
        where = f"offset {record.offset} of {record.topic}/{record.partition}"
        raise Stop(f"The record at {where} contradicts what was taken before: {error}") from error
    _count(outcome, record.topic, source)
    occasion = Occasion(taken.at, taken.traceparent, record.topic, record.partition, record.offset)
    told += outputs(enterprise, said, occasion, signer)
    states.put(PARTITION, days)
    if outcome == "changed" or told:
        states.put(fact.uscc, enterprise)
    return told


def _counted(days: Days, source: Source) -> Days:
    if source == "facts":
        return msgspec.structs.replace(days, facts=days.facts + 1)
    return msgspec.structs.replace(days, decisions=days.decisions + 1)


def _begun(days: Days, source: Source, day: date, topic: str) -> Days:
    """Days may be told twice, and never go back."""
    last = days.known if source == "facts" else days.decided
    if last is not None and day <= last:
        metrics.DUPLICATES.labels(topic).inc()
        return days
    return msgspec.structs.replace(days, **{"known" if source == "facts" else "decided": day})


def _count(outcome: Outcome, topic: str, source: Source) -> None:
    """What is no news is counted, never passed over in silence. Only bills and decisions have versions."""
    if outcome == "repeat":
        metrics.DUPLICATES.labels(topic).inc()
    elif outcome == "superseded":
        metrics.SUPERSEDED.labels("cn.utility.bill.issued.v1" if source == "facts" else "relief.decision.made.v1").inc()
