"""For the domain's tests: decisions on one entitlement, and its payments in whatever state."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from services.payments.domain.decision import Decision
from services.payments.domain.life import BEFORE_SUBMISSION, State
from services.payments.domain.refund import Key, Payment, PaymentChange, Refund, entitle
from shared.ids import decision_id

USCC = "91650100MA7ABCDE18"
KEY = Key(USCC, "refund", "2019")
ALI, BEK = "a" * 32, "b" * 32
BATCH = "c" * 32


def decision(revision: int, amount_fen: int, prefecture: str | None = "650100", payee: str | None = ALI) -> Decision:
    sealed = f"sealed-{payee}" if payee else None
    identity = decision_id(*KEY, revision)
    return Decision(USCC, "refund", "2019", revision, amount_fen, prefecture, identity, sealed, payee)


def held(*decisions: Decision) -> Refund:
    """The refund after the decisions, none of its payments touched meanwhile."""
    refund: Refund | None = None
    for one in decisions:
        refund = entitle(refund, one)[1]
    assert refund is not None
    return refund


def put(refund: Refund, number: int, state: State, **changed: Any) -> Refund:
    """With the payment in a state, and all that belongs to the state."""
    alone = state in ("authorised", "held", "cancelled")
    out = state not in BEFORE_SUBMISSION | {"cancelled"}
    shape: dict[str, Any] = {
        "state": state,
        "batch_id": None if alone else BATCH,
        "held_for": "frozen" if state == "held" else None,
        "submitted_on": date(2020, 3, 2) if out else None,
    }
    return msgspec.structs.replace(
        refund,
        payments=tuple(
            msgspec.structs.replace(one, **shape | changed) if one.number == number else one for one in refund.payments
        ),
    )


def payment_of(refund: Refund, number: int) -> Payment:
    (found,) = (one for one in refund.payments if one.number == number)
    return found


def steps(changes: Iterable[PaymentChange]) -> list[tuple[str, int, int]]:
    """(change, number of the payment, fen) of each."""
    return [(change.change, change.payment.number, change.amount_fen) for change in changes]


def states(refund: Refund) -> list[State]:
    return [payment.state for payment in refund.payments]
