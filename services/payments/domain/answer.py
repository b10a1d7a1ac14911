"""The bank's word on one payment, and what follows for the entitlement it belongs to."""

from typing import Literal

import msgspec

from services.payments.domain.life import follow, may
from services.payments.domain.refund import Key, Payment, PaymentChange, Refund, balance

Word = Literal["accepted", "settled", "rejected"]
# `parked`: the word contradicts what is known; it moves nothing, and a person looks at it.
Taken = Literal["changed", "repeat", "parked"]


def answer(
    refund: Refund, key: Key, payment_id: str, word: Word, reason: str | None
) -> tuple[Taken, Refund, tuple[PaymentChange, ...]]:
    """The refund after the bank's word on one of its payments, and the steps to tell, in order.

    A payment resolves once: a second, other resolution is parked, and so is a word on one that never went out, which
    the refund may have left out. Once resolved, what had to wait for the answer is made good: see `balance`.
    """
    place = next((n for n, one in enumerate(refund.payments) if one.payment_id == payment_id), None)
    if place is None:
        return "parked", refund, ()
    payment = refund.payments[place]
    if payment.state == "cancelled":
        # Only what the bank refused is cancelled after it went out, and the bank may say so again.
        again = payment.submitted_on is not None and word != "settled"
        return ("repeat" if again else "parked"), refund, ()
    if word == "accepted":
        # On its way, and known to be: silence that was broken is no silence.
        if payment.state == "unknown":
            known = msgspec.structs.replace(payment, state=follow("acknowledged", payment.state))
            return "changed", _with(refund, place, known), ()
        return ("repeat" if payment.state in ("submitted", "settled", "rejected") else "parked"), refund, ()
    if payment.state == word:
        return "repeat", refund, ()
    if not may(word, payment.state):
        return "parked", refund, ()
    over = msgspec.structs.replace(payment, state=follow(word, payment.state))
    # Told as revision 1: one payment is resolved once, whatever was decided meanwhile.
    told = PaymentChange(word, over, over.amount_fen, over.decision_id, 1, reason=reason)
    balanced, changes = balance(_with(refund, place, over), key)
    return "changed", balanced, (told, *changes)


def _with(refund: Refund, place: int, payment: Payment) -> Refund:
    payments = (*refund.payments[:place], payment, *refund.payments[place + 1 :])
    return msgspec.structs.replace(refund, payments=payments)
