"""What an officer's word does besides deciding on a batch: stopping one, allotting money, answering for the bank."""

from typing import Literal, NamedTuple

import msgspec

from services.payments.domain.batch import Batch, Refusal, Verdict
from services.payments.domain.life import IN_FLIGHT, State

Resolution = Literal["settled", "rejected"]


def freeze(batch: Batch) -> Verdict:
    """The batch, stopped. Raises Refusal."""
    if batch.frozen:
        return Verdict(batch, done=True, repeat=True)
    if batch.state == "submitted":
        raise Refusal("The batch is with the bank already; only the bank can stop its payments now.")
    if batch.state == "refused":
        raise Refusal(
            "The batch was rejected and holds no payments; freeze their enterprises or the programme instead."
        )
    return Verdict(msgspec.structs.replace(batch, frozen=True), done=True)


def release(batch: Batch) -> Verdict:
    """The batch as it was before it was frozen, approvals included: nothing in it has changed."""
    if not batch.frozen:
        return Verdict(batch, done=True, repeat=True)
    return Verdict(msgspec.structs.replace(batch, frozen=False), done=True)


class Budget(NamedTuple):
    """A programme's money in fen: reserved is on its way, spent is paid."""

    total_fen: int
    reserved_fen: int
    spent_fen: int


def allot(budget: Budget | None, total_fen: int) -> Literal["created", "changed", "exists"]:
    """What it means to set the total. Raises Refusal where less is given than is gone."""
    if budget is None:
        return "created"
    gone_fen = budget.reserved_fen + budget.spent_fen
    if total_fen < gone_fen:
        raise Refusal(
            f"The programme has {budget.spent_fen} fen paid and {budget.reserved_fen} fen on their way: its budget "
            f"cannot be below {gone_fen} fen. Reject batches first, or set a higher one."
        )
    return "exists" if total_fen == budget.total_fen else "changed"


def resolve(state: State, said: Resolution | None, now: Resolution) -> Literal["created", "exists"]:
    """Whether a person's answer in the bank's place is news. `said`: a person's answer before. Raises Refusal."""
    if said == now and (state == now or state in IN_FLIGHT):
        return "exists"
    if state not in IN_FLIGHT:
        raise Refusal(f"The payment is {state}; only one that is with the bank, or unknown, can be resolved.")
    if said is not None:
        raise Refusal(f"An officer has said already that the payment is {said}; it takes effect in a moment.")
    return "created"
