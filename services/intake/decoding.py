"""From bytes to a valid CloudEvent, or to the reason why not. Never raises for what a sender can get wrong."""

import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.contracts.envelope import STRUCTURED
from shared.contracts.registry import AnyEvent
from shared.contracts.rejected import RejectCode
from shared.contracts.topics import OPERATIONS, topics
from shared.streaming.records import Raw

RECORD_MAX_BYTES = 256 * 1024
OPERATION_TYPES = frozenset(topics()[OPERATIONS].types)
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent")


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
    if len(value) > RECORD_MAX_BYTES:
        return Refused("TOO_LARGE", f"The record has {len(value)} bytes; at most {RECORD_MAX_BYTES} are accepted.")
    headers = _headers(record)
    if isinstance(headers, Refused):
        return headers
    structured = headers.get("content-type", "").encode().startswith(STRUCTURED)
    if not structured and "ce_specversion" in headers:
        joined = _join(headers, value)
        if isinstance(joined, Refused):
            return joined
        event = decode_value(joined, adapter, envelope_in_headers=True)
    else:
        event = decode_value(value, adapter)
    if not isinstance(event, Refused) and record.key != event.subject.encode():
        return Refused("WRONG_KEY", "The record's Kafka key is not the event's subject; both must be the same.")
    return event


def decode_value(value: bytes, adapter: TypeAdapter[AnyEvent], envelope_in_headers: bool = False) -> AnyEvent | Refused:
    """The event of a structured-mode value, whatever carried it."""
    try:
        event = adapter.validate_json(value, extra="allow")
    except ValidationError as error:
        return _reason(error, value, envelope_in_headers)
    named = getattr(event.data, "uscc", None)
    # An operation's subject is its own id, also where it names an enterprise.
    if named is not None and named != event.subject and event.type not in OPERATION_TYPES:
        return Refused("WRONG_KEY", "The event's subject is not the uscc in its data; both must name the enterprise.")
    return event


def unknown_fields(event: AnyEvent) -> int:
    """How many members of `data` the contract does not know (they are ignored)."""
    return len(event.data.model_extra or ())


def _headers(record: Raw) -> dict[str, str] | Refused:
    try:
        return {name.lower(): value.decode("utf-8") for name, value in record.headers}
    except (UnicodeDecodeError, AttributeError):
        return Refused("BAD_HEADERS", "A header of the record is not UTF-8 text.")


def _join(headers: dict[str, str], value: bytes) -> bytes | Refused:
    """Binary mode as structured: the data is parsed on its own first, so that it cannot speak for the envelope."""
    try:
        data = from_json(value, allow_inf_nan=False)
    except ValueError:
        return _not_json(value)
    envelope = {name: headers[f"ce_{name}"] for name in _ATTRIBUTES if f"ce_{name}" in headers}
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
    """Names the field, never its value: values may be personal data."""
    if item["type"] == "union_tag_invalid":
        return "type: is no event type of this topic."
    if item["type"] == "union_tag_not_found":
        return "type: is missing, or no text."
    where = ".".join(str(part) for part in item["loc"] if "." not in str(part)) or "type"
    return f"{where}: {item['msg']}."


def content_digest(*parts: bytes) -> bytes:
    """8 bytes over length-prefixed parts."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        h.update(len(part).to_bytes(4, "big"))
        h.update(part)
    return h.digest()
