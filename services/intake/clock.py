"""The day clock: starts every missed calendar day in order, and refuses to jump far without an operator."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

import structlog
from aiokafka.structs import TopicPartition

from services.intake.domain.acceptance import Days
from services.intake.handlers import DAYS
from services.intake.operations import day_started
from services.intake.ruling import State
from shared.contracts.topics import OPERATIONS
from shared.streaming.errors import Retry
from shared.streaming.redis_store import RedisStore
from shared.streaming.runner import Publishes

log = structlog.get_logger()

PERIOD_SECONDS = 30.0


class Clock:
    """Run as a loop beside intake's consumer. `now` gives the time in Asia/Shanghai."""

    def __init__(
        self, store: RedisStore[State], publisher: Publishes, now: Callable[[], datetime], days_at_most: int
    ) -> None:
        self._store, self._publisher, self._now, self._at_most = store, publisher, now, days_at_most
        self.trouble: str | None = None

    async def run(self) -> None:
        """Until cancelled. What nobody foresaw ends the clock, and readiness says so from then on."""
        try:
            while True:
                try:
                    await self.once()
                except Retry as error:
                    log.warning("day clock will try again", error=str(error))
                await asyncio.sleep(PERIOD_SECONDS)
        except Exception as error:
            self.trouble = "the day clock has ended; the log says why; restart the service"
            log.error("day clock ended", exc_info=error)
            raise

    async def once(self) -> None:
        """Publish the days that calendar and log differ by; a repeat is dropped by its id."""
        kept = (await self._store.read(TopicPartition(OPERATIONS, 0), [DAYS]))[0]
        at = self._now()
        missed = missed_days(date.fromisoformat(kept.last) if isinstance(kept, Days) else None, at.date())
        if len(missed) > self._at_most:
            self.trouble = (
                f"{len(missed)} days have not started since {missed[0] - timedelta(days=1)}; the clock starts at most "
                f"{self._at_most} by itself. If the host's date is right, start them with `relief day {missed[-1]}`."
            )
            log.error("day clock refuses to jump", days=len(missed))
            return
        self.trouble = None
        await self._publisher.publish([day_started(day, at) for day in missed])


def missed_days(last: date | None, today: date) -> list[date]:
    """The days after `last` up to today; today alone where none has started."""
    if last is None:
        return [today]
    return [last + timedelta(days=n + 1) for n in range((today - last).days)]
