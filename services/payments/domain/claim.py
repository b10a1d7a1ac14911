"""A clawback after it was raised: settled in parts, the rest written off by two officers, never above what was paid."""

from typing import Literal

import msgspec

from services.payments.domain.refund import Key


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What an enterprise owes back of one payment. `parts` counts what was booked on it; `given_up_by`: who proposed
    to write the rest off.
    """

    clawback_id: str
    payment_id: str
    key: Key
    prefecture: str
    decision_id: str
    amount_fen: int
    settled_fen: int = 0
    written_off_fen: int = 0
    parts: int = 0
    given_up_by: str | None = None

    @property
    def open_fen(self) -> int:
        return self.amount_fen - self.settled_fen - self.written_off_fen


class ClaimChange(msgspec.Struct, frozen=True, gc=False):
    """One part of a claim to tell, `claim` as it is after it."""

    change: Literal["clawback_settled", "clawback_written_off"]
    claim: Claim
    amount_fen: int
    reason: str | None = None


class SameOfficer(Exception):
    """Two different officers are needed; the message is one sentence."""


class NothingOpen(Exception):
    """There is nothing left to write off; the message is one sentence."""


def receive(claim: Claim, amount_fen: int) -> tuple[Claim, ClaimChange | None, int]:
    """(the claim after, what to tell, the surplus that somebody has to give back)."""
    booked_fen = min(amount_fen, claim.open_fen)
    if booked_fen == 0:
        return claim, None, amount_fen
    after = msgspec.structs.replace(claim, settled_fen=claim.settled_fen + booked_fen, parts=claim.parts + 1)
    return after, ClaimChange("clawback_settled", after, booked_fen), amount_fen - booked_fen


def write_off(claim: Claim, officer: str, reason: str) -> tuple[Claim, ClaimChange | None]:
    """(the claim after, what to tell: None while a second officer is awaited). Raises SameOfficer, NothingOpen."""
    if claim.open_fen == 0:
        raise NothingOpen(f"Clawback {claim.clawback_id} has nothing open; there is nothing to write off.")
    if claim.given_up_by is None:
        return msgspec.structs.replace(claim, given_up_by=officer), None
    if claim.given_up_by == officer:
        raise SameOfficer("The officer who proposed the write-off cannot confirm it; another one has to.")
    after = msgspec.structs.replace(
        claim, written_off_fen=claim.written_off_fen + claim.open_fen, parts=claim.parts + 1, given_up_by=None
    )
    return after, ClaimChange("clawback_written_off", after, claim.open_fen, reason)
