"""From a ledger event to its one posting: two legs, one amount, so every posting is balanced by construction."""

from datetime import date
from typing import Literal

import msgspec

from services.ledger.domain.chart import CHART, INSURANCES, PROGRAMMES, SIGNS

Outcome = Literal["created", "exists", "exists_with_different_content"]


class Unpostable(Exception):
    """The event cannot be booked by the chart; the message is one sentence."""


class LedgerEvent(msgspec.Struct, frozen=True, gc=False):
    """What the ledger takes from an event. `amount_fen` is signed for exemptions, positive for refunds.

    `purpose` is an insurance or a programme; `digest` recognises the whole event again.
    """

    event_id: str
    type: str
    business_key: str
    uscc: str
    prefecture: str
    purpose: str
    amount_fen: int
    decision_id: str
    booked_on: date
    digest: bytes


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One row of the ledger; `amount_fen` is above 0."""

    event_id: str
    type: str
    business_key: str
    uscc: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: date
    digest: bytes


class Posted(msgspec.Struct, frozen=True, gc=False):
    """What is known under an event id. `posting` and `offset` only when made in this batch: older rows are not read."""

    digest: bytes
    posting: Posting | None = None
    offset: int = -1


def post(event: LedgerEvent) -> Posting:
    """The posting of an event. Raises Unpostable for an unknown type or purpose, an amount of 0, or a sign
    that belies the type."""
    entry = CHART.get(event.type)
    if entry is None:
        raise Unpostable(f"The chart has no entry for {event.type}.")
    if _sign(event.amount_fen) not in SIGNS.get(event.type, (1,)):
        raise Unpostable(f"Event {event.event_id} is {event.type} and moves {event.amount_fen} fen, which it may not.")
    names = {"prefecture": event.prefecture}
    if event.purpose in INSURANCES:
        names["insurance"] = INSURANCES[event.purpose]
    if event.purpose in PROGRAMMES:
        names["programme"] = PROGRAMMES[event.purpose]
    try:
        legs = entry.debit.format_map(names), entry.credit.format_map(names)
    except KeyError as missing:
        raise Unpostable(
            f"Event {event.event_id} is {event.type} for {event.purpose!r}, which is no {missing}."
        ) from None
    debit, credit = reversed(legs) if entry.signed and event.amount_fen < 0 else legs
    return Posting(
        event.event_id,
        event.type,
        event.business_key,
        event.uscc,
        event.decision_id,
        debit,
        credit,
        abs(event.amount_fen),
        event.booked_on,
        event.digest,
    )


def meet(known: bytes | None, event: LedgerEvent) -> Outcome:
    """How an event stands to the digest posted under its id, None when there is none."""
    if known is None:
        return "created"
    return "exists" if known == event.digest else "exists_with_different_content"


def _sign(amount: int) -> int:
    return (amount > 0) - (amount < 0)
