"""`relief.rejected.v1`: what intake could not accept. Identity is the source position."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.envelope import Caused, Event
from shared.contracts.facts import Sealed
from shared.contracts.vocabulary import Sha256, Text

RAW_MAX_BYTES = 256 * 1024

ContentDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,64}$")]

RejectCode = Literal[
    "TOMBSTONE",
    "TOO_LARGE",
    "BAD_HEADERS",
    "NOT_UTF8",
    "NOT_JSON",
    "UNKNOWN_TYPE",
    "MISSING_FIELD",
    "INVALID_FIELD",
    "BAD_USCC",
    "OUT_OF_RANGE",
    "UNKNOWN_PREFECTURE",
    "UNKNOWN_INDUSTRY",
    "WRONG_KEY",
    "ID_CONFLICT",
    "VERSION_CONFLICT",
]


class RecordRejectedData(Caused):
    """`origin` is the position of the rejected record; `raw_sealed` its bytes, sealed to operators, up to 256 KiB."""

    code: RejectCode
    message: Text
    digest: Sha256
    # Of a conflict: what this record says, and what the accepted record it contradicts says.
    content_digest: ContentDigest | None = None
    conflicts_with: ContentDigest | None = None
    size_bytes: Annotated[int, Field(ge=0)]
    raw_sealed: Sealed | None = None


class RecordRejected(Event[RecordRejectedData]):
    """A record that intake could not accept: why, and its bytes."""

    type: Literal["relief.record.rejected.v1"] = "relief.record.rejected.v1"


REJECTED_EVENTS = (RecordRejected,)
