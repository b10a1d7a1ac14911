from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.holdover.domain.facts import Payment
from services.holdover.domain.schedule import Due, Instalment, graces, month_ends, paid, plan, repaid_on
from services.holdover.domain.terms import Terms

TERMS = Terms(date(2020, 2, 1), date(2020, 6, 30), date(2020, 7, 1), 6, 15, 7)
BEGINS = date(2020, 7, 1)
ENDS = [date(2020, month, day) for month, day in ((7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31))]


def amounts(*dues: tuple[date, int], terms: Terms = TERMS) -> list[int]:
    return [one.amount_fen for one in plan([Due(*due) for due in dues], terms)]


def test_six_equal_parts_on_the_months_last_days_and_the_odd_fen_first() -> None:
    made = plan([Due(BEGINS, 605)], TERMS)
    assert [(one.due_on, one.amount_fen) for one in made] == list(
        zip(ENDS, [105, 100, 100, 100, 100, 100], strict=True)
    )
    assert [one.announced_on for one in made] == [day - timedelta(days=7) for day in ENDS]


def test_a_sum_of_nothing_asks_nothing() -> None:
    assert amounts((BEGINS, 0)) == [0] * 6


@pytest.mark.parametrize(
    ("begins", "first"),
    [
        (date(2020, 9, 22), date(2020, 9, 30)),
        (date(2020, 9, 23), date(2020, 10, 31)),
        (date(2020, 9, 30), date(2020, 10, 31)),
        (date(2021, 2, 20), date(2021, 2, 28)),
        (date(2021, 2, 21), date(2021, 3, 31)),
    ],
)
def test_the_first_is_on_the_first_months_end_that_can_still_be_announced(begins: date, first: date) -> None:
    assert plan([Due(begins, 6)], TERMS)[0].due_on == first
    assert len(plan([Due(begins, 6)], TERMS)) == 6


def test_what_comes_before_the_announcement_is_in_every_instalment() -> None:
    assert amounts((BEGINS, 600), (date(2020, 7, 23), 660)) == [110] * 6


def test_what_comes_on_the_day_of_the_announcement_is_in_the_others() -> None:
    assert amounts((BEGINS, 600), (date(2020, 7, 24), 653)) == [100, 113, 110, 110, 110, 110]


def test_what_comes_after_the_last_announcement_is_one_instalment_more() -> None:
    made = plan([Due(BEGINS, 600), Due(date(2020, 12, 24), 650)], TERMS)
    assert [one.amount_fen for one in made] == [100] * 6 + [50]
    assert made[-1].due_on == date(2021, 1, 31)
    later = plan([Due(BEGINS, 600), Due(date(2020, 12, 24), 650), Due(date(2021, 1, 1), 700)], TERMS)
    assert [one.amount_fen for one in later] == [100] * 6 + [100]


def test_a_smaller_sum_spares_what_was_announced_as_far_as_it_goes() -> None:
    assert amounts((BEGINS, 600), (date(2020, 8, 24), 300)) == [100, 100, 25, 25, 25, 25]
    assert amounts((BEGINS, 600), (date(2020, 8, 24), 150)) == [100, 50, 0, 0, 0, 0]
    assert amounts((BEGINS, 600), (date(2020, 8, 24), 30)) == [30, 0, 0, 0, 0, 0]
    assert amounts((BEGINS, 600), (date(2020, 8, 24), 30), (date(2020, 9, 1), 70)) == [30, 0, 10, 10, 10, 10]


@st.composite
def changes(draw: st.DrawFn) -> list[Due]:
    day, found = BEGINS, [Due(BEGINS, draw(st.integers(0, 10**18)))]
    for _ in range(draw(st.integers(0, 6))):
        day += timedelta(days=draw(st.integers(1, 70)))
        found.append(Due(day, draw(st.integers(0, 700) | st.integers(0, 10**18))))
    return found


@given(changes())
def test_instalments_add_up_to_the_sum_and_what_was_announced_never_grows(dues: list[Due]) -> None:
    before: list[Instalment] = []
    for number, due in enumerate(dues, 1):
        made = plan(dues[:number], TERMS)
        assert sum(one.amount_fen for one in made) == due.total_fen
        assert [one.due_on for one in made] == sorted({one.due_on for one in made})
        for old, new in zip(before, made, strict=False):
            assert (old.announced_on, old.due_on) == (new.announced_on, new.due_on)
            if old.announced_on <= due.since:
                assert new.amount_fen <= old.amount_fen
        open_ones = [one.amount_fen for one in made if one.announced_on > due.since]
        if open_ones:
            assert len({*open_ones[1:]}) <= 1
            assert 0 <= open_ones[0] - open_ones[-1] < len(open_ones)
        before = made


@given(changes(), st.integers(0, 2 * 10**18))
def test_the_oldest_is_paid_first_and_no_fen_is_lost(dues: list[Due], repaid_fen: int) -> None:
    made = paid(plan(dues, TERMS), repaid_fen)
    assert sum(one.paid_fen for one in made) == min(repaid_fen, dues[-1].total_fen)
    asked = [one for one in made if one.amount_fen]
    states = [one.paid_fen == one.amount_fen for one in asked]
    assert states == sorted(states, reverse=True)
    assert sum(0 < one.paid_fen < one.amount_fen for one in asked) <= 1


def payment(fen: int, on: date, known_on: date | None = None) -> Payment:
    return Payment("b", fen, on, known_on or date(2021, 6, 1))


@pytest.mark.parametrize(
    ("on", "missed"), [(date(2020, 8, 14), False), (date(2020, 8, 15), False), (date(2020, 8, 16), True)]
)
def test_the_last_day_of_grace_is_in_time(on: date, missed: bool) -> None:
    found = graces(plan([Due(BEGINS, 600)], TERMS), [payment(600, on)], 15)
    assert (date(2020, 8, 16) in found) == missed
    assert not found[missed:]


def test_a_payment_is_dated_no_later_than_it_was_known() -> None:
    made = plan([Due(BEGINS, 600)], TERMS)
    assert graces(made, [payment(600, date(2021, 9, 9), date(2020, 8, 15))], 15) == []


def test_a_fen_too_little_is_missed() -> None:
    made = plan([Due(BEGINS, 600)], TERMS)
    assert graces(made, [payment(99, BEGINS), payment(501, date(2020, 8, 16))], 15) == [date(2020, 8, 16)]


def test_instalments_of_nothing_are_never_missed() -> None:
    assert graces(plan([Due(BEGINS, 0)], TERMS), [], 15) == []


def test_it_is_repaid_on_the_day_of_the_last_fen() -> None:
    two = [payment(400, date(2020, 9, 9)), payment(300, date(2020, 8, 8))]
    assert repaid_on(two, 300, BEGINS) == date(2020, 8, 8)
    assert repaid_on(two, 301, BEGINS) == date(2020, 9, 9)
    assert repaid_on(two, 0, BEGINS) == BEGINS
    assert repaid_on([payment(5, date(2020, 6, 1))], 5, BEGINS) == BEGINS


@given(st.dates(date(1900, 1, 1), date(2150, 1, 1)), st.integers(1, 40), st.integers(1, 20))
def test_month_ends_are_months_ends_one_after_the_other(after: date, count: int, remind_days: int) -> None:
    found = month_ends(after, count, remind_days)
    assert len(found) == count
    days = [one.due_on for one in found]
    assert all((day + timedelta(days=1)).day == 1 for day in days)
    assert all(later.year * 12 + later.month - day.year * 12 - day.month == 1 for day, later in pairwise(days))
    assert found[0].announced_on > after
    assert found[0].announced_on <= after + timedelta(days=31 + remind_days)
