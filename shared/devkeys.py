"""Keys and tokens for the local stack only: real deployments mount their own files and have their own issuer."""

import base64
import contextlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey

from shared.access import AUDIENCE, ROLES
from shared.keyfiles import DIGEST_KEY_BYTES, KeyFileError, read_digest_key, read_key, read_key_set

DEVELOPMENT_ISSUER = "relief-development-issuer"
ISSUER_PRIVATE = "issuer.private.jwk.json"
ISSUER_PUBLIC = "issuer.jwks.json"
DIGEST_KEY = "digest.key"
VAULT_KEYS = "vault.jwks.json"
ORDERS_PRIVATE = "holdover.private.jwks.json"
ORDERS_PUBLIC = "holdover.jwks.json"
SEALING_READERS = ("payments", "operators")


def write_development_keys(directory: Path) -> None:
    """Create the keys that are missing under `directory`; keys that exist are kept, so sealed values still open.

    Private files have mode 0600 and the directory 0700. Safe to run twice at once: the first writer of a file wins, and
    public files are derived from what is on disk. Raises KeyFileError naming a file that exists but is unusable.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _create(directory / ISSUER_PRIVATE, _json(_new(ECKey.generate_key("P-256", {"use": "sig"})).as_dict(private=True)))
    issuer = read_key(directory / ISSUER_PRIVATE)
    _publish(directory / ISSUER_PUBLIC, _json(KeySet([issuer]).as_dict(private=False)))
    for reader in SEALING_READERS:
        private = directory / f"{reader}.private.jwks.json"
        fresh = KeySet([_new(OKPKey.generate_key("X25519", {"use": "enc"}))])
        _create(private, _json(fresh.as_dict(private=True)))
        # The first key is the one to seal to; after a rotation the older ones follow it.
        newest = read_key_set(private).keys[0]
        _publish(directory / f"{reader}.public.jwk.json", _json(newest.as_dict(private=False)))
    signing = KeySet([_new(OKPKey.generate_key("Ed25519", {"use": "sig"}))])
    _create(directory / ORDERS_PRIVATE, _json(signing.as_dict(private=True)))
    # All of them: an order that an older key signed is still to be checked.
    _publish(directory / ORDERS_PUBLIC, _json(read_key_set(directory / ORDERS_PRIVATE).as_dict(private=False)))
    stored = KeySet([_new(OctKey.generate_key(256, {"use": "enc"}))])
    _create(directory / VAULT_KEYS, _json(stored.as_dict(private=True)))
    _create(directory / DIGEST_KEY, base64.b64encode(secrets.token_bytes(DIGEST_KEY_BYTES)) + b"\n")
    read_digest_key(directory / DIGEST_KEY)


def issue_development_token(
    directory: Path, role: str, subject: str, uscc: str | None, minutes: int = 60, *, supplier_id: str | None = None
) -> str:
    """A bearer token of the development issuer for one role; `uscc` is what an enterprise may act for, `supplier_id`
    whose accounts a supplier may see.

    Raises ValueError for an unknown role, KeyFileError when the keys were not written yet.
    """
    if role not in ROLES:
        raise ValueError(f"Unknown role {role}; roles are {', '.join(sorted(ROLES))}.")
    path = directory / ISSUER_PRIVATE
    key = read_key(path)
    if not isinstance(key, ECKey) or not key.is_private:
        raise KeyFileError(f"The key file {path} must hold a private P-256 key.")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": DEVELOPMENT_ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": [role],
        "iat": now,
        "exp": now + minutes * 60,
    }
    if uscc is not None:
        claims["uscc"] = uscc
    if supplier_id is not None:
        claims["supplier_id"] = supplier_id
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])


def _new(key: Key) -> Key:
    key.ensure_kid()
    return key


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _create(path: Path, content: bytes) -> None:
    """Write `path` whole, mode 0600, unless it exists."""
    if path.exists():
        return
    draft = _draft(path, content, 0o600)
    try:
        # A link fails when the name is taken, where a rename would replace another writer's key.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _publish(path: Path, content: bytes) -> None:
    """Write `path` whole, readable by all, only if it differs: a reader must not reload for nothing."""
    if path.exists() and path.read_bytes() == content:
        return
    _draft(path, content, 0o644).replace(path)


def _draft(path: Path, content: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft
