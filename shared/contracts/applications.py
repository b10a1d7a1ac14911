"""`intake.applications.v1`: what enterprises and officers hand in through intake's HTTP API or importer."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Day, Details, Name, Text, Uscc, Utility, Year

# A line of text, or named lines (person, telephone, address); personal data, sealed by intake.
Contact = Name | Annotated[dict[Name, Text], Field(min_length=1, max_length=16)]


class HoldoverAppliedData(Data):
    uscc: Uscc
    application_id: Name
    utilities: Annotated[list[Utility], Field(min_length=1, max_length=16)]
    declared_difficulty: bool
    contact: Contact
    submitted_on: Day


class HoldoverApplied(Event[HoldoverAppliedData]):
    """An enterprise asks to pay the named dues later."""

    type: Literal["relief.holdover.applied.v1"] = "relief.holdover.applied.v1"


class HoldoverWithdrawalData(Data):
    uscc: Uscc
    application_id: Name
    submitted_on: Day


class HoldoverWithdrawal(Event[HoldoverWithdrawalData]):
    """The enterprise takes back the holdover application it names."""

    type: Literal["relief.holdover.withdrawal.v1"] = "relief.holdover.withdrawal.v1"


class RefundDeclinedData(Data):
    uscc: Uscc
    application_id: Name
    year: Year
    submitted_on: Day


class RefundDeclined(Event[RefundDeclinedData]):
    """The enterprise wants no refund for the reference year `year`."""

    type: Literal["relief.refund.declined.v1"] = "relief.refund.declined.v1"


class NeedRegisteredData(Data):
    uscc: Uscc
    application_id: Name
    measure: Name
    details: Details
    contact: Contact
    submitted_on: Day


class NeedRegistered(Event[NeedRegisteredData]):
    """An enterprise asks for a measure that another body grants; `details` are typed by the measure."""

    type: Literal["relief.need.registered.v1"] = "relief.need.registered.v1"


APPLICATION_EVENTS = (HoldoverApplied, HoldoverWithdrawal, RefundDeclined, NeedRegistered)
