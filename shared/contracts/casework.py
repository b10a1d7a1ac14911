"""`casework.referrals.v1` and `casework.replies.v1`: needs carried to the bodies that can meet them. Key: the case id."""

from typing import Literal

from pydantic import JsonValue

from shared.contracts.envelope import Caused, Data, Event
from shared.contracts.vocabulary import Day, Hash, Name, Text, Uscc


class CaseData(Caused):
    case_id: Hash
    uscc: Uscc
    measure: Name
    body: Name
    officer: Name
    due_on: Day
    details: dict[Name, JsonValue]
    outcome: Name | None = None


class CaseReferred(Event[CaseData]):
    type: Literal["relief.case.referred.v1"] = "relief.case.referred.v1"


class CaseReminded(Event[CaseData]):
    type: Literal["relief.case.reminded.v1"] = "relief.case.reminded.v1"


class CaseEscalated(Event[CaseData]):
    type: Literal["relief.case.escalated.v1"] = "relief.case.escalated.v1"


class CaseClosed(Event[CaseData]):
    type: Literal["relief.case.closed.v1"] = "relief.case.closed.v1"


class CaseRepliedData(Data):
    case_id: Hash
    reply_id: Name
    answer: Literal["accepted", "declined", "done", "needs_information"]
    terms: dict[Name, JsonValue] | None = None
    reason: Text
    on: Day


class CaseReplied(Event[CaseRepliedData]):
    type: Literal["relief.case.replied.v1"] = "relief.case.replied.v1"


REFERRAL_EVENTS = (CaseReferred, CaseReminded, CaseEscalated, CaseClosed)
REPLY_EVENTS = (CaseReplied,)
