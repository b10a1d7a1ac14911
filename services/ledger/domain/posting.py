"""From a ledger event to its one posting: two legs, one amount, so every posting is balanced by construction."""

from datetime import date
from functools import lru_cache
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
    """One row of the ledger: an event, the two accounts it moves money between, and how much, above 0."""

    event: LedgerEvent
    debit: str
    credit: str
    amount_fen: int


class Posted(msgspec.Struct, frozen=True, gc=False):
    """What is known under an event id. `posting` and `offset` only when made in this batch: older rows are not read."""

    digest: bytes
    posting: Posting | None = None
    offset: int = -1


def post(event: LedgerEvent) -> Posting:
    """The posting of an event. Raises Unpostable for an unknown type or purpose, an amount of 0, or a sign
    that belies the type."""
    amount = event.amount_fen
    try:
        debit, credit = _legs(event.type, (amount > 0) - (amount < 0), event.purpose, event.prefecture)
    except Unpostable as error:
        raise Unpostable(f"Event {event.event_id} is {event.type} and moves {amount} fen: {error}") from None
    return Posting(event, debit, credit, abs(amount))


@lru_cache(maxsize=4096)
def _legs(event_type: str, sign: int, purpose: str, prefecture: str) -> tuple[str, str]:
    """Debit and credit; a region has a few hundred of them, and every event needs one."""
    entry = CHART.get(event_type)
    if entry is None:
        raise Unpostable("the chart has no entry for that type.")
    if sign not in SIGNS.get(event_type, (1,)):
        raise Unpostable("that type may not move such an amount.")
    names = {"prefecture": prefecture}
    if purpose in INSURANCES:
        names["insurance"] = INSURANCES[purpose]
    if purpose in PROGRAMMES:
        names["programme"] = PROGRAMMES[purpose]
    try:
        debit, credit = entry.debit.format_map(names), entry.credit.format_map(names)
    except KeyError as missing:
        raise Unpostable(f"{purpose!r} is no {missing.args[0]}.") from None
    return (credit, debit) if entry.signed and sign < 0 else (debit, credit)


def meet(known: bytes | None, event: LedgerEvent) -> Outcome:
    """How an event stands to the digest posted under its id, None when there is none."""
    if known is None:
        return "created"
    return "exists" if known == event.digest else "exists_with_different_content"
