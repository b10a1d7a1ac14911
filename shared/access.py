"""Who is calling: bearer tokens (JWT, RFC 7519) of one issuer, and for whom each may act. `gate` lets them in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from shared.keyfiles import KeyFileError, read_key_set
from shared.problems import Problem

AUDIENCE = "relief"
ROLES = frozenset({"enterprise", "liaison", "preparer", "approver", "auditor", "operator", "service", "supplier"})
LEEWAY_SECONDS = 30
# An allow-list: a token's own word for its algorithm must never choose a symmetric one or none.
ALGORITHMS = ("ES256", "RS256")
_MAX_TOKEN = 8_192
_MIN_RSA_BITS = 2_048
_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified token speaks for. `uscc` is set for enterprises: the one they may act for; `supplier_id` for
    suppliers of utilities: the one whose accounts they may see.
    """

    subject: str
    roles: frozenset[str]
    uscc: str | None
    supplier_id: str | None = None

    def may_act_for(self, uscc: str) -> bool:
        """An enterprise acts for its own uscc only, a supplier for nobody; no other role is tied to one enterprise.

        The route's `Gate.require` says which roles come in at all.
        """
        return self.uscc == uscc if "enterprise" in self.roles else bool(self.roles - {"supplier"})

    def may_see_supplier(self, supplier_id: str) -> bool:
        """A supplier sees its own accounts only, an enterprise nobody's; no other role is tied to one supplier.

        The route's `Gate.require` says which roles come in at all.
        """
        if "supplier" in self.roles:
            return self.supplier_id == supplier_id
        return bool(self.roles - {"enterprise"})


class TokenVerifier:
    """Checks signature, issuer, audience and time of a token against the keys in a JWKS file.

    The file is read again when it changes, so keys rotate without a restart; if the new content is unusable, the keys
    read before stay in force and the log says so.
    """

    def __init__(self, jwks: Path, issuer: str, clock: Callable[[], float] = time.time) -> None:
        """Raises KeyFileError with a sentence naming the file."""
        self._path = jwks
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._version = self._file_version()
        self._keys = _read_public_keys(jwks)

    def verify(self, token: str) -> Principal:
        """The principal; raises Problem 401 with a sentence for the caller that tells nothing about the keys."""
        self._reload_if_changed()
        if len(token) > _MAX_TOKEN:
            raise unauthorised("The token is too long.")
        try:
            decoded = jwt.decode(token, self._key_of, algorithms=list(ALGORITHMS))
            self._claims.validate(decoded.claims)
        except ExpiredTokenError:
            raise unauthorised("The token has expired; get a new one.") from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise unauthorised("The token is not valid here; get one from the issuer this system trusts.") from None
        return _principal(decoded.claims)

    def _key_of(self, token: Any) -> ECKey | RSAKey:
        # A key id is demanded: with one key in the file the library would otherwise take any token without one.
        kid = token.headers().get("kid")
        if not isinstance(kid, str):
            raise ValueError("no key id")
        key = self._keys.get_by_kid(kid)
        assert isinstance(key, (ECKey, RSAKey))
        return key

    def _reload_if_changed(self) -> None:
        version = self._file_version()
        if version == self._version:
            return
        self._version = version
        try:
            self._keys = _read_public_keys(self._path)
        except KeyFileError as problem:
            _log.error("token keys not reloaded; the former ones stay in force", reason=str(problem))
        else:
            _log.info("token keys reloaded", keys=len(self._keys.keys))

    def _file_version(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def unauthorised(detail: str, *, sent: bool = True) -> Problem:
    """401 with the challenge of RFC 6750; `sent`: a token came but does not hold."""
    challenge = 'Bearer error="invalid_token"' if sent else "Bearer"
    return Problem(401, "unauthorised", "Not authenticated", detail, headers={"WWW-Authenticate": challenge})


def forbidden(detail: str) -> Problem:
    """403: known, but not allowed."""
    return Problem(403, "forbidden", "Not allowed", detail)


def _principal(claims: dict[str, Any]) -> Principal:
    subject, roles, uscc = claims["sub"], claims.get("roles"), claims.get("uscc")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise unauthorised("The token must list its roles.")
    if not 0 < len(subject) <= 200:
        raise unauthorised("The token's subject must have 1 to 200 characters.")
    if uscc is not None and not (isinstance(uscc, str) and len(uscc) == 18):
        raise unauthorised("The token's uscc must have 18 characters.")
    supplier_id = claims.get("supplier_id")
    if supplier_id is not None and not (isinstance(supplier_id, str) and 0 < len(supplier_id) <= 256):
        raise unauthorised("The token's supplier_id must have 1 to 256 characters.")
    # An issuer may serve other systems too: their roles mean nothing here.
    return Principal(subject, frozenset(roles) & ROLES, uscc, supplier_id)


def _read_public_keys(path: Path) -> KeySet:
    keys = read_key_set(path)
    for key in keys:
        if not isinstance(key, (ECKey, RSAKey)):
            raise KeyFileError(f"The key {key.kid} in {path} is neither EC nor RSA: only those verify tokens here.")
        if key.is_private:
            raise KeyFileError(f"The key {key.kid} in {path} is private; this file is for the issuer's public keys.")
        if isinstance(key, RSAKey) and key.raw_value.key_size < _MIN_RSA_BITS:
            raise KeyFileError(f"The key {key.kid} in {path} is too short: RSA keys need {_MIN_RSA_BITS} bits.")
    return keys
