"""`payments.commands.v1`: officers' approvals and the bank's answers. Key: batch or payment id."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Amount, Day, Name, Text


class BatchApprovedData(Data):
    batch_id: Name
    officer: Name
    reason: Text


class BatchApproved(Event[BatchApprovedData]):
    """An officer releases a batch of payments."""

    type: Literal["relief.batch.approved.v1"] = "relief.batch.approved.v1"


class BatchRejectedData(Data):
    batch_id: Name
    officer: Name
    reason: Text


class BatchRejected(Event[BatchRejectedData]):
    """An officer refuses a batch of payments."""

    type: Literal["relief.batch.rejected.v1"] = "relief.batch.rejected.v1"


class PaymentStatusData(Data):
    payment_id: Name
    status: Literal["accepted", "settled", "rejected"]
    reason_code: Name | None = None
    bank_reference: Name | None = None
    on: Day


class PaymentStatus(Event[PaymentStatusData]):
    """The bank's word on one payment."""

    type: Literal["relief.payment.status.v1"] = "relief.payment.status.v1"


class ClawbackReceivedData(Data):
    clawback_id: Name
    amount_fen: Annotated[Amount, Field(gt=0)]
    bank_reference: Name
    on: Day


class ClawbackReceived(Event[ClawbackReceivedData]):
    """Money came back for a clawback, all of it or a part; `bank_reference` tells one part from another."""

    type: Literal["relief.clawback.received.v1"] = "relief.clawback.received.v1"


COMMAND_EVENTS = (BatchApproved, BatchRejected, PaymentStatus, ClawbackReceived)
