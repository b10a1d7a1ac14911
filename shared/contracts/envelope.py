"""The envelope of every record: a CloudEvent 1.0 (structured JSON), and the base of every payload.

`origin` of our own events is a member of `data`, not an extension attribute: CloudEvents allows only scalar
extensions, and a strict SDK refuses an object there (docs/adr/0004).
"""

import contextlib
import re
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.contracts.vocabulary import Name

STRUCTURED = b"application/cloudevents+json"


class Data(BaseModel):
    """Payload base: frozen and strict; unknown fields are ignored (intake counts them)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Origin(Data):
    """The input record that caused one of our events; `index` counts that record's outputs to the same topic."""

    topic: Name
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    index: Annotated[int, Field(ge=0)]


class Caused(Data):
    """Payload of one of our own events."""

    origin: Origin


D = TypeVar("D", bound=Data)

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _read_time(value: object) -> object:
    """pydantic reads more than RFC 3339: numbers, times without seconds, offsets without a colon."""
    if isinstance(value, str) and _RFC_3339.fullmatch(value) is not None:
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value.upper())
    if isinstance(value, datetime):
        return value
    raise PydanticCustomError("not_rfc_3339", "is not a time as RFC 3339 writes it, with an offset")


Time = Annotated[AwareDatetime, BeforeValidator(_read_time)]


class Event(BaseModel, Generic[D]):
    """The CloudEvent 1.0 attributes that we use.

    `subject` is the record's Kafka key; `time` is when it happened at the source.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: str
    subject: Name
    time: Time
    datacontenttype: Annotated[str, StringConstraints(pattern=r"\Aapplication/json\b")] | None = None
    traceparent: str | None = None
    data: D
