"""What payments takes from a decision, and the words for what came of it."""

from typing import Literal

import msgspec

Measure = Literal["exemption", "contribution_return", "refund"]
# `changed`: a higher revision; `repeat`: the revision held, again; `superseded`: a revision below the one held.
Outcome = Literal["changed", "repeat", "superseded"]


class Contradiction(Exception):
    """The log says two things that cannot both hold; the message is one sentence. No money may move on it."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The latest word on (uscc, measure, key). `amount_fen` is absolute: 0 unless granted.

    `prefecture` may be None only while nothing is due; `payee_*` are None when no payee is known.
    """

    uscc: str
    measure: Measure
    key: str
    revision: int
    amount_fen: int
    prefecture: str | None
    decision_id: str
    payee_sealed: str | None = None
    payee_digest: str | None = None


def compare(decision: Decision, revision: int, amount_fen: int) -> Outcome:
    """How a decision stands to the revision held and its amount. Raises Contradiction.

    Highest revision wins, so the order of arrival does not matter, and a repeat moves nothing.
    """
    if decision.revision > revision:
        return "changed"
    if decision.revision < revision:
        return "superseded"
    if decision.amount_fen != amount_fen:
        raise Contradiction(
            f"Revision {revision} of {decision.measure} {decision.key} of {decision.uscc} came with {amount_fen} fen "
            f"before and with {decision.amount_fen} fen now."
        )
    return "repeat"


def place_of(decision: Decision) -> str:
    """The prefecture that bears what is newly booked. Raises Contradiction where money has no place."""
    if decision.prefecture is None:
        raise Contradiction(f"Decision {decision.decision_id} grants money and names no prefecture.")
    return decision.prefecture
