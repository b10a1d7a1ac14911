"""Reading a topic of our own, which one service writes: what cannot be read there stops, and is never quoted."""

from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Raw

_NAMED = 3


class Origin(Protocol):
    """The `origin` of one of our events, by whichever model it was read."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def index(self) -> int: ...


def by_contract(contract: TypeAdapter[Any], record: Raw, wanted: str) -> Any:
    """The record's event. Raises Stop with what is wrong, where, and that it holds no `wanted` ("no fact")."""
    try:
        return contract.validate_json(record.value or b"")
    except ValidationError as error:
        # Without the input: it may hold a payee or a contact.
        listed = error.errors(include_input=False)[:_NAMED]
        kinds = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in listed)
        raise Stop(f"{place(record)} holds {wanted} that this version can read ({kinds}).") from None


def place(record: Raw) -> str:
    """Where a record is, to begin a sentence with."""
    return f"The record at offset {record.offset} of {record.topic}/{record.partition}"


def cause_of(origin: Origin) -> Cause:
    return Cause(f"{origin.topic}/{origin.partition}", (origin.offset, origin.index))
