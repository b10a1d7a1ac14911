"""Batches: what goes to one bank in one message, and who lets it go."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec

from services.payments.domain.refund import Reason
from shared.ids import batch_id

BatchState = Literal["prepared", "approved", "refused", "submitted"]


class Batch(msgspec.Struct, frozen=True, gc=False):
    """One batch as it is declared. `version` counts its changes; `approvals` are those of this version, by officer."""

    batch_id: str
    programme: str
    state: BatchState
    count: int
    total_fen: int
    version: int
    prepared_by: str
    approvals: tuple[str, ...] = ()
    frozen: bool = False


class Refusal(Exception):
    """An officer's word that changes nothing; the message is one sentence that says what to do."""


class Verdict(NamedTuple):
    """`done`: the batch is approved or refused now; otherwise a second officer is awaited. `repeat`: said before."""

    batch: Batch
    done: bool
    repeat: bool = False


def approve(batch: Batch, officer: str, threshold_fen: int, version: int | None = None) -> Verdict:
    """The batch after an approval. Raises Refusal.

    Above the threshold two different officers approve. Whoever prepared a batch never approves it. `version`: the one
    that the officer saw, where the way in can say so; a batch that changed since has to be looked at again.
    """
    if batch.state in ("approved", "submitted") and officer in batch.approvals:
        return Verdict(batch, done=True, repeat=True)
    _check(batch, officer, version)
    if batch.count == 0:
        raise Refusal("The batch is empty by now; there is nothing to approve.")
    if officer in batch.approvals:
        raise Refusal(
            "You have approved this batch already; above the threshold another officer has to approve it too."
        )
    approvals = (*batch.approvals, officer)
    enough = len(approvals) >= (2 if batch.total_fen > threshold_fen else 1)
    after = msgspec.structs.replace(batch, approvals=approvals, state="approved" if enough else batch.state)
    return Verdict(after, done=enough)


def reject(batch: Batch, officer: str, version: int | None = None) -> Verdict:
    """The batch after a refusal: its payments wait for the next batch. Raises Refusal."""
    if batch.state == "refused":
        return Verdict(batch, done=True, repeat=True)
    _check(batch, officer, version)
    return Verdict(msgspec.structs.replace(batch, state="refused"), done=True)


def _check(batch: Batch, officer: str, version: int | None) -> None:
    if batch.state != "prepared":
        raise Refusal(f"The batch is {batch.state}; only a prepared one can be approved or rejected.")
    if batch.frozen:
        raise Refusal("The batch is frozen; it has to be released first.")
    if officer == batch.prepared_by:
        raise Refusal("Whoever prepared a batch cannot decide on it; another officer has to.")
    if version is not None and version != batch.version:
        raise Refusal(f"The batch changed since you saw it (version {version}, now {batch.version}): look at it again.")


class Candidate(NamedTuple):
    """A payment that may go into a batch. `bank`: the first three digits of the bank's code, of the payee as it is
    now; None where the sealed payee does not open. `held_for`: why it is held so far.
    """

    payment_id: str
    uscc: str
    programme: str
    amount_fen: int
    payee_digest: str | None
    bank: str | None
    held_for: Reason | None


class Made(NamedTuple):
    """A new batch and its payments."""

    batch_id: str
    programme: str
    bank: str
    number: int
    payment_ids: tuple[str, ...]
    total_fen: int


class Plan(NamedTuple):
    """`held`: payments that wait, by reason; those not listed go into the batches."""

    batches: tuple[Made, ...]
    held: Mapping[str, Reason]


def plan(
    candidates: Iterable[Candidate],
    free_fen: Mapping[str, int],
    frozen: Mapping[str, frozenset[str]],
    day: str,
    next_number: Mapping[tuple[str, str], int],
    size: int,
) -> Plan:
    """Batches of at most `size` payments each, per programme and bank.

    `free_fen`: what each programme's budget has left, none for one without a budget. `frozen`: the enterprises
    ("enterprise") and programmes ("programme") that wait. `next_number`: per (programme, bank), 1 where none is given.
    Whoever comes first by payment id, which is a hash, gets what the budget has left: no enterprise is favoured.
    """
    left = dict(free_fen)
    held: dict[str, Reason] = {}
    going: list[Candidate] = []
    for one in sorted(candidates):
        reason = _holds(one, frozen)
        if reason is None and one.amount_fen > left.get(one.programme, 0):
            reason = "no_budget"
        if reason is not None:
            held[one.payment_id] = reason
            continue
        left[one.programme] -= one.amount_fen
        going.append(one)
    made: list[Made] = []

    def destination(one: Candidate) -> tuple[str, str]:
        assert one.bank is not None
        return one.programme, one.bank

    for (programme, bank), group in groupby(sorted(going, key=destination), destination):
        payments = list(group)
        first = next_number.get((programme, bank), 1)
        for number, start in enumerate(range(0, len(payments), size), first):
            part = payments[start : start + size]
            made.append(
                Made(
                    batch_id(programme, bank, day, number),
                    programme,
                    bank,
                    number,
                    tuple(one.payment_id for one in part),
                    sum(one.amount_fen for one in part),
                )
            )
    return Plan(tuple(made), held)


def _holds(one: Candidate, frozen: Mapping[str, frozenset[str]]) -> Reason | None:
    if one.uscc in frozen["enterprise"] or one.programme in frozen["programme"]:
        return "frozen"
    if one.payee_digest is None:
        return "no_payee"
    return "payee_unreadable" if one.bank is None else None
