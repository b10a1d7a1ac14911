"""From bytes to a valid CloudEvent, or to the reason why not. Never raises for what a sender can get wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.calendar import local_day
from shared.contracts.envelope import STRUCTURED, Event
from shared.contracts.registry import AnyEvent, models
from shared.contracts.rejected import RejectCode
from shared.contracts.tax import ContributionAssessedData, Payee
from shared.contracts.topics import OPERATIONS, UPSTREAM, topics
from shared.streaming.records import Raw

RECORD_MAX_BYTES = 256 * 1024
# Key and headers: an envelope has a few hundred bytes.
ENVELOPE_MAX_BYTES = 16 * 1024
OPERATION_TYPES = frozenset(topics()[OPERATIONS].types)
_DUE_BEFORE_ASSESSED = (
    "The field data.due_on contradicts data.period: the contribution would have been due before its year began and "
    "before it was assessed; correct it and send the record again."
)
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent")
# Headers that say what a record is: one that came twice would leave open which of them speaks.
_ENVELOPE_HEADERS = frozenset(("content-type", *(f"ce_{name}" for name in _ATTRIBUTES)))


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record cannot be accepted: a code of the contract, and one sentence for the sender."""

    code: RejectCode
    message: str


def decode(record: Raw, adapter: TypeAdapter[AnyEvent]) -> AnyEvent | Refused:
    """The event of one record in either mode of the CloudEvents Kafka binding, under its own key."""
    value = record.value
    if value is None:
        return Refused("TOMBSTONE", "The record has no value; facts are corrected by a higher version, not deleted.")
    headers = _headers(record)
    if isinstance(headers, Refused):
        return headers
    structured = headers.get("content-type", "").encode().lower().startswith(STRUCTURED)
    if not structured and any(name.startswith("ce_") for name in headers):
        joined = _join(headers, value)
        event = joined if isinstance(joined, Refused) else _validate(joined, adapter, envelope_in_headers=True)
    else:
        event = decode_value(value, adapter)
    if not isinstance(event, Refused) and record.key != event.subject.encode():
        return Refused("WRONG_KEY", "The record's Kafka key is not the event's subject; both must be the same.")
    return event


def decode_value(value: bytes, adapter: TypeAdapter[AnyEvent]) -> AnyEvent | Refused:
    """The event of a structured-mode value, whatever carried it."""
    return _too_large(value) or _no_json_words(value) or _validate(value, adapter, envelope_in_headers=False)


def unknown_fields(event: AnyEvent) -> int:
    """How many members of `data` and of the payee in it the contract does not know (they are ignored)."""
    payee = event.data.__dict__.get("payee")
    return len(event.data.model_extra or ()) + (len(payee.model_extra or ()) if payee is not None else 0)


def _validate(value: bytes, adapter: TypeAdapter[AnyEvent], envelope_in_headers: bool) -> AnyEvent | Refused:
    try:
        # Extra members are let in to be counted; they stay outside the fields, and no output repeats them.
        event = adapter.validate_json(value, extra="allow")
    except ValidationError as error:
        return _reason(error, value, envelope_in_headers)
    if isinstance(event.data, ContributionAssessedData) and _due_before_assessed(event.data, event.time):
        return Refused("INVALID_FIELD", _DUE_BEFORE_ASSESSED)
    named = event.data.__dict__.get("uscc")
    # An operation's subject is its own id, also where it names an enterprise.
    if named is not None and named != event.subject and event.type not in OPERATION_TYPES:
        return Refused("WRONG_KEY", "The event's subject is not the uscc in its data; both must name the enterprise.")
    return event


def _due_before_assessed(data: ContributionAssessedData, told: datetime) -> bool:
    """Whether the contribution was due before its year began and before the record was made.

    A year may be paid in advance, and a past month assessed late; due before both, it is neither.
    """
    return data.due_on.year < int(data.period[:4]) and data.due_on < local_day(told)


def _too_large(value: bytes) -> Refused | None:
    if len(value) <= RECORD_MAX_BYTES:
        return None
    return Refused("TOO_LARGE", f"The record has {len(value)} bytes; at most {RECORD_MAX_BYTES} are accepted.")


def _no_json_words(value: bytes) -> Refused | None:
    """A refusal where a member is NaN or infinite, which Python's parsers read; in a text the words are fine."""
    if b"NaN" not in value and b"Infinity" not in value:
        return None
    try:
        from_json(value, allow_inf_nan=False)
    except ValueError:
        return _not_json(value)
    return None


def _headers(record: Raw) -> dict[str, str] | Refused:
    """Headers by lower-case name; a refusal where they cannot be read or say two things."""
    headers: dict[str, str] = {}
    size = len(record.key or b"")
    for name, value in record.headers:
        try:
            size += len(name.encode()) + len(value)
            text = value.decode("utf-8")
        except (UnicodeError, AttributeError, TypeError):
            return Refused("BAD_HEADERS", "A header of the record is not UTF-8 text.")
        name = name.lower()
        if name in headers and name in _ENVELOPE_HEADERS:
            return Refused("BAD_HEADERS", f"The header {name} occurs twice; send it once.")
        headers[name] = text
    if size > ENVELOPE_MAX_BYTES:
        what = f"The record's key and headers have {size} bytes"
        return Refused("TOO_LARGE", f"{what}; at most {ENVELOPE_MAX_BYTES} are accepted.")
    return headers


def _join(headers: dict[str, str], value: bytes) -> bytes | Refused:
    """Binary mode as structured: the data is parsed on its own first, so that it cannot speak for the envelope."""
    refused = _too_large(value)
    if refused is not None:
        return refused
    try:
        data = from_json(value, allow_inf_nan=False)
    except ValueError:
        return _not_json(value)
    envelope = {name: headers[f"ce_{name}"] for name in _ATTRIBUTES if f"ce_{name}" in headers}
    if "content-type" in headers:
        envelope["datacontenttype"] = headers["content-type"]
    return to_json({**envelope, "data": data})


def _not_json(value: bytes) -> Refused:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as error:
        return Refused("NOT_UTF8", f"The record is not UTF-8 text: byte {error.start} cannot be read.")
    return Refused("NOT_JSON", "The record is not a JSON object.")


# The first kind that occurs names the record: what is missing before what is wrong.
_KINDS: tuple[tuple[str, RejectCode], ...] = (
    ("union_tag_invalid", "UNKNOWN_TYPE"),
    ("union_tag_not_found", "MISSING_FIELD"),
    ("missing", "MISSING_FIELD"),
    ("bad_uscc", "BAD_USCC"),
)
_FIELDS: dict[str, RejectCode] = {"prefecture": "UNKNOWN_PREFECTURE", "industry": "UNKNOWN_INDUSTRY"}
_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "int_parsing_size"}


def _reason(error: ValidationError, value: bytes, envelope_in_headers: bool) -> Refused:
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    kinds = {item["type"] for item in errors}
    if "json_invalid" in kinds and "number out of range" in errors[0]["msg"]:
        return Refused("OUT_OF_RANGE", "A number in the record is too large to be read.")
    # `finite_number`: NaN and the infinities, which JSON does not have.
    if kinds & {"json_invalid", "finite_number"} or not value.lstrip().startswith(b"{"):
        return _not_json(value)
    for kind, code in _KINDS:
        if kind in kinds:
            return Refused(code, _sentence(next(item for item in errors if item["type"] == kind)))
    for item in errors:
        name = str(item["loc"][-1]) if item["loc"] else ""
        if item["type"] == "literal_error" and name in _FIELDS:
            return Refused(_FIELDS[name], _sentence(item))
    for item in errors:
        if item["type"] in _RANGE:
            return Refused("OUT_OF_RANGE", _sentence(item))
    if envelope_in_headers and "data" not in errors[0]["loc"]:
        return Refused("BAD_HEADERS", _sentence(errors[0]))
    return Refused("INVALID_FIELD", _sentence(errors[0]))


def _sentence(item: Any) -> str:
    """Names the field, never its value: values may be personal data, and so may the keys of a map."""
    if item["type"] == "union_tag_invalid":
        return "type: is no event type of this topic."
    if item["type"] == "union_tag_not_found":
        return "type: is missing, or no text."
    known = _field_names()
    where = ".".join(str(part) for part in item["loc"] if isinstance(part, int) or part in known)
    if item["type"] == "missing":
        return f"The field {where or 'that names the event'} is missing; send the record again with it."
    return f"The field {where or 'that names the event'} is wrong: {item['msg']}; correct it and send the record again."


@cache
def _field_names() -> frozenset[str]:
    """Every name that the contract gives to a field of the envelope or of a payload."""
    payloads: list[Any] = [
        model.model_fields["data"].annotation for topic in (*UPSTREAM, OPERATIONS) for model in models(topic).values()
    ]
    return frozenset(_names(Event, Payee, *payloads))


def _names(*found: type[BaseModel]) -> Iterator[str]:
    for model in found:
        yield from model.model_fields
