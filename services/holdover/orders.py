"""Orders to keep a supply on, signed: a technician can check one with nothing but the public key.

A detached JWS (RFC 7515, appendix F) with Ed25519, which signs the same bytes the same way each time: a repeat of an
event after a crash is the same event. Signed is the canonical JSON of the order's fields, keys sorted, no blanks.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64encode

from shared.keyfiles import KeyFileError, read_key_set

ALGORITHM: Final = "Ed25519"
FIELDS: Final = (
    "order_id", "holdover_id", "uscc", "utility", "supplier_id", "account_no", "from_on", "until_on",
)  # fmt: skip
_EVENT: Final = "relief.holdover.supply_protected.v1"
_encoder = msgspec.json.Encoder(order="sorted")


class OrderError(ValueError):
    """An order that does not hold; the message is one sentence that says what is wrong with it."""


def canonical(order: dict[str, Any]) -> bytes:
    """What is signed: the fields of FIELDS and no others; dates as `YYYY-MM-DD`."""
    return _encoder.encode({name: order[name] for name in FIELDS})


class Signer:
    """Signs with the first key of the file; the older ones stay for what they signed."""

    def __init__(self, private_keys: Path) -> None:
        """Raises KeyFileError with a sentence naming the file."""
        keys = _keys(private_keys)
        first = keys.keys[0]
        private = first.get_op_key("sign") if first.is_private else None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyFileError(f"The first key in {private_keys} is public; orders are signed with a private one.")
        self._sign = private.sign
        self._header = urlsafe_b64encode(_encoder.encode({"alg": ALGORITHM, "kid": first.kid}))

    def sign(self, order: dict[str, Any]) -> str:
        """`header..signature` over the canonical order."""
        # By hand: the library's way makes the same bytes in twice the time, and each account has its order.
        mark = self._sign(self._header + b"." + urlsafe_b64encode(canonical(order)))
        return f"{self._header.decode()}..{urlsafe_b64encode(mark).decode()}"


class Verifier:
    """Checks against the public keys in a file: those of today and those that signed before."""

    def __init__(self, public_keys: Path) -> None:
        """Raises KeyFileError with a sentence naming the file."""
        self._keys = {key.kid: key for key in _keys(public_keys)}

    def check(self, order: dict[str, Any], signature: str) -> None:
        """Returns if the order was signed as it is. Raises OrderError."""
        kid = _key_id(signature)
        key = self._keys.get(kid)
        if key is None:
            raise OrderError(f"It is signed with the key {kid[:64]}, which is not among the public keys at hand.")
        header, _, mark = signature.split(".")
        try:
            jws.deserialize_compact(
                f"{header}.{urlsafe_b64encode(canonical(order)).decode()}.{mark}", key, algorithms=[ALGORITHM]
            )
        except (JoseError, ValueError, TypeError):
            raise OrderError("The signature is not of this order: something in it was changed.") from None


def orders_in(document: Any) -> list[tuple[dict[str, Any], str]]:
    """The orders, at least one, with their signatures: of an event, or all of an answer of the API.

    Raises OrderError.
    """
    accounts = document.get("accounts") if isinstance(document, dict) else None
    if not isinstance(accounts, list):
        return [order_in(document)]
    found = [order_in(one) for one in accounts if not isinstance(one, dict) or one.get("order") is not None]
    if not found:
        raise OrderError("The answer has no order in it: it says that no supply is protected.")
    return found


def order_in(document: Any) -> tuple[dict[str, Any], str]:
    """Order and signature out of an event of `holdover.orders.v1` or one account of an answer. Raises OrderError."""
    if not isinstance(document, dict):
        raise OrderError("It is no order: it must be a JSON object.")
    kind = document.get("type", _EVENT)
    if kind != _EVENT:
        raise OrderError(f"An event of type {str(kind)[:64]} is no order.")
    inner = next((document[name] for name in ("data", "order") if isinstance(document.get(name), dict)), document)
    wrong = [name for name in (*FIELDS, "signature") if not isinstance(inner.get(name), str)]
    if wrong:
        raise OrderError(f"It is no order: it has no {', '.join(wrong)}, or not as text.")
    return {name: inner[name] for name in FIELDS}, inner["signature"]


def _key_id(signature: str) -> str:
    header, dots, mark = signature.partition("..")
    if not (dots and header and mark) or "." in mark:
        raise OrderError("The signature is no detached JWS (header..signature).")
    try:
        told = jws.extract_compact(f"{header}.e30.{mark}".encode()).protected
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise OrderError("The signature's header cannot be read.") from None
    if told.get("alg") != ALGORITHM:
        raise OrderError(f"The signature's algorithm must be {ALGORITHM}.")
    return str(told.get("kid"))


def _keys(path: Path) -> KeySet:
    keys = read_key_set(path)
    for key in keys:
        if not isinstance(key, OKPKey) or key.curve_name != ALGORITHM:
            raise KeyFileError(f"The key {key.kid} in {path} is not an Ed25519 key, as orders are signed with.")
    if not keys.keys:
        raise KeyFileError(f"The key file {path} holds no key.")
    return keys
