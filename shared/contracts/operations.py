"""`intake.operations.v1`: what operators and the day clock put into the log. Key: the operation's id."""

from typing import Literal

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Day, Name, Sha256, Text, Uscc


class DayStartedData(Data):
    date: Day


class DayStarted(Event[DayStartedData]):
    """Every day up to `date` has started (Asia/Shanghai)."""

    type: Literal["relief.day.started.v1"] = "relief.day.started.v1"


class PackActivatedData(Data):
    pack: Name
    version: Name
    sha256: Sha256


class PackActivated(Event[PackActivatedData]):
    """From this record on, decisions follow the policy pack with this hash."""

    type: Literal["relief.pack.activated.v1"] = "relief.pack.activated.v1"


class ReviewRequestedData(Data):
    uscc: Uscc
    reason: Text


class ReviewRequested(Event[ReviewRequestedData]):
    """Decide everything of one enterprise anew."""

    type: Literal["relief.review.requested.v1"] = "relief.review.requested.v1"


OPERATION_EVENTS = (DayStarted, PackActivated, ReviewRequested)
