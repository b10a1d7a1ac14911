"""The business day that money is booked on: a pure function of the log."""

from datetime import date, datetime

import msgspec

from shared.calendar import local_day


class Day(msgspec.Struct, frozen=True, gc=False):
    """The last day that started in a partition of decisions."""

    date: date


def begin(held: Day | None, day: date) -> Day | None:
    """The new last day, or None when it had started already: days may be told twice, they never go back."""
    return None if held is not None and day <= held.date else Day(day)


def booked_on(held: Day | None, decided_at: datetime) -> date:
    """The last day started; before any has started, the decision's own day in Asia/Shanghai.

    Both come from the log, so a replay books on the same day whatever the clock says. Dates of one partition never go
    back once a day has started.
    """
    return held.date if held is not None else local_day(decided_at)
