from datetime import UTC, date, datetime

from services.payments.domain.day import Day, begin, booked_on


def test_a_day_goes_forward_only() -> None:
    held = Day(date(2020, 2, 20))
    assert begin(None, date(2020, 2, 20)) == held
    assert begin(held, date(2020, 2, 20)) is None
    assert begin(held, date(2020, 2, 19)) is None
    assert begin(held, date(2020, 3, 1)) == Day(date(2020, 3, 1))


def test_before_any_day_the_decisions_own_day_in_shanghai_counts() -> None:
    assert booked_on(None, datetime(2020, 2, 20, 15, 59, 59, tzinfo=UTC)) == date(2020, 2, 20)
    assert booked_on(None, datetime(2020, 2, 20, 16, 0, tzinfo=UTC)) == date(2020, 2, 21)


def test_afterwards_the_last_day_counts_whenever_the_decision_was_made() -> None:
    assert booked_on(Day(date(2020, 2, 20)), datetime(2020, 6, 1, tzinfo=UTC)) == date(2020, 2, 20)
