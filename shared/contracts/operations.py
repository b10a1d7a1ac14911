"""`intake.operations.v1`: what operators and the day clock put into the log. Key: the operation's id."""

from typing import Literal

from pydantic import JsonValue

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


class PackPublishedData(Data):
    """`content`: what the pack's files say, by file name; its canonical JSON has the hash `sha256`."""

    pack: Name
    version: Name
    sha256: Sha256
    content: dict[Name, JsonValue]


class PackPublished(Event[PackPublishedData]):
    """The pack itself, kept for ever by its hash, so that a replay finds the one that was in force. Key: the hash."""

    type: Literal["relief.pack.published.v1"] = "relief.pack.published.v1"


PACK_EVENTS = (PackPublished,)
OPERATION_EVENTS = (DayStarted, PackActivated, ReviewRequested)
