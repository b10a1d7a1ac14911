"""`upstream.utility.v1`: bills, payments and disconnection requests of the utility suppliers."""

from typing import Literal

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Amount, Day, Name, Period, Text, Uscc, Utility, Version


class BillIssuedData(Data):
    uscc: Uscc
    bill_id: Name
    version: Version = 1
    utility: Utility
    supplier_id: Name
    account_no: Name
    period: Period
    amount_fen: Amount
    due_on: Day
    production_use: bool


class BillIssued(Event[BillIssuedData]):
    """A bill of one supplier account for one month; business id `bill_id`."""

    type: Literal["cn.utility.bill.issued.v1"] = "cn.utility.bill.issued.v1"


class BillPaidData(Data):
    uscc: Uscc
    bill_id: Name
    payment_id: Name
    amount_fen: Amount
    paid_on: Day


class BillPaid(Event[BillPaidData]):
    """A payment of the bill it names; business id `payment_id`."""

    type: Literal["cn.utility.bill.paid.v1"] = "cn.utility.bill.paid.v1"


class DisconnectionRequestedData(Data):
    uscc: Uscc
    request_id: Name
    utility: Utility
    supplier_id: Name
    account_no: Name
    reason: Text
    requested_on: Day


class DisconnectionRequested(Event[DisconnectionRequestedData]):
    """The supplier asks whether it may cut the supply."""

    type: Literal["cn.utility.disconnection.requested.v1"] = "cn.utility.disconnection.requested.v1"


UTILITY_EVENTS = (BillIssued, BillPaid, DisconnectionRequested)
