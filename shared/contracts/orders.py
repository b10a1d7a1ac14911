"""`holdover.orders.v1`: what the holdover service tells the utilities."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Caused, Event
from shared.contracts.vocabulary import Day, Hash, Name, Text, Total, Uscc, Utility


class OrderData(Caused):
    """What every event of one holdover (enterprise, utility, supplier account) carries."""

    holdover_id: Hash
    uscc: Uscc
    utility: Utility
    supplier_id: Name
    account_no: Name
    on: Day


class HoldoverOpenedData(OrderData):
    application_id: Name


class HoldoverOpened(Event[HoldoverOpenedData]):
    """A holdover of one supplier account has begun."""

    type: Literal["relief.holdover.opened.v1"] = "relief.holdover.opened.v1"


class BillDeferredData(OrderData):
    """`amount_fen` is now deferred of this bill; `total_fen` of the whole holdover."""

    bill_id: Name
    amount_fen: Total
    total_fen: Total


class BillDeferred(Event[BillDeferredData]):
    """A bill need not be paid on its due date."""

    type: Literal["relief.holdover.bill_deferred.v1"] = "relief.holdover.bill_deferred.v1"


class SupplyProtectedData(OrderData):
    """`signature`: detached JWS over the order."""

    order_id: Hash
    from_on: Day
    until_on: Day
    signature: Text


class SupplyProtected(Event[SupplyProtectedData]):
    """The supplier may not cut the supply from `from_on` to `until_on`."""

    type: Literal["relief.holdover.supply_protected.v1"] = "relief.holdover.supply_protected.v1"


class ProtectionEndedData(OrderData):
    order_id: Hash
    reason: Text


class ProtectionEnded(Event[ProtectionEndedData]):
    """The order to protect the supply no longer holds."""

    type: Literal["relief.holdover.protection_ended.v1"] = "relief.holdover.protection_ended.v1"


class DisconnectionAnswerData(OrderData):
    request_id: Name
    order_id: Hash | None
    reason: Text


class DisconnectionRefused(Event[DisconnectionAnswerData]):
    """The supplier may not disconnect."""

    type: Literal["relief.holdover.disconnection_refused.v1"] = "relief.holdover.disconnection_refused.v1"


class DisconnectionAllowed(Event[DisconnectionAnswerData]):
    """The supplier may disconnect."""

    type: Literal["relief.holdover.disconnection_allowed.v1"] = "relief.holdover.disconnection_allowed.v1"


class InstalmentData(OrderData):
    number: Annotated[int, Field(ge=1)]
    due_on: Day
    amount_fen: Total


class InstalmentDue(Event[InstalmentData]):
    """An instalment of the deferred sum is due on `due_on`."""

    type: Literal["relief.holdover.instalment_due.v1"] = "relief.holdover.instalment_due.v1"


class InstalmentPaidData(InstalmentData):
    """`amount_fen` is this payment's part of the instalment."""

    payment_id: Name


class InstalmentPaid(Event[InstalmentPaidData]):
    """A payment went to this instalment."""

    type: Literal["relief.holdover.instalment_paid.v1"] = "relief.holdover.instalment_paid.v1"


class InstalmentOverdue(Event[InstalmentData]):
    """The instalment was not paid in time."""

    type: Literal["relief.holdover.instalment_overdue.v1"] = "relief.holdover.instalment_overdue.v1"


class HoldoverEndedData(OrderData):
    paid_fen: Total
    open_fen: Total


class HoldoverCompleted(Event[HoldoverEndedData]):
    """The deferred sum is repaid."""

    type: Literal["relief.holdover.completed.v1"] = "relief.holdover.completed.v1"


class HoldoverDefaulted(Event[HoldoverEndedData]):
    """An instalment stayed unpaid past its grace."""

    type: Literal["relief.holdover.defaulted.v1"] = "relief.holdover.defaulted.v1"


class HoldoverWithdrawn(Event[HoldoverEndedData]):
    """The enterprise took its application back."""

    type: Literal["relief.holdover.withdrawn.v1"] = "relief.holdover.withdrawn.v1"


ORDER_EVENTS = (
    HoldoverOpened,
    BillDeferred,
    SupplyProtected,
    ProtectionEnded,
    DisconnectionRefused,
    DisconnectionAllowed,
    InstalmentDue,
    InstalmentPaid,
    InstalmentOverdue,
    HoldoverCompleted,
    HoldoverDefaulted,
    HoldoverWithdrawn,
)
