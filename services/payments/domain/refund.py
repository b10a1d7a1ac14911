"""Money paid out: an entitlement, and the payments that make it up, exactly."""

from datetime import date
from typing import Final, Literal, NamedTuple

import msgspec

from services.payments.domain.decision import Decision, Outcome, compare, place_of
from services.payments.domain.life import BEFORE_SUBMISSION, IN_FLIGHT, State, follow, may
from shared.ids import clawback_id, decision_id, payment_id

Programme = Literal["job_stabilisation", "contribution_return"]
PROGRAMMES: Final[dict[str, Programme]] = {
    "refund": "job_stabilisation",
    "contribution_return": "contribution_return",
}
Reason = Literal["no_budget", "frozen", "no_payee", "payee_unreadable", "payee_changed"]
Change = Literal["authorised", "cancelled", "submitted", "settled", "rejected", "clawback_raised"]


class Key(NamedTuple):
    """What an entitlement is for."""

    uscc: str
    measure: str
    key: str


def key_of(decision: Decision) -> Key:
    return Key(decision.uscc, decision.measure, decision.key)


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One payment. Identity, amount and prefecture are for ever; the payee may move before submission.

    `decision_id` is of the decision that authorised it. `clawed_fen` of it are claimed back, in `clawbacks` claims.
    """

    number: int
    payment_id: str
    amount_fen: int
    state: State
    prefecture: str
    decision_id: str
    payee_digest: str | None
    batch_id: str | None = None
    held_for: Reason | None = None
    submitted_on: date | None = None
    clawed_fen: int = 0
    clawbacks: int = 0


class Clawback(msgspec.Struct, frozen=True, gc=False):
    """A claim that was raised just now."""

    clawback_id: str
    payment_id: str
    amount_fen: int


class Refund(msgspec.Struct, frozen=True, gc=False):
    """What an enterprise is entitled to, by the latest decision, and how it is being paid.

    `payments` by number, ascending; those that were cancelled in earlier batches and never went out may be left out.
    `last_number` counts every payment.
    `raised`: the claims of this batch; older ones are settled elsewhere and only their sums count here.
    """

    revision: int
    amount_fen: int
    last_number: int
    payments: tuple[Payment, ...]
    prefecture: str | None = None
    payee_sealed: str | None = None
    payee_digest: str | None = None
    raised: tuple[Clawback, ...] = ()

    @property
    def live_fen(self) -> int:
        """What the enterprise has or will have when everything under way has happened."""
        return sum(payment.amount_fen - payment.clawed_fen for payment in self.payments if payment.state != "cancelled")


class PaymentChange(msgspec.Struct, frozen=True, gc=False):
    """One step of one payment to tell; `decision_id` is of the decision that the step follows."""

    change: Change
    payment: Payment
    amount_fen: int
    decision_id: str
    revision: int
    clawback_id: str | None = None
    reason: str | None = None


def entitle(held: Refund | None, decision: Decision) -> tuple[Outcome, Refund, tuple[PaymentChange, ...]]:
    """The refund after the decision, and the steps to tell, in order: see `balance`. Raises Contradiction."""
    before = held or Refund(0, 0, 0, ())
    outcome = compare(decision, before.revision, before.amount_fen)
    if outcome != "changed":
        return outcome, before, ()
    after = msgspec.structs.replace(
        before,
        revision=decision.revision,
        amount_fen=decision.amount_fen,
        prefecture=place_of(decision) if decision.amount_fen else decision.prefecture,
        payee_digest=decision.payee_digest,
        # Sealed anew under the same digest is the same account.
        payee_sealed=before.payee_sealed
        if before.payee_digest is not None and before.payee_digest == decision.payee_digest
        else decision.payee_sealed,
    )
    balanced, changes = balance(after, key_of(decision))
    return outcome, balanced, changes


def balance(refund: Refund, key: Key) -> tuple[Refund, tuple[PaymentChange, ...]]:
    """The payments brought in line with what is due, and the steps to tell, in order.

    Payments not yet submitted follow the payee of the newest decision, which no ledger needs to hear: those in a batch
    leave it, and wait for another. A payment that the bank refused is given up when the account is another one now.

    More due: one new payment for the difference. Less due: what the bank refused or does not have yet is cancelled, the
    newest first, until the rest is not above what is due, and one new payment makes up the difference. What is paid
    beyond that is claimed back, once nothing is with the bank any more: until then nobody knows how much was paid.
    A payment is reversed in the prefecture it was booked under; a new one is booked where the decision says.
    """
    refund, changes = _follow_payee(refund, key)
    refund, cancelled = _cancel_newest(refund, key)
    changes += cancelled
    if refund.live_fen < refund.amount_fen:
        refund, fresh = _authorise(refund, key)
        changes.append(fresh)
    elif refund.live_fen > refund.amount_fen and not _in_flight(refund):
        refund, claims = _claw_back(refund, key)
        changes += claims
    assert refund.live_fen == refund.amount_fen or (refund.live_fen > refund.amount_fen and _in_flight(refund))
    return refund, tuple(changes)


def _in_flight(refund: Refund) -> bool:
    return any(payment.state in IN_FLIGHT for payment in refund.payments)


def _follow_payee(refund: Refund, key: Key) -> tuple[Refund, list[PaymentChange]]:
    payments: list[Payment] = []
    changes: list[PaymentChange] = []
    for payment in refund.payments:
        if payment.payee_digest == refund.payee_digest:
            payments.append(payment)
        elif payment.state == "rejected" and refund.payee_digest is not None:
            changes.append(_cancel(payment, refund, key))
            payments.append(changes[-1].payment)
        elif payment.state in BEFORE_SUBMISSION:
            payments.append(_with_payee(payment, refund.payee_digest))
        else:
            payments.append(payment)
    return msgspec.structs.replace(refund, payments=tuple(payments)), changes


def _with_payee(payment: Payment, digest: str | None) -> Payment:
    """Out of its batch: what was approved waits for a new approval."""
    moved = msgspec.structs.replace(payment, payee_digest=digest, batch_id=None)
    if payment.state == "batched":
        return msgspec.structs.replace(moved, state=follow("unbatched", payment.state))
    if payment.state == "approved":
        return msgspec.structs.replace(moved, state=follow("held", payment.state), held_for="payee_changed")
    return moved


def _cancel_newest(refund: Refund, key: Key) -> tuple[Refund, list[PaymentChange]]:
    changes: list[PaymentChange] = []
    kept = list(refund.payments)
    live_fen = refund.live_fen
    for place in reversed(range(len(kept))):
        if live_fen <= refund.amount_fen:
            break
        payment = kept[place]
        if may("cancelled", payment.state):
            changes.append(_cancel(payment, refund, key))
            kept[place] = changes[-1].payment
            live_fen -= payment.amount_fen
    return msgspec.structs.replace(refund, payments=tuple(kept)), changes


def _cancel(payment: Payment, refund: Refund, key: Key) -> PaymentChange:
    # What the bank refused stays on the list of the batch that it went in.
    batch_id = payment.batch_id if payment.state == "rejected" else None
    over = msgspec.structs.replace(payment, state=follow("cancelled", payment.state), batch_id=batch_id, held_for=None)
    return PaymentChange("cancelled", over, payment.amount_fen, decision_id(*key, refund.revision), refund.revision)


def _authorise(refund: Refund, key: Key) -> tuple[Refund, PaymentChange]:
    assert refund.prefecture is not None  # something is due, and a decision that says so names its place
    number = refund.last_number + 1
    decided = decision_id(*key, refund.revision)
    fresh = Payment(
        number,
        payment_id(*key, number),
        refund.amount_fen - refund.live_fen,
        follow("authorised", None),
        refund.prefecture,
        decided,
        refund.payee_digest,
    )
    after = msgspec.structs.replace(refund, last_number=number, payments=(*refund.payments, fresh))
    return after, PaymentChange("authorised", fresh, fresh.amount_fen, decided, refund.revision)


def _claw_back(refund: Refund, key: Key) -> tuple[Refund, list[PaymentChange]]:
    """Claims on what was paid, the newest payment first; each claim is of one payment, and never above it."""
    changes: list[PaymentChange] = []
    kept, raised = list(refund.payments), list(refund.raised)
    excess_fen = refund.live_fen - refund.amount_fen
    for place in reversed(range(len(kept))):
        payment = kept[place]
        part_fen = min(excess_fen, payment.amount_fen - payment.clawed_fen)
        if payment.state != "settled" or part_fen == 0:
            continue
        claim = clawback_id(payment.payment_id, payment.clawbacks + 1)
        kept[place] = msgspec.structs.replace(
            payment, clawed_fen=payment.clawed_fen + part_fen, clawbacks=payment.clawbacks + 1
        )
        raised.append(Clawback(claim, payment.payment_id, part_fen))
        decided = decision_id(*key, refund.revision)
        changes.append(PaymentChange("clawback_raised", kept[place], part_fen, decided, refund.revision, claim))
        excess_fen -= part_fen
    return msgspec.structs.replace(refund, payments=tuple(kept), raised=tuple(raised)), changes
