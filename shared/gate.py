"""The way into every route: who is calling, how often they have called, and whether their role is let in."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem, parse

from shared.access import ROLES, Principal, TokenVerifier, forbidden, unauthorised
from shared.limits import Limiter
from shared.problems import Problem

# Of one caller, for routes that name none of their own: a reconciliation reads page after page.
RATE = "1200/minute"
# Of requests without a token that holds, by address. One with a good token is never turned away for its neighbours.
REFUSED_RATE = "60/minute"
_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of the configured issuer.")


class Gate:
    """Lets callers in to the routes of one service; there is no other way to ask for a principal."""

    def __init__(self, verifier: TokenVerifier, limiter: Limiter) -> None:
        self._verifier, self._limiter = verifier, limiter

    def require(self, *roles: str, rate: str = RATE) -> Callable[..., Awaitable[Principal]]:
        """A FastAPI dependency that gives the Principal, if it has one of `roles` (any principal when none is named).

        401 without a valid token, 429 with Retry-After above `rate` (such as "30/minute"), 403 without the role, all as
        problem documents. Routes with one rate share one count. A supplier comes in only where its role is named,
        whatever other roles its token has: it is a company outside, and no route is open to it by accident.
        """
        unknown = set(roles) - ROLES
        if unknown:
            raise ValueError(f"Unknown roles: {', '.join(sorted(unknown))}.")
        wanted, allowed, refusals = frozenset(roles), parse(rate), parse(REFUSED_RATE)

        async def principal(
            request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
        ) -> Principal:
            try:
                found = self._known(credentials)
            except Problem:
                await self._count(refusals, f"address:{_network(request)}")
                raise
            # Before the role is looked at: who is refused again and again is counted too.
            await self._count(allowed, f"principal:{found.subject}")
            outside = "supplier" in found.roles and "supplier" not in wanted
            if outside or (wanted and not wanted & found.roles):
                needed = f"This needs the role {' or '.join(sorted(wanted))}."
                raise forbidden(needed if wanted else "Not for suppliers.")
            return found

        return principal

    async def check(self) -> None:
        """Raises Stop where the limiter's Redis does not let us in; one that is away does not matter."""
        await self._limiter.check()

    async def close(self) -> None:
        """Give the limiter's connections back."""
        await self._limiter.close()

    def _known(self, credentials: HTTPAuthorizationCredentials | None) -> Principal:
        if credentials is None:
            raise unauthorised("Send a token: the header Authorization with Bearer and the token.", sent=False)
        return self._verifier.verify(credentials.credentials)

    async def _count(self, rate: RateLimitItem, caller: str) -> None:
        wait = await self._limiter.wait_seconds(rate, caller)
        if wait:
            raise Problem(
                429,
                "too-many-requests",
                "Too many requests",
                f"The limit is {rate.amount} in {rate.multiples} {rate.GRANULARITY.name}; try again in {wait} seconds.",
                retry_after=wait,
            )


def _network(request: Request) -> str:
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    # One IPv6 subscriber holds a whole /64 and could otherwise take a new address for every call.
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host
