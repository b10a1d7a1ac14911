"""How often one caller may ask: counted by all replicas together in Redis, by each alone without it."""

import math
import time

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.observability.metrics import LIMITER_FALLBACKS
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

    def __init__(self, redis_url: str | None, prefix: str) -> None:
        """`redis_url`: redis://, rediss:// or unix://, or None where each process shall count for itself; `prefix`
        parts services that share one Redis.
        """
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._alone_until = 0.0
        self._pool = self._shared = None
        if redis_url is None:
            return
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

    async def wait_seconds(self, rate: RateLimitItem, caller: str) -> int:
        """0 when the call may go on (and is counted), else whole seconds until one may."""
        if self._shared is None:
            return await self._ask(self._alone, rate, caller)
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
        if self._shared is None:
            return
        try:
            await self._shared.get_window_stats(parse("1/second"), "start")
        except (RedisError, OSError, TimeoutError) as error:
            refused = refusal(error)
            if refused is not None:
                raise Stop(refused) from error

    async def close(self) -> None:
        """Give the connections back; closing twice is harmless."""
        if self._pool is not None:
            await self._pool.aclose()

    @staticmethod
    async def _ask(counter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, caller: str) -> int:
        if await counter.hit(rate, caller):
            return 0
        reset_at = (await counter.get_window_stats(rate, caller)).reset_time
        return max(1, math.ceil(reset_at - time.time()))
