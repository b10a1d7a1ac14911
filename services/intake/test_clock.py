"""The day clock: what it starts, what it leaves to an operator, and that it says so."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime

import pytest
from aiokafka.structs import TopicPartition

from services.intake.clock import Clock, missed_days
from services.intake.domain.acceptance import Days
from services.intake.handlers import DAYS, decode_state, encode_state
from services.intake.ruling import State
from shared.calendar import SHANGHAI
from shared.contracts.registry import decoder
from shared.contracts.topics import OPERATIONS
from shared.streaming.errors import Retry
from shared.streaming.records import Mark, Output
from shared.streaming.redis_store import RedisStore, connect

WHERE = TopicPartition(OPERATIONS, 0)


class Taken:
    """Acknowledges, and keeps what it got; or refuses."""

    def __init__(self) -> None:
        self.days: list[str] = []
        self.ids: list[str] = []
        self.failure: Exception | None = None

    async def publish(self, outputs: Sequence[Output]) -> None:
        if self.failure is not None:
            raise self.failure
        for output in outputs:
            decoder(OPERATIONS).validate_json(output.value)
            event = json.loads(output.value)
            assert (output.topic, output.partition, output.key) == (OPERATIONS, 0, event["id"].encode())
            self.days.append(event["data"]["date"])
            self.ids.append(event["id"])


@pytest.mark.parametrize(
    ("last", "today", "missed"),
    [
        (None, "2020-02-01", ["2020-02-01"]),
        ("2020-02-01", "2020-02-01", []),
        ("2020-02-02", "2020-02-01", []),
        ("2020-02-01", "2020-02-02", ["2020-02-02"]),
        ("2020-02-27", "2020-03-02", ["2020-02-28", "2020-02-29", "2020-03-01", "2020-03-02"]),
    ],
)
def test_missed_days_are_those_after_the_last_up_to_today(last: str | None, today: str, missed: list[str]) -> None:
    found = missed_days(None if last is None else date.fromisoformat(last), date.fromisoformat(today))
    assert [day.isoformat() for day in found] == missed


@pytest.fixture
async def store(redis_url: str) -> RedisStore[State]:
    redis = connect(redis_url)
    await redis.flushall()
    return RedisStore(redis, "intake", encode_state, decode_state)


async def started(store: RedisStore[State], last: str) -> None:
    await store.write(WHERE, None, Mark(1), {DAYS: Days(last)})


def clock(store: RedisStore[State], taken: Taken, now: str, at_most: int = 7) -> Clock:
    return Clock(store, taken, lambda: datetime.fromisoformat(now).astimezone(SHANGHAI), at_most)


@pytest.mark.integration
async def test_the_clock_starts_what_was_missed_in_order_and_repeats_itself_by_id(store: RedisStore[State]) -> None:
    await started(store, "2020-02-27")
    taken = Taken()
    # Four in the afternoon UTC is midnight in Shanghai.
    ticking = clock(store, taken, "2020-02-29T16:00:00+00:00")
    await ticking.once()
    assert taken.days == ["2020-02-28", "2020-02-29", "2020-03-01"]
    await ticking.once()
    assert taken.ids[:3] == taken.ids[3:], "until intake has taken them; a repeat is dropped by its id"
    assert ticking.trouble is None


@pytest.mark.integration
async def test_the_clock_begins_with_today_and_does_nothing_on_a_day_that_has_started(store: RedisStore[State]) -> None:
    taken = Taken()
    await clock(store, taken, "2020-02-05T08:00:00+08:00").once()
    assert taken.days == ["2020-02-05"]
    await started(store, "2020-02-05")
    await clock(store, taken, "2020-02-05T23:59:59+08:00").once()
    await clock(store, taken, "2020-02-01T08:00:00+08:00").once()
    assert taken.days == ["2020-02-05"]


@pytest.mark.integration
async def test_the_clock_refuses_to_jump_and_says_what_to_do(store: RedisStore[State]) -> None:
    await started(store, "2020-02-01")
    taken = Taken()
    at_limit = clock(store, taken, "2020-02-08T08:00:00+08:00")
    await at_limit.once()
    assert (len(taken.days), at_limit.trouble) == (7, None)
    jumping = clock(store, taken, "2020-02-09T08:00:00+08:00")
    await jumping.once()
    assert len(taken.days) == 7
    assert jumping.trouble is not None
    assert "8 days have not started since 2020-02-01" in jumping.trouble
    assert "relief day 2020-02-09" in jumping.trouble
    # An operator starts them.
    await store.write(WHERE, 1, Mark(2), {DAYS: Days("2020-02-09")})
    await jumping.once()
    assert jumping.trouble is None


@pytest.mark.integration
async def test_the_loop_waits_out_a_passing_failure_and_tells_of_any_other(store: RedisStore[State]) -> None:
    taken = Taken()
    ticking = clock(store, taken, "2020-02-05T08:00:00+08:00")
    taken.failure = Retry("Kafka is away")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ticking.run(), 0.2)
    assert not ticking.trouble
    taken.failure = ValueError("nobody foresaw this")
    with pytest.raises(ValueError, match="foresaw"):
        await ticking.run()
    assert "restart" in str(ticking.trouble)
