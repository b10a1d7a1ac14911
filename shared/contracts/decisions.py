"""`relief.decisions.v1`: eligibility's decisions, and the days passed on."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.envelope import Caused, Data, Event
from shared.contracts.facts import DayStartedFactData, Sealed
from shared.contracts.vocabulary import (
    Day,
    Hash,
    Measure,
    Name,
    Outcome,
    Prefecture,
    Sha256,
    SignedTotal,
    SizeClass,
    Text,
    Total,
    Uscc,
)


class ReasonText(Data):
    zh: Text
    en: Text


class Reason(Data):
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,40}$")]
    text: ReasonText
    citation: Text


class PolicyRef(Data):
    pack: Name
    version: Name
    sha256: Sha256


class DecisionMadeData(Caused):
    decision_id: Hash
    uscc: Uscc
    measure: Measure
    key: Name
    prefecture: Prefecture | None
    size_class: SizeClass | None
    revision: Annotated[int, Field(ge=1)]
    outcome: Outcome
    amount_fen: Total
    delta_fen: SignedTotal
    effective_on: Day
    reasons: list[Reason]
    facts: list[Name]
    policy: PolicyRef
    payee_sealed: Sealed | None = None
    payee_digest: Hash | None = None


class DecisionMade(Event[DecisionMadeData]):
    """The latest word on one (uscc, measure, key): the highest revision counts, `amount_fen` is absolute."""

    type: Literal["relief.decision.made.v1"] = "relief.decision.made.v1"


class DayPassedOn(Event[DayStartedFactData]):
    """A day, after all decisions of the partition that rest on facts before it."""

    type: Literal["relief.day.started.v1"] = "relief.day.started.v1"


DECISION_EVENTS = (DecisionMade, DayPassedOn)
