"""Wire to domain: a record of `relief.decisions.v1` to the decision or day that payments takes.

It is read in two ways. The structs below take what eligibility ordinarily writes, at a fraction of the cost; whatever
they do not recognise goes to the contract's own models, which read it or say what is wrong. So the structs may be
narrower than the contract and never wider, and only the contract refuses.
"""

import re
from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from services.payments.domain.decision import Contradiction, Decision
from services.payments.domain.exemption import insurance_and_period
from shared.contracts import registry, topics
from shared.contracts.decisions import DecisionMade
from shared.contracts.vocabulary import TOTAL_MAX_FEN, Prefecture
from shared.streaming.errors import Stop
from shared.streaming.reading import by_contract, cause_of, place
from shared.streaming.records import Cause, Raw
from shared.uscc import is_valid

_contract = registry.decoder(topics.DECISIONS)
_Place = Annotated[int, Meta(ge=0)]


class Taken(NamedTuple):
    """One record of `relief.decisions.v1`. `fact` is None where no money is in it."""

    cause: Cause
    at: datetime
    traceparent: str | None
    fact: Decision | date | None


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    topic: str
    partition: _Place
    offset: _Place
    index: _Place


class _Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    pack: str
    version: str
    sha256: str


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    origin: _Origin
    decision_id: str
    uscc: str
    measure: Literal["exemption", "contribution_return", "refund"]
    key: str
    prefecture: Prefecture | None
    size_class: Literal["large", "medium", "small", "micro"] | None
    revision: Annotated[int, Meta(ge=1)]
    outcome: Literal["granted"]
    amount_fen: Annotated[int, Meta(ge=0, le=TOTAL_MAX_FEN)]
    delta_fen: Annotated[int, Meta(ge=-TOTAL_MAX_FEN, le=TOTAL_MAX_FEN)]
    effective_on: date
    # A grant has none.
    reasons: Annotated[list[None], Meta(max_length=0)]
    facts: msgspec.Raw
    policy: _Policy
    payee_sealed: str | None = None
    payee_digest: str | None = None


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    specversion: Literal["1.0"]
    id: str
    source: Literal["/relief/eligibility"]
    type: Literal["relief.decision.made.v1"]
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] | None = None
    traceparent: Annotated[str, Meta(pattern=r"^[0-9a-f-]{1,512}\Z")] | None = None
    data: _Data


_plain = msgspec.json.Decoder(_Event)
# What is text above, checked at once: two hashes, the key, the origin's topic, the policy.
_FORM = re.compile(
    r"[0-9a-f]{32} [0-9a-f]{32} [!-~]{1,256} [a-z0-9.]{1,256} [!-~]{1,256} [!-~]{1,256} [0-9a-f]{64} "
    r"(?:none|[0-9a-f]{32} [A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){3})"
)
_FACTS = re.compile(rb'\[(?:"[ !#-\[\]-~]{1,256}"(?:,"[ !#-\[\]-~]{1,256}")*)?\]')
_SEALED_MAX = 8_192


def read(record: Raw) -> Taken:
    """Raises Stop for what is no decision and no day: only intake rejects, and passing it over could lose money."""
    taken = _ordinary(record)
    return _by_contract(record) if taken is None else taken


def _ordinary(record: Raw) -> Taken | None:
    """The record if it is a grant as eligibility ordinarily writes it, None for the contract to say."""
    try:
        event = _plain.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    data, origin, policy = event.data, event.data.origin, event.data.policy
    sealed, payee = data.payee_sealed, data.payee_digest
    account = "none" if sealed is None and payee is None else f"{payee} {sealed}"
    pack = f"{policy.pack} {policy.version} {policy.sha256}"
    form = f"{event.id} {data.decision_id} {data.key} {origin.topic} {pack} {account}"
    if not (
        _FORM.fullmatch(form)
        and _FACTS.fullmatch(data.facts)
        and (sealed is None or len(sealed) <= _SEALED_MAX)
        and event.time.tzinfo is not None
        and 1900 < event.time.year < 2199
        and 1900 <= data.effective_on.year < 2200
        and event.subject == data.uscc
        and is_valid(data.uscc)
    ):
        return None
    decision = Decision(
        data.uscc, data.measure, data.key, data.revision, data.amount_fen, data.prefecture, data.decision_id,
        sealed, payee,
    )  # fmt: skip
    return _taken(origin, event.time, event.traceparent, decision, record)


def _by_contract(record: Raw) -> Taken:
    event = by_contract(_contract, record, "no decision")
    data = event.data
    if not isinstance(event, DecisionMade):
        return Taken(cause_of(data.origin), event.time, event.traceparent, data.date)
    if data.measure == "holdover":
        _check_key(record, data.uscc)
        return Taken(cause_of(data.origin), event.time, event.traceparent, None)
    if data.outcome != "granted" and data.amount_fen != 0:
        raise Stop(f"{place(record)} is {data.outcome} and yet names {data.amount_fen} fen.")
    decision = Decision(
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
    return _taken(data.origin, event.time, event.traceparent, decision, record)


def _taken(origin: _Origin, at: datetime, traceparent: str | None, decision: Decision, record: Raw) -> Taken:
    _check_key(record, decision.uscc)
    if decision.measure == "exemption":
        try:
            insurance_and_period(decision.key)
        except Contradiction as error:
            raise Stop(f"{place(record)} cannot be booked: {error}") from None
    return Taken(cause_of(origin), at, traceparent, decision)


def _check_key(record: Raw, uscc: str) -> None:
    if record.key != uscc.encode():
        raise Stop(f"{place(record)} has another key than the enterprise it decides on.")
