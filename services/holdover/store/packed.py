"""An enterprise in the bytes of its one row: what is known of it and what was told of it.

The form has a number. A version that changes it reads the older ones too: these rows are never made anew.
"""

from typing import Final

import msgspec

from services.holdover.domain.enterprise import Enterprise
from services.holdover.domain.facts import Facts
from services.holdover.domain.telling import Told
from shared.streaming.errors import Stop

FORM: Final = 1
_encoder = msgspec.msgpack.Encoder()
_form: msgspec.msgpack.Decoder[tuple[int, msgspec.Raw]] = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_decoder: msgspec.msgpack.Decoder[tuple[Facts, dict[str, Told]]] = msgspec.msgpack.Decoder(
    tuple[Facts, dict[str, Told]]
)


def pack(enterprise: Enterprise) -> bytes:
    return _encoder.encode((FORM, (enterprise.facts, enterprise.told)))


def unpack(uscc: str, stored: bytes) -> Enterprise:
    """Raises Stop for a row that a newer version wrote."""
    form, rest = _form.decode(stored)
    if form != FORM:
        raise Stop(f"The state of {uscc} has form {form}, this version reads {FORM}: run the newer version again.")
    facts, told = _decoder.decode(rest)
    return Enterprise(uscc, facts, told)
