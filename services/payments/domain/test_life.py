from typing import get_args

import pytest

from services.payments.domain.decision import Contradiction
from services.payments.domain.life import BEFORE_SUBMISSION, IN_FLIGHT, TRANSITIONS, State, follow, may

STATES: tuple[State, ...] = get_args(State)
STEPS = {(before, row.after) for row in TRANSITIONS.values() for before in row.before}


def reached_from(start: State | None, without: State | None = None) -> set[State | None]:
    """Where a payment can get to, `start` included, never passing through `without`."""
    found: set[State | None] = {start}
    for _ in STATES:
        found |= {after for before, after in STEPS if before in found and after != without}
    return found


def test_every_word_of_the_table_is_a_state_and_every_state_can_be_reached() -> None:
    assert reached_from(None) == {None, *STATES}
    assert {before for before, _ in STEPS} <= {None, *STATES}


def test_a_payment_begins_once_and_authorised() -> None:
    assert {(before, after) for before, after in STEPS if before is None} == {(None, "authorised")}
    assert all(None not in reached_from(state) for state in STATES)


def test_what_is_over_stays_over_and_only_what_the_bank_refused_may_be_given_up() -> None:
    assert reached_from("settled") == {"settled"}
    assert reached_from("cancelled") == {"cancelled"}
    assert reached_from("rejected") == {"rejected", "cancelled"}


def test_nothing_goes_to_the_bank_unapproved() -> None:
    assert reached_from(None, without="approved") == {None, "authorised", "held", "batched", "cancelled"}


def test_what_is_with_the_bank_comes_back_by_the_banks_word_alone() -> None:
    """In flight there is no way to a new try, nor to a cancellation: only to settled or rejected."""
    ends = {after for before, after in STEPS if before in IN_FLIGHT and after not in IN_FLIGHT}
    assert ends == {"settled", "rejected"}
    assert {before for before, after in STEPS if after in ends} == IN_FLIGHT


def test_the_sets_of_states_are_those_of_the_table() -> None:
    assert TRANSITIONS["cancelled"].before == BEFORE_SUBMISSION | {"rejected"}
    assert reached_from(None, without="submitted") == {None, "cancelled", *BEFORE_SUBMISSION}
    assert {*STATES} == BEFORE_SUBMISSION | IN_FLIGHT | {"settled", "rejected", "cancelled"}


def test_ledgers_hear_of_money_that_moves_and_of_nothing_else() -> None:
    told = {name for name, row in TRANSITIONS.items() if row.told}
    assert told == {"authorised", "submitted", "settled", "rejected", "cancelled"}
    assert all(row.name == name and row.why for name, row in TRANSITIONS.items())


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("state", [None, *STATES])
def test_a_transition_is_taken_where_the_table_has_it(name: str, state: State | None) -> None:
    row = TRANSITIONS[name]
    allowed = state in row.before
    if state is not None:
        assert may(name, state) == allowed
    if allowed:
        assert follow(name, state) == row.after
    else:
        with pytest.raises(Contradiction, match=f"cannot be {name}"):
            follow(name, state)
