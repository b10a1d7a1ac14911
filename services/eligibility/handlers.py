"""Wire to domain and back: facts in, decisions out, days passed on."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct

from services.eligibility import decoding
from services.eligibility.decoding import Occasion, Taken
from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import Decision, decide
from services.eligibility.domain.verdict import Verdict
from shared.contracts.topics import DECISIONS
from shared.ids import decision_id
from shared.observability import metrics
from shared.streaming.records import Cause, Output, Raw, States

IN_FORCE = "@in_force"


class InForce(Struct, array_like=True, tag="f", frozen=True):
    """What the log says of a whole partition: the pack in force, and the last day started (`YYYY-MM-DD`)."""

    pack_sha256: str | None = None
    last_day: str = ""


State = Enterprise | InForce
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)
_json = msgspec.json.Encoder()


def encode_state(state: State) -> bytes:
    return _encoder.encode(state)


def decode_state(stored: bytes) -> State:
    return _decoder.decode(stored)


class EligibilityFold:
    """`relief.facts.v1` into `relief.decisions.v1`; partition numbers are kept."""

    def __init__(self, pack_by_hash: Callable[[str], Pack]) -> None:
        self._pack_by_hash = pack_by_hash

    def decode(self, record: Raw) -> Taken:
        """Raises Stop: only intake writes this topic, so what cannot be read here is a fault of ours."""
        return decoding.read(record)

    def keys(self, fact: Taken) -> Iterable[str]:
        if isinstance(fact.fact, domain.Irrelevant):
            return ()
        uscc = getattr(fact.fact, "uscc", None)
        return (IN_FORCE,) if uscc is None else (IN_FORCE, uscc)

    def cause(self, fact: Taken) -> Cause:
        return fact.cause

    def step(self, states: States[State], taken: Taken, record: Raw) -> Sequence[Output]:
        fact = taken.fact
        if isinstance(fact, domain.Irrelevant):
            return ()
        stored = states.get(IN_FORCE)
        in_force = stored if isinstance(stored, InForce) else InForce()
        if isinstance(fact, domain.PackActivated):
            self._pack_by_hash(fact.sha256)  # unknown: stop here, not at the first decision
            states.put(IN_FORCE, InForce(fact.sha256, in_force.last_day))
            return ()
        if isinstance(fact, domain.DayStarted):
            day = fact.day.isoformat()
            if day <= in_force.last_day:
                return ()
            states.put(IN_FORCE, InForce(in_force.pack_sha256, day))
            return [_day(fact.day, taken.occasion, record)]
        pack = self._pack_by_hash(in_force.pack_sha256) if in_force.pack_sha256 is not None else None
        known = states.get(fact.uscc)
        enterprise = known if isinstance(known, Enterprise) else Enterprise()
        decisions = decide(enterprise, fact, pack)
        states.put(fact.uscc, enterprise)
        if pack is None:
            return ()
        return [
            _decision(fact.uscc, decision, pack, taken.occasion, record, index)
            for index, decision in enumerate(decisions)
        ]


def decision_data(uscc: str, verdict: Verdict, pack: Pack) -> dict[str, Any]:
    """The fields that any print of a decision shares: the contract's, but for revision, delta and payee."""
    return {
        "uscc": uscc,
        "measure": verdict.measure,
        "key": verdict.key,
        "prefecture": verdict.prefecture,
        "size_class": verdict.size_class,
        "outcome": verdict.outcome,
        "amount_fen": verdict.amount_fen,
        "effective_on": verdict.effective_on,
        "reasons": [
            {"code": reason.code, "text": {"zh": reason.zh, "en": reason.en}, "citation": reason.citation}
            for reason in verdict.reasons
        ],
        "facts": list(verdict.facts),
        "policy": {"pack": pack.ref.pack, "version": pack.ref.version, "sha256": pack.ref.sha256},
    }


def _decision(uscc: str, decision: Decision, pack: Pack, cause: Occasion, record: Raw, index: int) -> Output:
    verdict = decision.verdict
    metrics.DECISIONS.labels(verdict.measure, verdict.outcome).inc()
    identity = decision_id(uscc, verdict.measure, verdict.key, decision.revision)
    data = decision_data(uscc, verdict, pack)
    data |= {"decision_id": identity, "revision": decision.revision, "delta_fen": decision.delta_fen}
    if verdict.payee is not None:
        data |= {"payee_sealed": verdict.payee.sealed, "payee_digest": verdict.payee.digest}
    return _output(identity, "relief.decision.made.v1", uscc, data, cause, record, index)


def _day(day: date, cause: Occasion, record: Raw) -> Output:
    data = {"date": day}
    return _output(cause.id, "relief.day.started.v1", cause.subject, data, cause, record, 0)


def _output(
    identity: str, kind: str, subject: str, data: dict[str, Any], cause: Occasion, record: Raw, index: int
) -> Output:
    data["origin"] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "index": index,
    }
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": "/relief/eligibility",
        "type": kind,
        "subject": subject,
        "time": cause.time,
        "datacontenttype": "application/json",
        "data": data,
    }
    if cause.traceparent is not None:
        event["traceparent"] = cause.traceparent
    return Output(DECISIONS, record.partition, subject.encode(), _json.encode(event))
