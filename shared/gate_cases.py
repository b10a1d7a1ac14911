"""For tests: a gate that takes the development issuer's tokens."""

from pathlib import Path

from shared.access import TokenVerifier
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PUBLIC
from shared.gate import Gate
from shared.limits import Limiter


def development_gate(secrets: Path, redis_url: str | None = None, prefix: str = "tests") -> Gate:
    """`prefix` parts the counts of one test from those of another, where both count in one Redis."""
    return Gate(TokenVerifier(secrets / ISSUER_PUBLIC, DEVELOPMENT_ISSUER), Limiter(redis_url, prefix))
