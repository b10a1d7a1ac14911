"""From a valid event to the ruling on it: which facts are the same fact, and what an id fixes for ever."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from services.intake.domain.acceptance import Claim, Days, Done, Incoming, Known, Outcome, Ruling, Status, accept
from shared.contracts.registry import AnyEvent
from shared.contracts.rejected import RejectCode
from shared.streaming.records import States

State = Known | Claim | Status | Days | Done

# Members of a map in another order are the same content.
_canonical = msgspec.json.Encoder(enc_hook=lambda model: model.__dict__, order="deterministic").encode
# Copied for each digest: half the price of a new one.
_BLAKE = hashlib.blake2b(digest_size=8)

# What makes a fact the same fact: the parts of its business id beside the uscc (contracts: common rules).
_BUSINESS: dict[str, Callable[[Any], tuple[str, ...]]] = {
    "cn.tax.enterprise.registered.v1": lambda d: (d.effective_on.isoformat(),),
    "cn.tax.enterprise.deregistered.v1": lambda d: (),
    "cn.tax.contribution.assessed.v1": lambda d: (d.assessment_id,),
    "cn.tax.contribution.paid.v1": lambda d: (d.payment_id,),
    "cn.insurance.headcount.reported.v1": lambda d: (d.period,),
    "cn.insurance.layoffs.reported.v1": lambda d: (d.period,),
    "cn.insurance.year.settled.v1": lambda d: (str(d.year),),
    "cn.utility.bill.issued.v1": lambda d: (d.bill_id,),
    "cn.utility.bill.paid.v1": lambda d: (d.payment_id,),
    "cn.utility.disconnection.requested.v1": lambda d: (d.request_id,),
    "relief.holdover.applied.v1": lambda d: (d.application_id,),
    "relief.holdover.withdrawal.v1": lambda d: (d.application_id,),
    "relief.refund.declined.v1": lambda d: (d.application_id,),
    "relief.need.registered.v1": lambda d: (d.application_id,),
}
# Ids that mean one thing whichever enterprise sends them: what their first record fixes.
_CLAIMS: dict[str, Callable[[Any], tuple[str, tuple[str, ...]]]] = {
    "cn.tax.contribution.assessed.v1": lambda d: (f"assessment:{d.assessment_id}", (d.uscc, d.insurance, d.period)),
    "cn.tax.contribution.paid.v1": lambda d: (f"payment:{d.payment_id}", (d.uscc,)),
    "cn.utility.bill.issued.v1": lambda d: (f"bill:{d.bill_id}", (d.uscc,)),
    "cn.utility.bill.paid.v1": lambda d: (f"bill_payment:{d.payment_id}", (d.uscc,)),
}
_CONFLICTS: dict[Outcome, tuple[RejectCode, str]] = {
    Outcome.ID_CONFLICT: ("ID_CONFLICT", "This id was accepted before with other content; the first stands."),
    Outcome.VERSION_CONFLICT: (
        "VERSION_CONFLICT",
        "This version was accepted before with other content; send a correction as a higher version.",
    ),
    Outcome.CLAIM_CONFLICT: (
        "VERSION_CONFLICT",
        "This id belongs to another enterprise, or to another insurance or period; use a new id.",
    ),
}


def is_of_an_enterprise(event: AnyEvent) -> bool:
    """Whether the event tells of one enterprise; an operation does not, also where it names one."""
    return event.type in _BUSINESS


def claim_key(event: AnyEvent) -> str | None:
    """The state key of the claim on the event's business id, if its kind has one."""
    return "@" + _CLAIMS[event.type](event.data)[0] if event.type in _CLAIMS else None


def rule(states: States[State], event: AnyEvent) -> tuple[Ruling, Incoming]:
    """Whether a valid event of an enterprise becomes a fact; remembers it in the states."""
    known = states.get(event.subject)
    if not isinstance(known, Known):
        known = Known()
    incoming, claimed_as = incoming_of(event), claim_key(event)
    claim = states.get(claimed_as) if claimed_as is not None else None
    ruling = accept(known, claim if isinstance(claim, Claim) else None, incoming)
    if ruling.outcome not in _CONFLICTS:
        states.put(event.subject, known)
    if claim is None and ruling.outcome is Outcome.ACCEPTED and claimed_as is not None and incoming.fixed is not None:
        states.put(claimed_as, Claim(incoming.fixed))
    return ruling, incoming


def conflict(outcome: Outcome) -> tuple[RejectCode, str] | None:
    """Code and sentence of a conflict; None for every other outcome."""
    return _CONFLICTS.get(outcome)


def content_of(event: AnyEvent) -> bytes:
    """The digest of what an event says: its type and the fields that the contract knows."""
    return _digest((event.type, event.data.__dict__))


def incoming_of(event: AnyEvent) -> Incoming:
    """A valid event of an enterprise as acceptance looks at it; `fixed` only where its kind has a claim."""
    kind, data = event.type, event.data
    return Incoming(
        event=_digest((event.source, event.id)),
        business=_digest((kind, *_BUSINESS[kind](data))),
        version=data.__dict__.get("version", 1),
        content=content_of(event),
        fixed=_digest(_CLAIMS[kind](data)[1]) if kind in _CLAIMS else None,
    )


def _digest(value: Any) -> bytes:
    """8 bytes over the canonical JSON, in which no two values look the same."""
    h = _BLAKE.copy()
    h.update(_canonical(value))
    return h.digest()
