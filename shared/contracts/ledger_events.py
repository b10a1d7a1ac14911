"""`ledger.exemptions.v1` and `ledger.refunds.v1`: what payments tells every ledger. `amount_fen` is always >= 0."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Caused, Event
from shared.contracts.vocabulary import (
    Day,
    Hash,
    Insurance,
    Name,
    Period,
    Prefecture,
    Programme,
    SignedTotal,
    Text,
    Total,
    Uscc,
)


class ExemptionData(Caused):
    """`amount_fen` is waived in all; `delta_fen` is against this exemption's previous event, so deltas add up."""

    exemption_id: Hash
    uscc: Uscc
    prefecture: Prefecture
    insurance: Insurance
    period: Period
    amount_fen: Total
    delta_fen: SignedTotal
    revision: Annotated[int, Field(ge=1)]
    decision_id: Hash
    booked_on: Day


class ExemptionGranted(Event[ExemptionData]):
    """A contribution is waived, for the first time or again after a revocation."""

    type: Literal["relief.exemption.granted.v1"] = "relief.exemption.granted.v1"


class ExemptionAmended(Event[ExemptionData]):
    """Another amount of the contribution is waived now."""

    type: Literal["relief.exemption.amended.v1"] = "relief.exemption.amended.v1"


class ExemptionRevoked(Event[ExemptionData]):
    """Nothing of the contribution is waived any longer."""

    type: Literal["relief.exemption.revoked.v1"] = "relief.exemption.revoked.v1"


class RefundData(Caused):
    """One step in the life of one payment; the type says the direction of `amount_fen`."""

    payment_id: Hash
    uscc: Uscc
    prefecture: Prefecture
    programme: Programme
    key: Name
    amount_fen: Annotated[Total, Field(gt=0)]
    decision_id: Hash
    batch_id: Name | None = None
    clawback_id: Hash | None = None
    reason: Text | None = None
    booked_on: Day


class RefundAuthorised(Event[RefundData]):
    """The payment is owed to the enterprise."""

    type: Literal["relief.refund.authorised.v1"] = "relief.refund.authorised.v1"


class RefundSubmitted(Event[RefundData]):
    """The payment is in a batch that went to the bank."""

    type: Literal["relief.refund.submitted.v1"] = "relief.refund.submitted.v1"


class RefundSettled(Event[RefundData]):
    """The bank has paid."""

    type: Literal["relief.refund.settled.v1"] = "relief.refund.settled.v1"


class RefundRejected(Event[RefundData]):
    """The bank refused the payment; it is owed still, until it is cancelled and another one takes its place."""

    type: Literal["relief.refund.rejected.v1"] = "relief.refund.rejected.v1"


class RefundCancelled(Event[RefundData]):
    """The payment was withdrawn before it was submitted, or after the bank refused it."""

    type: Literal["relief.refund.cancelled.v1"] = "relief.refund.cancelled.v1"


class RefundClawbackRaised(Event[RefundData]):
    """The enterprise owes back `amount_fen` of the payment."""

    type: Literal["relief.refund.clawback_raised.v1"] = "relief.refund.clawback_raised.v1"


class RefundClawbackSettled(Event[RefundData]):
    """The enterprise has paid back `amount_fen`."""

    type: Literal["relief.refund.clawback_settled.v1"] = "relief.refund.clawback_settled.v1"


class RefundClawbackWrittenOff(Event[RefundData]):
    """Two officers gave up `amount_fen` of what the enterprise owes back."""

    type: Literal["relief.refund.clawback_written_off.v1"] = "relief.refund.clawback_written_off.v1"


EXEMPTION_EVENTS = (ExemptionGranted, ExemptionAmended, ExemptionRevoked)
REFUND_EVENTS = (
    RefundAuthorised,
    RefundSubmitted,
    RefundSettled,
    RefundRejected,
    RefundCancelled,
    RefundClawbackRaised,
    RefundClawbackSettled,
    RefundClawbackWrittenOff,
)
