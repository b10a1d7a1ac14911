"""Domain to wire: a decision, or a day, as the event that tells of it.

The order of fields is the order in the event, so that a repeat is the same to the byte.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from prometheus_client import Counter

from services.eligibility.decoding import Occasion
from services.eligibility.domain.pack import Pack, PackRef
from services.eligibility.domain.step import Decision
from services.eligibility.domain.verdict import Verdict
from shared.contracts.topics import DECISIONS
from shared.ids import decision_id
from shared.observability import metrics
from shared.streaming.records import Output, Raw

_encode = msgspec.json.Encoder().encode


class _Text(Struct, frozen=True, gc=False):
    zh: str
    en: str


class _Reason(Struct, frozen=True, gc=False):
    code: str
    text: _Text
    citation: str


class _Origin(Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int
    index: int


class _Decided(Struct, frozen=True, gc=False):
    """What any print of a decision says."""

    uscc: str
    measure: str
    key: str
    prefecture: str | None
    size_class: str | None
    outcome: str
    amount_fen: int
    effective_on: date
    reasons: Sequence[_Reason]
    facts: Sequence[str]
    policy: PackRef


class _Made(_Decided, frozen=True, gc=False):
    """`relief.decision.made.v1`."""

    decision_id: str
    revision: int
    delta_fen: int
    payee_sealed: str | UnsetType
    payee_digest: str | UnsetType
    origin: _Origin


class _Started(Struct, frozen=True, gc=False):
    """`relief.day.started.v1`."""

    date: date
    origin: _Origin


class _Event(Struct, frozen=True, gc=False):
    specversion: Literal["1.0"]
    id: str
    source: Literal["/relief/eligibility"]
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"]
    data: _Made | _Started
    traceparent: str | UnsetType


def decision_data(uscc: str, verdict: Verdict, pack: Pack) -> dict[str, Any]:
    """The fields that any print of a decision shares: the contract's, but for revision, delta, payee and origin."""
    found: dict[str, Any] = msgspec.to_builtins(_Decided(*_said(uscc, verdict, pack)), builtin_types=(date,))
    return found


def decision_output(uscc: str, decision: Decision, pack: Pack, cause: Occasion, record: Raw, index: int) -> Output:
    verdict = decision.verdict
    _told(verdict.measure, verdict.outcome).inc()
    identity = decision_id(uscc, verdict.measure, verdict.key, decision.revision)
    payee = verdict.payee
    data = _Made(
        *_said(uscc, verdict, pack),
        identity,
        decision.revision,
        decision.delta_fen,
        UNSET if payee is None else payee.sealed,
        UNSET if payee is None else payee.digest,
        _Origin(record.topic, record.partition, record.offset, index),
    )
    return _output(identity, "relief.decision.made.v1", uscc, data, cause, record)


def day_output(day: date, cause: Occasion, record: Raw) -> Output:
    data = _Started(day, _Origin(record.topic, record.partition, record.offset, 0))
    return _output(cause.id, "relief.day.started.v1", cause.subject, data, cause, record)


_Said = tuple[
    str, str, str, str | None, str | None, str, int, date, Sequence[_Reason], Sequence[str], PackRef
]  # the fields of _Decided


def _said(uscc: str, verdict: Verdict, pack: Pack) -> _Said:
    return (
        uscc,
        verdict.measure,
        verdict.key,
        verdict.prefecture,
        verdict.size_class,
        verdict.outcome,
        verdict.amount_fen,
        verdict.effective_on,
        [_Reason(reason.code, _Text(reason.zh, reason.en), reason.citation) for reason in verdict.reasons],
        list(verdict.facts),
        pack.ref,
    )


def _output(identity: str, kind: str, subject: str, data: _Made | _Started, cause: Occasion, record: Raw) -> Output:
    event = _Event(
        "1.0",
        identity,
        "/relief/eligibility",
        kind,
        subject,
        cause.time,
        "application/json",
        data,
        UNSET if cause.traceparent is None else cause.traceparent,
    )
    return Output(DECISIONS, record.partition, subject.encode(), _encode(event))


@cache
def _told(measure: str, outcome: str) -> Counter:
    """To look a counter up by its labels takes longer than to make the decision."""
    return metrics.DECISIONS.labels(measure, outcome)
