"""Key files on disk: JSON Web Keys (RFC 7517) and the digest key, read with errors a person can act on."""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key

DIGEST_KEY_BYTES = 32
_log = structlog.stdlib.get_logger(__name__)


class KeyFileError(ValueError):
    """A key file is missing or unusable; the message is one sentence that names the file and says what is wrong."""


def read_key(path: Path) -> Key:
    """The one JSON Web Key in the file, with a key id (its thumbprint, RFC 7638, where the file gives none)."""
    document = _read_json(path)
    try:
        key = import_key(document)
    except (JoseError, ValueError, TypeError, KeyError) as problem:
        raise KeyFileError(f"The key file {path} holds no usable JSON Web Key ({type(problem).__name__}).") from problem
    key.ensure_kid()
    _warn_if_open(path, key.is_private)
    return key


def read_key_set(path: Path) -> KeySet:
    """The JSON Web Key Set in the file; every key has an id, and no id occurs twice."""
    document = _read_json(path)
    if not isinstance(document.get("keys"), list) or not all(isinstance(key, dict) for key in document["keys"]):
        raise KeyFileError(f'The key file {path} must be a JSON Web Key Set: an object with a list "keys".')
    try:
        keys = KeySet.import_key_set({"keys": document["keys"]})
    except (JoseError, ValueError, TypeError, KeyError) as problem:
        raise KeyFileError(f"The key file {path} holds no usable key set ({type(problem).__name__}).") from problem
    if len({key.kid for key in keys}) != len(keys.keys):
        raise KeyFileError(f"The key file {path} has two keys with one key id: give each its own.")
    _warn_if_open(path, any(key.is_private for key in keys))
    return keys


def read_digest_key(path: Path) -> bytes:
    """The 32 secret bytes of a digest key file (one line of base64)."""
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as problem:
        raise KeyFileError(f"The key file {path} cannot be read: {problem.strerror}.") from problem
    except binascii.Error as problem:
        raise KeyFileError(f"The key file {path} must be one line of base64.") from problem
    if len(secret) != DIGEST_KEY_BYTES:
        raise KeyFileError(f"The key file {path} must hold {DIGEST_KEY_BYTES} bytes in base64; it holds {len(secret)}.")
    _warn_if_open(path, True)
    return secret


def read_password(path: Path) -> str:
    """The password in the file: its first line."""
    try:
        password = path.read_text("utf-8").split("\n", 1)[0].strip()
    except OSError as problem:
        raise KeyFileError(f"The password file {path} cannot be read: {problem.strerror}.") from problem
    except UnicodeDecodeError:
        raise KeyFileError(f"The password file {path} is not text.") from None
    if not password:
        raise KeyFileError(f"The password file {path} is empty.")
    return password


def open_to_others(path: Path) -> str | None:
    """A sentence where others than owner and group may read a file of secrets, or others than its owner write it."""
    mode = path.stat().st_mode & 0o777
    if not mode & 0o026:
        return None
    return f"The key file {path} has mode {mode:03o}, so that others may use its keys: chmod 600 {path}."


def _warn_if_open(path: Path, secret: bool) -> None:
    # Not refused: an orchestrator mounts secrets as 0644 by default, into a container where nobody else is.
    sentence = open_to_others(path) if secret else None
    if sentence is not None:
        _log.warning("a key file is open to others", reason=sentence)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as problem:
        raise KeyFileError(f"The key file {path} cannot be read: {problem.strerror}.") from problem
    except (ValueError, RecursionError) as problem:
        raise KeyFileError(f"The key file {path} is not JSON.") from problem
    if not isinstance(document, dict):
        raise KeyFileError(f"The key file {path} must be a JSON object.")
    return document
