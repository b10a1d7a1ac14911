"""Payees at rest: encrypted with a key that is in no database, so that a copy of the tables tells nobody's account."""

import base64
import binascii
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import OctKey

from shared.keyfiles import KeyFileError, read_key_set

_VERSION = "v1"
_LABEL = b"relief payee vault v1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
# A key id is a part of what is stored, between dots.
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class VaultError(Exception):
    """A stored value does not open: altered, of another payment, or of a key that is not in the key file.

    The message is one sentence without any of the value.
    """


class Vault:
    """AES-256-GCM. `v1.<key id>.<nonce, ciphertext and tag in base64url>`; key id and context are authenticated.

    Keys are turned over by putting a new one in front of the file and storing anew what is under another one
    (`turnover.py`); the old one may go once nothing is. The nonce is random: a value is stored once and kept, and GCM
    bears 2^32 of them under one key, ten thousand times the payments of this region.
    """

    def __init__(self, key_file: Path) -> None:
        """`key_file`: a JSON Web Key Set of 256-bit symmetric keys; the first encrypts. Raises KeyFileError."""
        self._keys: dict[str, AESGCM] = {}
        for key in read_key_set(key_file):
            if not isinstance(key, OctKey) or len(key.raw_value) != _KEY_BYTES:
                raise KeyFileError(f"The key {key.kid} in {key_file} is not a symmetric key of {8 * _KEY_BYTES} bits.")
            if not _KEY_ID.fullmatch(key.kid or ""):
                raise KeyFileError(f"A key id in {key_file} is not 1 to 64 letters, digits, hyphens and underscores.")
            self._keys[str(key.kid)] = AESGCM(key.raw_value)
        if not self._keys:
            raise KeyFileError(f"The key file {key_file} holds no key: the first one is what payees are stored under.")
        self._current = next(iter(self._keys))

    def put(self, payee: bytes, context: str) -> str:
        """What to store. It opens only with the same `context`, the payment's id; twice the same is stored as two."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, payee, _authenticated(self._current, context))
        return f"{_VERSION}.{self._current}.{_encode(nonce + sealed)}"

    def get(self, stored: str, context: str) -> bytes:
        """The payee. Raises VaultError."""
        key_id, sealed = _parsed(stored)
        if key_id not in self._keys:
            raise VaultError(f"The payee is stored under the key {key_id}, which is not in the key file: add it there.")
        try:
            return self._keys[key_id].decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _authenticated(key_id, context)
            )
        except InvalidTag:
            raise VaultError("The stored payee was altered, or belongs to another payment.") from None

    @property
    def key_id(self) -> str:
        """Of the key in use now."""
        return self._current

    def rotate(self, stored: str, context: str) -> str:
        """The same payee under the key in use now. Raises VaultError."""
        return self.put(self.get(stored, context), context)


def _authenticated(key_id: str, context: str) -> bytes:
    # With lengths, so that no two contexts and keys run into one text.
    return b"".join(
        len(part).to_bytes(8, "big") + part for part in (_LABEL, key_id.encode(), context.encode("utf-8", "strict"))
    )


def _parsed(stored: str) -> tuple[str, bytes]:
    """The key id, and nonce with ciphertext."""
    version, _, rest = stored.partition(".")
    key_id, _, text = rest.partition(".")
    sealed = _decode(text)
    if version != _VERSION or not _KEY_ID.fullmatch(key_id) or len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise VaultError("The stored payee is not a value of this vault, or was cut short.")
    return key_id, sealed


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Empty where it is not base64url as `_encode` writes it: one value has one text."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _encode(data) == text else b""
