"""Money paid out: an entitlement, and the payments that make it up, exactly."""

from typing import Final, Literal

import msgspec

from services.payments.domain.decision import Contradiction, Decision, Outcome, compare, place_of
from services.payments.domain.life import BEFORE_SUBMISSION, State, follow, may
from shared.ids import payment_id

Programme = Literal["job_stabilisation", "contribution_return"]
PROGRAMMES: Final[dict[str, Programme]] = {
    "refund": "job_stabilisation",
    "contribution_return": "contribution_return",
}


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One payment. Identity, amount and prefecture are for ever; only the state and, before submission, the payee move.

    `decision_id` is of the decision that authorised it.
    """

    number: int
    payment_id: str
    amount_fen: int
    state: State
    prefecture: str
    decision_id: str
    payee_sealed: str | None
    payee_digest: str | None


class Refund(msgspec.Struct, frozen=True, gc=False):
    """What an enterprise is entitled to. The payments that are not cancelled add up to `amount_fen`.

    `payments` by number, ascending; those cancelled long ago may be left out. `last_number` counts every payment.
    """

    revision: int
    amount_fen: int
    last_number: int
    payments: tuple[Payment, ...]


class PaymentChange(msgspec.Struct, frozen=True, gc=False):
    """One step of one payment to tell."""

    change: Literal["authorised", "cancelled"]
    payment: Payment


def entitle(held: Refund | None, decision: Decision) -> tuple[Outcome, Refund, tuple[PaymentChange, ...]]:
    """The refund after the decision, and the steps to tell, in order. Raises Contradiction.

    More due: one new payment for the difference. Less due: the newest payments are cancelled until the rest is not
    above what is due, and one new payment makes up the difference. A cancelled payment is reversed in the prefecture
    it was booked under; a new one is booked where the new decision says. Payments not yet submitted follow the payee
    of the newest decision, which no ledger needs to hear.
    """
    before = held or Refund(0, 0, 0, ())
    outcome = compare(decision, before.revision, before.amount_fen)
    if outcome != "changed":
        return outcome, before, ()
    changes: list[PaymentChange] = []
    payments, live_fen = _cancel_newest(before.payments, decision, changes)
    payments = [_with_payee_of(decision, payment) for payment in payments]
    number = before.last_number
    if live_fen < decision.amount_fen:
        number += 1
        fresh = _authorise(decision, number, decision.amount_fen - live_fen)
        payments.append(fresh)
        changes.append(PaymentChange("authorised", fresh))
    after = Refund(decision.revision, decision.amount_fen, number, tuple(payments))
    assert sum(payment.amount_fen for payment in after.payments if payment.state != "cancelled") == after.amount_fen
    return outcome, after, tuple(changes)


def _cancel_newest(
    payments: tuple[Payment, ...], decision: Decision, changes: list[PaymentChange]
) -> tuple[list[Payment], int]:
    kept = list(payments)
    live_fen = sum(payment.amount_fen for payment in kept if payment.state != "cancelled")
    for place in reversed(range(len(kept))):
        if live_fen <= decision.amount_fen:
            break
        payment = kept[place]
        if may("cancelled", payment.state):
            kept[place] = msgspec.structs.replace(payment, state=follow("cancelled", payment.state))
            live_fen -= payment.amount_fen
            changes.append(PaymentChange("cancelled", kept[place]))
    if live_fen > decision.amount_fen:
        raise Contradiction(
            f"{decision.measure} {decision.key} of {decision.uscc} has {live_fen} fen under way and "
            f"{decision.amount_fen} fen due: the difference has to be claimed back, which this version cannot."
        )
    return kept, live_fen


def _with_payee_of(decision: Decision, payment: Payment) -> Payment:
    if payment.state not in BEFORE_SUBMISSION or payment.payee_digest == decision.payee_digest:
        return payment
    return msgspec.structs.replace(payment, payee_sealed=decision.payee_sealed, payee_digest=decision.payee_digest)


def _authorise(decision: Decision, number: int, amount_fen: int) -> Payment:
    return Payment(
        number,
        payment_id(decision.uscc, decision.measure, decision.key, number),
        amount_fen,
        follow("authorised", None),
        place_of(decision),
        decision.decision_id,
        decision.payee_sealed,
        decision.payee_digest,
    )
