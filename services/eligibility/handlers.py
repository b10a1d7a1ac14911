"""Wire to domain and back: facts in, decisions out, days passed on."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import (
    Application,
    Assessment,
    Decline,
    Deregistration,
    Enterprise,
    Payee,
    Payment,
    Registration,
    Report,
)
from services.eligibility.domain.step import Decision, decide
from services.eligibility.domain.verdict import Verdict
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.topics import DECISIONS, FACTS
from shared.ids import decision_id
from shared.observability import metrics
from shared.streaming.errors import Stop
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


class Taken(NamedTuple):
    """A fact with what its decisions inherit from its envelope."""

    fact: domain.Fact
    event: AnyEvent


class EligibilityFold:
    """`relief.facts.v1` into `relief.decisions.v1`; partition numbers are kept."""

    def __init__(self, pack_by_hash: Callable[[str], Pack]) -> None:
        self._pack_by_hash = pack_by_hash
        self._decoder = decoder(FACTS)

    def decode(self, record: Raw) -> Taken:
        """Raises Stop: only intake writes this topic, so what cannot be read here is a fault of ours."""
        try:
            event = self._decoder.validate_json(record.value or b"")
        except ValidationError as error:
            # Without the input: it may hold a payee.
            listed = error.errors(include_input=False)[:3]
            kinds = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in listed)
            place = f"The record at offset {record.offset} of {record.topic}/{record.partition}"
            raise Stop(f"{place} holds no fact that this version can read ({kinds}).") from None
        return Taken(to_domain(event), event)

    def keys(self, fact: Taken) -> Iterable[str]:
        if isinstance(fact.fact, domain.Irrelevant):
            return ()
        uscc = getattr(fact.fact, "uscc", None)
        return (IN_FORCE,) if uscc is None else (IN_FORCE, uscc)

    def cause(self, fact: Taken) -> Cause | None:
        origin = fact.event.data.origin
        return Cause(f"{origin.topic}/{origin.partition}", (origin.offset, origin.index))

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
            return [_day(taken.event, record)]
        pack = self._pack_by_hash(in_force.pack_sha256) if in_force.pack_sha256 is not None else None
        known = states.get(fact.uscc)
        enterprise = known if isinstance(known, Enterprise) else Enterprise()
        decisions = decide(enterprise, fact, pack)
        states.put(fact.uscc, enterprise)
        if pack is None:
            return ()
        return [
            _decision(fact.uscc, decision, pack, taken.event, record, index) for index, decision in enumerate(decisions)
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


def _decision(uscc: str, decision: Decision, pack: Pack, cause: AnyEvent, record: Raw, index: int) -> Output:
    verdict = decision.verdict
    metrics.DECISIONS.labels(verdict.measure, verdict.outcome).inc()
    identity = decision_id(uscc, verdict.measure, verdict.key, decision.revision)
    data = decision_data(uscc, verdict, pack)
    data |= {"decision_id": identity, "revision": decision.revision, "delta_fen": decision.delta_fen}
    if verdict.payee is not None:
        data |= {"payee_sealed": verdict.payee.sealed, "payee_digest": verdict.payee.digest}
    return _output(identity, "relief.decision.made.v1", uscc, data, cause, record, index)


def _day(cause: AnyEvent, record: Raw) -> Output:
    data = {"date": cause.data.date}
    return _output(cause.id, "relief.day.started.v1", cause.subject, data, cause, record, 0)


def _output(
    identity: str, kind: str, subject: str, data: dict[str, Any], cause: AnyEvent, record: Raw, index: int
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


def to_domain(event: AnyEvent) -> domain.Fact:
    """A fact event, or an upstream event that would become one, as the rules take it."""
    translate = _TRANSLATE.get(event.type)
    return domain.Irrelevant() if translate is None else translate(event.data, event.id)


def _registration(data: Any, fact: str) -> domain.Fact:
    sealed = getattr(data, "payee_sealed", None)
    payee = None if sealed is None else Payee(sealed, data.payee_digest or "")
    return domain.RegistrationFact(
        data.uscc,
        Registration(
            data.effective_on,
            data.version,
            fact,
            data.industry,
            data.prefecture,
            data.employees,
            data.annual_revenue_fen,
            data.total_assets_fen,
            payee,
        ),
    )


_TRANSLATE: dict[str, Callable[[Any, str], domain.Fact]] = {
    "cn.tax.enterprise.registered.v1": _registration,
    "cn.tax.enterprise.deregistered.v1": lambda d, fact: domain.DeregistrationFact(
        d.uscc, Deregistration(fact, d.deregistered_on)
    ),
    "cn.tax.contribution.assessed.v1": lambda d, fact: domain.AssessmentFact(
        d.uscc, d.assessment_id, f"{d.insurance}/{d.period}", Assessment(d.version, fact, d.employer_amount_fen)
    ),
    "cn.tax.contribution.paid.v1": lambda d, fact: domain.PaymentFact(
        d.uscc, d.assessment_id, d.payment_id, Payment(fact, d.amount_fen)
    ),
    "cn.insurance.headcount.reported.v1": lambda d, fact: domain.HeadcountFact(
        d.uscc, d.period, Report(d.version, fact, d.insured_employees)
    ),
    "cn.insurance.layoffs.reported.v1": lambda d, fact: domain.LayoffsFact(
        d.uscc, d.period, Report(d.version, fact, d.laid_off)
    ),
    "cn.insurance.year.settled.v1": lambda d, fact: domain.PremiumFact(
        d.uscc, d.year, Report(d.version, fact, d.unemployment_premium_paid_fen)
    ),
    "relief.refund.declined.v1": lambda d, fact: domain.DeclineFact(d.uscc, d.application_id, Decline(fact, d.year)),
    "relief.holdover.applied.v1": lambda d, fact: domain.ApplicationFact(
        d.uscc, d.application_id, Application(fact, d.declared_difficulty, d.submitted_on)
    ),
    "relief.review.requested.v1": lambda d, fact: domain.Review(d.uscc),
    "relief.day.started.v1": lambda d, fact: domain.DayStarted(d.date),
    "relief.pack.activated.v1": lambda d, fact: domain.PackActivated(d.sha256),
}
