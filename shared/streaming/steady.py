"""Work beside the runners that nothing wakes: done again and again, and tried again whatever fails."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.observability import metrics
from shared.streaming import backoff
from shared.streaming.errors import Retry

log = structlog.get_logger()


class Steady:
    """Runs `once` until cancelled, with a rest of `idle_seconds` where it found nothing to do.

    `trouble` is a sentence while it fails, for readiness: `complaint` and the error.
    """

    def __init__(self, name: str, complaint: str, once: Callable[[], Awaitable[object]], idle_seconds: float) -> None:
        self._name, self._complaint, self._once, self._idle_seconds = name, complaint, once, idle_seconds
        self._jitter = random.Random()  # noqa: S311  # spreads retries, hides nothing
        self.trouble: str | None = None

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                worked = await self._once()
                failures, self.trouble = 0, None
                if not worked:
                    await asyncio.sleep(self._idle_seconds)
            except Exception as error:  # whatever it is: nothing is skipped, readiness tells, try again
                failures += 1
                self.trouble = f"{self._complaint}: {error}"
                passing = isinstance(error, Retry)
                metrics.RETRIES.labels(f"{self._name}_{'passing' if passing else 'unexpected'}").inc()
                why = None if passing else error
                log.warning(f"{self._name} failed, trying again", error=repr(error), exc_info=why)
                await asyncio.sleep(backoff.seconds(failures, self._jitter))
