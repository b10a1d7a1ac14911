"""Days and moments of the simulated years as small integers.

A day is its proleptic ordinal; a moment is seconds of the clock on the wall at +08:00 since day 1970-01-01. Text comes
from tables: millions of events share a few thousand days, and formatting them anew would be half the run.
"""

from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()
_FIRST = date(1999, 1, 1).toordinal()
_DAYS = [date.fromordinal(n).isoformat() for n in range(_FIRST, date(2021, 12, 31).toordinal() + 1)]
_TWO = [f"{n:02d}" for n in range(60)]
_OFFSET_SECONDS = 8 * 3600

DAY_SECONDS = 86_400


def day(text: str) -> int:
    """The ordinal of a `YYYY-MM-DD`."""
    return date.fromisoformat(text).toordinal()


def day_text(ordinal: int) -> str:
    """`YYYY-MM-DD`; days from 1999 to 2021."""
    return _DAYS[ordinal - _FIRST]


def moment(ordinal: int, second: int) -> int:
    """The moment `second` seconds into a day."""
    return (ordinal - _EPOCH) * DAY_SECONDS + second


def moment_text(at: int) -> str:
    """RFC 3339 with the offset +08:00."""
    days, second = divmod(at, DAY_SECONDS)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_DAYS[days + _EPOCH - _FIRST]}T{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}+08:00"


def unix_ms(at: int) -> int:
    """The moment as milliseconds since the Unix epoch."""
    return (at - _OFFSET_SECONDS) * 1000


class Month:
    """A month with what its events need: `period` as YYYY-MM, the ordinals of its first and last day."""

    __slots__ = ("compact", "first", "last", "period")

    def __init__(self, year: int, month: int) -> None:
        following = date(year + month // 12, month % 12 + 1, 1)
        self.period = f"{year}-{month:02d}"
        self.compact = f"{year}{month:02d}"
        self.first = date(year, month, 1).toordinal()
        self.last = following.toordinal() - 1


REFERENCE_MONTHS = tuple(Month(2019, month) for month in range(1, 13))
WINDOW_MONTHS = tuple(Month(2020, month) for month in range(2, 7))
REPORT_MONTHS = REFERENCE_MONTHS + WINDOW_MONTHS
# The days of the measures, both included: what falls due, or is applied for, on them.
WINDOW = (WINDOW_MONTHS[0].first, WINDOW_MONTHS[-1].last)
