"""The business day: every date in policy and bookings is one of Asia/Shanghai."""

from datetime import date, datetime, timedelta, timezone

# Without daylight saving since 1991; the business dates of this system begin later.
SHANGHAI = timezone(timedelta(hours=8))


def local_day(moment: datetime) -> date:
    """The business day of a moment that knows its offset."""
    return moment.astimezone(SHANGHAI).date()
