"""What became of holdover applications: a small fold over `relief.decisions.v1`, for intake's own API."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from shared.contracts.decisions import DecisionMade
from shared.contracts.registry import decoder
from shared.contracts.topics import DECISIONS
from shared.streaming.reading import by_contract
from shared.streaming.records import Cause, Output, Raw, States

# Most decisions are no answers to applications; without this word there is nothing here to decode.
_HOLDOVER = b'"holdover"'


class Decided(Struct, array_like=True, frozen=True):
    """The highest revision seen of one application's decision."""

    revision: int
    outcome: str
    reasons: list[tuple[str, str, str]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Decided)


def status_key(uscc: str, application_id: str) -> str:
    """The state key of one application; an id alone could be another enterprise's too."""
    return f"{uscc} {application_id}"


def encode_state(state: Decided) -> bytes:
    return _encoder.encode(state)


def decode_state(stored: bytes) -> Decided:
    return _decoder.decode(stored)


class StatusFold:
    """Keeps the latest outcome per application; publishes nothing."""

    def __init__(self) -> None:
        self._decoder = decoder(DECISIONS)

    def decode(self, record: Raw) -> DecisionMade | None:
        """Raises Stop for what is no decision: only eligibility writes this topic."""
        if record.value is None or _HOLDOVER not in record.value:
            return None
        event = by_contract(self._decoder, record, "no decision")
        return event if isinstance(event, DecisionMade) and event.data.measure == "holdover" else None

    def keys(self, fact: DecisionMade | None) -> Iterable[str]:
        return () if fact is None else (status_key(fact.data.uscc, fact.data.key),)

    def cause(self, fact: DecisionMade | None) -> Cause | None:
        return None  # the highest revision wins: repeats are harmless without a watermark

    def step(self, states: States[Decided], fact: DecisionMade | None, record: Raw) -> Sequence[Output]:
        if fact is None:
            return ()
        decision = fact.data
        key = status_key(decision.uscc, decision.key)
        known = states.get(key)
        if known is None or known.revision < decision.revision:
            reasons = [(reason.code, reason.text.zh, reason.text.en) for reason in decision.reasons]
            states.put(key, Decided(decision.revision, decision.outcome, reasons))
        return ()
