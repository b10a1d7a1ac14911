"""How often one caller may ask: limits shared by all replicas through Redis, kept by each alone while Redis is away."""

import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.access import Principal
from shared.observability.metrics import LIMITER_FALLBACKS
from shared.problems import Problem
from shared.streaming.errors import Stop
from shared.streaming.redis_store import UNASKED, refusal

# A limiter must cost a request little even when its Redis hangs.
_REDIS_SECONDS = 0.25
_PAUSE_SECONDS = 5.0
_log = structlog.stdlib.get_logger(__name__)


class Limiter:
    """Counts calls per rate and caller in a sliding window.

    When Redis cannot be reached, neither open nor closed: each process counts for itself until Redis answers again.
    Closed would turn away every application of a region because a counter is missing; open would leave Kafka without
    protection exactly when something is wrong. The worst case is the limit times the number of replicas.
    """

    def __init__(self, redis_url: str, prefix: str) -> None:
        """`redis_url`: redis://, rediss:// or unix://; `prefix` parts services that share one Redis."""
        self._pool = ConnectionPool.from_url(
            redis_url,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
            **UNASKED,
        )
        # The window is measured by Redis's clock, so the replicas' clocks need not agree.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"relief-limits:{prefix}",
            connection_pool=self._pool,  # type: ignore[arg-type]  # documented, but missing from the signature
        )
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._alone_until = 0.0

    async def wait_seconds(self, rate: RateLimitItem, caller: str) -> int:
        """0 when the call may go on (and is counted), else whole seconds until one may."""
        if time.monotonic() >= self._alone_until:
            try:
                wait = await self._ask(self._shared, rate, caller)
            except (RedisError, OSError, TimeoutError) as error:
                if not self._alone_until:
                    _log.warning("rate limits are counted by this process alone", reason=type(error).__name__)
                # A pause, so that a hanging Redis delays one request in five seconds, not every one.
                self._alone_until = time.monotonic() + _PAUSE_SECONDS
            else:
                if self._alone_until:
                    _log.info("rate limits are shared again")
                    self._alone_until = 0.0
                return wait
        LIMITER_FALLBACKS.inc()
        return await self._ask(self._alone, rate, caller)

    async def check(self) -> None:
        """Raises Stop where Redis does not let us in, or not at our counters; one that is away is none of that."""
        try:
            await self._shared.get_window_stats(parse("1/second"), "start")
        except (RedisError, OSError, TimeoutError) as error:
            refused = refusal(error)
            if refused is not None:
                raise Stop(refused) from error

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.aclose()

    @staticmethod
    async def _ask(counter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, caller: str) -> int:
        if await counter.hit(rate, caller):
            return 0
        reset_at = (await counter.get_window_stats(rate, caller)).reset_time
        return max(1, math.ceil(reset_at - time.time()))


def rate_limit(
    limiter: Limiter, rate: str, principal: Callable[..., Awaitable[Principal]] | None = None
) -> Callable[..., Awaitable[None]]:
    """A FastAPI dependency: 429 with Retry-After above `rate` (such as "30/minute").

    Counted per principal when `principal` (what `require` gave) is named, which FastAPI then resolves first; else per
    address. Routes with the same rate share one count.
    """
    item = parse(rate)

    async def check(caller: str) -> None:
        wait = await limiter.wait_seconds(item, caller)
        if wait:
            raise Problem(
                429,
                "too-many-requests",
                "Too many requests",
                f"The limit is {rate}; try again in {wait} seconds.",
                retry_after=wait,
            )

    if principal is None:

        async def by_address(request: Request) -> None:
            await check(f"address:{_network(request)}")

        return by_address

    async def by_principal(known: Annotated[Principal, Depends(principal)]) -> None:
        await check(f"principal:{known.subject}")

    return by_principal


def _network(request: Request) -> str:
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    # One IPv6 subscriber holds a whole /64 and could otherwise take a new address for every call.
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host
