"""What a bank told in one file."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Status = Literal["accepted", "settled", "rejected"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The bank's word on one payment.

    `amount_fen`: what the file says it is about, None where a status report leaves it out. `reason_code`: of a
    rejection, the bank's. `on`: the day it was booked, or of the report.
    """

    payment_id: str
    status: Status
    amount_fen: int | None
    reason_code: str | None
    bank_reference: str | None
    on: date


@dataclass(frozen=True, slots=True)
class Received:
    """Money that came back for a clawback; `bank_reference` tells one part from another, in whatever file it comes."""

    clawback_id: str
    amount_fen: int
    bank_reference: str
    on: date


@dataclass(frozen=True, slots=True)
class Reply:
    """One file. `message_id` is the bank's, `original_message_id` ours: the batch that a status report answers.

    `whole`: the status of every payment of the batch that has no answer of its own in `answers`; `reason_code` is the
    whole's. `original_count` and `original_total_fen`: what the bank says the batch was, where it says so.
    """

    message_id: str
    kind: Literal["status", "notification"]
    on: date
    original_message_id: str | None = None
    whole: Status | None = None
    reason_code: str | None = None
    original_count: int | None = None
    original_total_fen: int | None = None
    answers: tuple[Answer, ...] = ()
    received: tuple[Received, ...] = ()
