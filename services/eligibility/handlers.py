"""Wire to domain and back: facts in, decisions out, days passed on."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from services.eligibility import decoding
from services.eligibility.decoding import Taken
from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import decide
from services.eligibility.telling import day_output, decision_output
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Raw, States

IN_FORCE = "@in_force"


class InForce(Struct, array_like=True, tag="f", frozen=True):
    """What the log says of a whole partition: the pack in force, and the last day started (`YYYY-MM-DD`)."""

    pack_sha256: str | None = None
    last_day: str = ""


State = Enterprise | InForce
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)


def encode_state(state: State) -> bytes:
    return _encoder.encode(state)


def decode_state(stored: bytes) -> State:
    """Raises Stop for what another version of this service has stored: the facts are in the log, and are read again."""
    try:
        return _decoder.decode(stored)
    except msgspec.ValidationError as error:
        raise Stop(
            f"What eligibility keeps in Redis is of another version ({error}); run `relief rebuild eligibility`, and "
            "start eligibility anew."
        ) from None


class EligibilityFold:
    """`relief.facts.v1` into `relief.decisions.v1`; partition numbers are kept."""

    def __init__(self, pack_by_hash: Callable[[str], Pack]) -> None:
        self._pack_by_hash = pack_by_hash

    def decode(self, record: Raw) -> Taken:
        """Raises Stop: only intake writes this topic, so what cannot be read here is a fault of ours."""
        return decoding.read(record)

    def keys(self, fact: Taken) -> Iterable[str]:
        told = fact.fact
        if isinstance(told, domain.Irrelevant):
            return ()
        return (IN_FORCE,) if isinstance(told, domain.DayStarted | domain.PackActivated) else (IN_FORCE, told.uscc)

    def cause(self, fact: Taken) -> Cause:
        return fact.cause

    def step(self, states: States[State], taken: Taken, record: Raw) -> Sequence[Output]:
        fact = taken.fact
        if isinstance(fact, domain.Irrelevant):
            return ()
        stored = states.get(IN_FORCE)
        in_force = stored if isinstance(stored, InForce) else InForce()
        if isinstance(fact, domain.PackActivated):
            self._pack_by_hash(fact.sha256)  # unknown: stop here, not at the first decision
            states.put(IN_FORCE, InForce(fact.sha256, in_force.last_day))
            return ()
        if isinstance(fact, domain.DayStarted):
            day = fact.day.isoformat()
            if day <= in_force.last_day:
                return ()
            states.put(IN_FORCE, InForce(in_force.pack_sha256, day))
            return [day_output(fact.day, taken.occasion, record)]
        pack = self._pack_by_hash(in_force.pack_sha256) if in_force.pack_sha256 is not None else None
        known = states.get(fact.uscc)
        enterprise = known if isinstance(known, Enterprise) else Enterprise()
        decisions = decide(enterprise, fact, pack)
        states.put(fact.uscc, enterprise)
        if pack is None:
            return ()
        return [
            decision_output(fact.uscc, decision, pack, taken.occasion, record, index)
            for index, decision in enumerate(decisions)
        ]
