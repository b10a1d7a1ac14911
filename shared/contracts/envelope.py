"""The envelope of every record: a CloudEvent 1.0 (structured JSON), and the base of every payload.

`origin` of our own events is a member of `data`, not an extension attribute: CloudEvents allows only scalar
extensions, and a strict SDK refuses an object there (docs/adr/0004).
"""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.vocabulary import Moment, Name

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
    time: Moment
    datacontenttype: Annotated[str, StringConstraints(pattern=r"^application/json( *;.*)?$", max_length=256)] | None = (
        None
    )
    # Read by tracing, which ignores what it cannot parse: no reason to refuse a fact.
    traceparent: Annotated[str, StringConstraints(max_length=512)] | None = None
    data: D
