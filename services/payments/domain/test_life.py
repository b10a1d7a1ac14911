from typing import get_args

import pytest

from services.payments.domain.decision import Contradiction
from services.payments.domain.life import BEFORE_SUBMISSION, TRANSITIONS, State, follow, may

STATES: tuple[State, ...] = get_args(State)


def test_every_word_of_the_table_is_a_state_and_every_state_can_be_reached() -> None:
    reached: set[State | None] = {None}
    for _ in TRANSITIONS:
        reached |= {row.after for row in TRANSITIONS.values() if row.before & reached}
    assert reached == {None, *STATES}
    assert {state for row in TRANSITIONS.values() for state in row.before} <= reached


def test_what_is_over_stays_over() -> None:
    leaving = {state for row in TRANSITIONS.values() for state in row.before}
    assert leaving.isdisjoint({"settled", "rejected", "cancelled"})


def test_only_before_submission_can_a_payment_be_cancelled() -> None:
    assert TRANSITIONS["cancelled"].before == BEFORE_SUBMISSION


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("state", [None, *STATES])
def test_a_transition_is_taken_where_the_table_has_it_and_it_is_built(name: str, state: State | None) -> None:
    row = TRANSITIONS[name]
    allowed = name in ("authorised", "cancelled") and state in row.before
    if state is not None:
        assert may(name, state) == allowed
    if allowed:
        assert follow(name, state) == row.after
    else:
        with pytest.raises(Contradiction, match=f"cannot be {name}"):
            follow(name, state)
