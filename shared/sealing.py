"""Personal data on the wire: sealed to the one service that needs it (JWE, RFC 7516), and compared by keyed digest."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwa import GCMEncModel
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64encode

from shared.keyfiles import DIGEST_KEY_BYTES, KeyFileError, read_key, read_key_set

_ALGORITHM = "ECDH-ES"
_ENCRYPTION = "A256GCM"
# The sealed raw bytes of a rejected record are up to 256 KiB (350 KB in base64); the library stops at 64 KiB by itself.
_MAX_CIPHERTEXT = 512 * 1024
_SEAL_LABEL = b"relief sealing v1\x00"
_DIGEST_LABEL = b"relief payee digest v1\x00"


class UnsealError(Exception):
    """A sealed value does not open here: altered, sealed to a key this service lacks, or sealed for another context.

    The message is one sentence without any of the value.
    """


class _Registry(jwe.JWERegistry):
    max_ciphertext_length = _MAX_CIPHERTEXT


class _OneIv(GCMEncModel):
    """A256GCM with the initialisation vector that belongs to this one content key."""

    def __init__(self, iv: bytes) -> None:
        super().__init__(256)
        self._iv = iv

    def generate_iv(self) -> bytes:
        return self._iv


class _OneIvRegistry(_Registry):
    def __init__(self, iv: bytes) -> None:
        super().__init__(algorithms=[_ALGORITHM, _ENCRYPTION])
        self._enc = _OneIv(iv)

    def get_enc(self, name: str) -> GCMEncModel:
        return self._enc


class Sealer:
    """Seals to one public key (X25519), as a pure function of (secret, recipient, context, plaintext).

    Why not random: a record repeated after a crash must give the same bytes, or its repeat would look like a conflict.
    Why it is safe: the ephemeral private key and the IV are the output of HMAC-SHA512 over (recipient, context,
    plaintext) under a secret key. To everyone without the secret that is indistinguishable from fresh randomness, and
    two different inputs never share a content key, so AES-GCM never sees one (key, IV) pair with two plaintexts: the
    idea of a synthetic IV (RFC 5297), applied to the ephemeral key. What it tells: that the same plaintext was sealed
    twice in the same context. What it asks: the secret is guarded like the digest key it is, because its holder can
    test guesses of a plaintext (never open one).
    """

    def __init__(self, public_jwk: Path, secret: bytes) -> None:
        """`secret`: the 32 bytes of the digest key file. Raises KeyFileError with a sentence naming the file."""
        key = read_key(public_jwk)
        if not isinstance(key, OKPKey) or key.curve_name != "X25519":
            raise KeyFileError(f"The key file {public_jwk} must hold an X25519 key to seal to.")
        if key.is_private:
            raise KeyFileError(f"The key file {public_jwk} holds a private key; the sealing side gets the public one.")
        if len(secret) < DIGEST_KEY_BYTES:
            raise KeyFileError(f"The sealing secret must have at least {DIGEST_KEY_BYTES} bytes; it has {len(secret)}.")
        self._key = key
        self._secret = secret
        self._recipient = key.thumbprint().encode()

    def seal(self, plaintext: bytes, context: bytes) -> str:
        """A compact JWE (ECDH-ES, A256GCM, the recipient's key id in the header).

        `context` says whose value it is (the uscc; a source position): the recipient can demand it when it opens, so
        a payee that strayed into another enterprise's record is noticed. It is not secret.
        """
        message = b"".join((_length_prefixed(self._recipient), _length_prefixed(context), plaintext))
        seed = hmac.digest(self._secret, _SEAL_LABEL + message, "sha512")
        ephemeral = OKPKey.import_key(X25519PrivateKey.from_private_bytes(seed[:32]))
        header: dict[str, Any] = {
            "alg": _ALGORITHM,
            "enc": _ENCRYPTION,
            "kid": self._key.kid,
            "apu": _context_mark(context),
            "epk": ephemeral.as_dict(private=False),
        }
        # The compact call of the library always makes its own ephemeral key; the JSON one takes ours. All headers are
        # protected, so its segments joined are the compact form.
        sealed = jwe.FlattenedJSONEncryption(header, plaintext)
        sealed.add_recipient(None, self._key)
        sealed.recipients[0].ephemeral_key = ephemeral
        parts = jwe.encrypt_json(sealed, None, registry=_OneIvRegistry(seed[32:44]))
        return f"{parts['protected']}..{parts['iv']}.{parts['ciphertext']}.{parts['tag']}"


class Unsealer:
    """Opens what was sealed to any of this service's private keys: old keys stay in the file for old events."""

    def __init__(self, private_jwks: Path) -> None:
        """Raises KeyFileError with a sentence naming the file."""
        self._keys = read_key_set(private_jwks)
        for key in self._keys:
            if not isinstance(key, OKPKey) or key.curve_name != "X25519" or not key.is_private:
                raise KeyFileError(f"The key {key.kid} in {private_jwks} is not a private X25519 key.")
        self._ids = {key.kid for key in self._keys}
        self._registry = _Registry(algorithms=[_ALGORITHM, _ENCRYPTION])

    def unseal(self, token: str, context: bytes | None = None) -> bytes:
        """The plaintext; with `context`, only if it was sealed for that context. Raises UnsealError."""
        try:
            opened = jwe.decrypt_compact(token, self._key_of, registry=self._registry)
        except _UnknownKeyError as problem:
            raise UnsealError(
                f"The value is sealed to the key {problem}, which is not in this service's key file: add it there."
            ) from None
        except (JoseError, ValueError, TypeError, KeyError, AssertionError, RecursionError):
            # Without the cause: the library's messages may quote parts of what it read.
            raise UnsealError("The sealed value was altered or is not a sealed value.") from None
        if context is not None and opened.protected.get("apu") != _context_mark(context):
            raise UnsealError("The sealed value belongs to another record than the one it came with.")
        if opened.plaintext is None:
            raise UnsealError("The sealed value is empty.")
        return opened.plaintext

    def _key_of(self, recipient: Any) -> OKPKey:
        kid = recipient.headers().get("kid")
        if kid not in self._ids:
            raise _UnknownKeyError(str(kid)[:64])
        key = self._keys.get_by_kid(kid)
        assert isinstance(key, OKPKey)
        return key


class _UnknownKeyError(Exception):
    pass


def payee_digest(key: bytes, payee: bytes) -> str:
    """HMAC-SHA256 of a payee's canonical bytes, cut to 32 hex digits: tells that a payee changed, not what it is.

    Keyed, because account numbers are few enough to be found from a plain hash by trying them all.
    """
    return hmac.digest(key, _DIGEST_LABEL + payee, "sha256").hex()[:32]


def _length_prefixed(part: bytes) -> bytes:
    # Without lengths, ("ab", "c") and ("a", "bc") would be one input and share a key.
    return len(part).to_bytes(8, "big") + part


def _context_mark(context: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(context).digest()[:16]).decode()
