"""Wire to domain: records of `relief.facts.v1` and `relief.decisions.v1` to what holdovers follow from.

Most records of both topics are about other measures: they are told apart by a look at their kind, before the contract
reads the others. What the contract cannot read stops the partition: only intake rejects.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec

from services.holdover.domain import arrivals
from services.holdover.domain.arrivals import DisconnectionRequested, Fact
from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms
from shared.contracts import registry, topics
from shared.streaming.errors import Stop
from shared.streaming.reading import by_contract, cause_of, place
from shared.streaming.records import Cause, Raw

TermsByHash = Callable[[str], Terms]


class Taken(NamedTuple):
    """One record; `fact` is a date where a day starts."""

    cause: Cause
    at: datetime
    traceparent: str | None
    fact: Fact | DisconnectionRequested | date


class _Measured(msgspec.Struct, gc=False):
    measure: str | None = None


class _Kind(msgspec.Struct, gc=False):
    type: str
    data: _Measured


_kind = msgspec.json.Decoder(_Kind)
_facts = registry.decoder(topics.FACTS)
_decisions = registry.decoder(topics.DECISIONS)


def read_fact(record: Raw) -> Taken | None:
    """None for a fact that no holdover follows from. Raises Stop for what is no fact."""
    try:
        kind = _kind.decode(record.value or b"").type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        kind = ""
    if kind not in _TRANSLATE and kind in registry.fact_models():
        return None
    event = _validated(record, _facts)
    translate = _TRANSLATE.get(event.type)
    if translate is None:
        return None  # the quick look did not get through it
    return Taken(cause_of(event.data.origin), event.time, event.traceparent, translate(event.data))


def read_decision(record: Raw, terms_by_hash: TermsByHash) -> Taken | None:
    """None for a decision on another measure. Raises Stop for what is no decision and no day, and whatever
    `terms_by_hash` raises for the pack that a grant names.
    """
    try:
        measure = _kind.decode(record.value or b"").data.measure
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        measure = None
    if measure in ("exemption", "contribution_return", "refund"):
        return None
    event = _validated(record, _decisions)
    data = event.data
    fact: Fact | date
    if event.type == "relief.day.started.v1":
        fact = data.date
    else:
        terms = terms_by_hash(data.policy.sha256) if data.outcome == "granted" else None
        fact = arrivals.ApplicationRuled(data.uscc, data.key, data.revision, data.outcome, terms)
    return Taken(cause_of(data.origin), event.time, event.traceparent, fact)


def _validated(record: Raw, contract: Any) -> registry.AnyEvent:
    event: registry.AnyEvent = by_contract(contract, record, "nothing")
    uscc = event.data.__dict__.get("uscc")
    if uscc is not None and record.key != uscc.encode():
        raise Stop(f"{place(record)} has another key than the enterprise it is about.")
    return event


def _account(data: Any) -> Account:
    return Account(data.utility, data.supplier_id, data.account_no)


_TRANSLATE: dict[str, Callable[[Any], Fact | DisconnectionRequested | date]] = {
    "relief.holdover.applied.v1": lambda d: arrivals.ApplicationHandedIn(
        d.uscc, d.application_id, tuple(d.utilities), d.submitted_on
    ),
    "relief.holdover.withdrawal.v1": lambda d: arrivals.ApplicationTakenBack(d.uscc, d.application_id, d.submitted_on),
    "cn.utility.bill.issued.v1": lambda d: arrivals.BillIssued(
        d.uscc, d.bill_id, d.version, _account(d), d.period, d.due_on, d.amount_fen, d.production_use
    ),
    "cn.utility.bill.paid.v1": lambda d: arrivals.BillPaid(d.uscc, d.bill_id, d.payment_id, d.amount_fen, d.paid_on),
    "cn.utility.disconnection.requested.v1": lambda d: DisconnectionRequested(
        d.uscc, d.request_id, _account(d), d.requested_on
    ),
    "relief.day.started.v1": lambda d: d.date,
}
