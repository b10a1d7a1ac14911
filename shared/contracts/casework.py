"""`casework.referrals.v1` and `casework.replies.v1`: needs carried to the bodies that can meet them.

Key: the case id.
"""

from typing import Literal

from shared.contracts.envelope import Caused, Data, Event
from shared.contracts.vocabulary import Day, Details, Hash, Name, Text, Uscc


class CaseData(Caused):
    case_id: Hash
    uscc: Uscc
    measure: Name
    body: Name
    officer: Name
    due_on: Day
    details: Details
    outcome: Name | None = None


class CaseReferred(Event[CaseData]):
    """A need is handed to the body that can meet it, with a date to answer by."""

    type: Literal["relief.case.referred.v1"] = "relief.case.referred.v1"


class CaseReminded(Event[CaseData]):
    """The body has not answered yet."""

    type: Literal["relief.case.reminded.v1"] = "relief.case.reminded.v1"


class CaseEscalated(Event[CaseData]):
    """The body let the date pass."""

    type: Literal["relief.case.escalated.v1"] = "relief.case.escalated.v1"


class CaseClosed(Event[CaseData]):
    """The case has ended with `outcome`."""

    type: Literal["relief.case.closed.v1"] = "relief.case.closed.v1"


class CaseRepliedData(Data):
    case_id: Hash
    reply_id: Name
    answer: Literal["accepted", "declined", "done", "needs_information"]
    terms: Details | None = None
    reason: Text
    on: Day


class CaseReplied(Event[CaseRepliedData]):
    """What the body answers to a referral."""

    type: Literal["relief.case.replied.v1"] = "relief.case.replied.v1"


REFERRAL_EVENTS = (CaseReferred, CaseReminded, CaseEscalated, CaseClosed)
REPLY_EVENTS = (CaseReplied,)
