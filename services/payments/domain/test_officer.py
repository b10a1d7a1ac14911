from typing import get_args

import pytest

from services.payments.domain.batch import Batch, BatchState, Refusal, approve
from services.payments.domain.life import IN_FLIGHT, State
from services.payments.domain.officer import Budget, Resolution, allot, freeze, release, resolve

PREPARED = Batch("b" * 32, "job_stabilisation", "prepared", 2, 1_000, 3, "pia", ("ayse",))


def batch(state: BatchState, frozen: bool = False) -> Batch:
    return Batch("b" * 32, "job_stabilisation", state, 2, 1_000, 3, "pia", ("ayse",), frozen)


@pytest.mark.parametrize("state", ["prepared", "approved"])
def test_a_batch_that_has_not_left_is_frozen_and_released_as_it_was(state: BatchState) -> None:
    frozen = freeze(batch(state))
    assert (frozen.batch, frozen.repeat) == (batch(state, frozen=True), False)
    assert freeze(frozen.batch) == (frozen.batch, True, True)
    released = release(frozen.batch)
    assert (released.batch, released.repeat) == (batch(state), False)
    assert release(released.batch) == (batch(state), True, True)


@pytest.mark.parametrize("state", ["submitted", "refused"])
def test_a_batch_that_has_left_or_was_rejected_is_not_frozen(state: BatchState) -> None:
    with pytest.raises(Refusal):
        freeze(batch(state))


def test_nobody_approves_what_is_frozen() -> None:
    with pytest.raises(Refusal, match="frozen"):
        approve(freeze(PREPARED).batch, "bek", 0)


@pytest.mark.parametrize(
    ("held", "total_fen", "outcome"),
    [
        (None, 0, "created"),
        (Budget(100, 30, 20), 100, "exists"),
        (Budget(100, 30, 20), 101, "changed"),
        (Budget(100, 30, 20), 51, "changed"),
        (Budget(100, 30, 20), 50, "changed"),
        (Budget(50, 30, 20), 50, "exists"),
    ],
)
def test_a_budget_covers_what_is_gone(held: Budget | None, total_fen: int, outcome: str) -> None:
    assert allot(held, total_fen) == outcome


def test_a_budget_is_not_set_below_what_is_gone() -> None:
    with pytest.raises(Refusal, match="below 50 fen"):
        allot(Budget(100, 30, 20), 49)


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("now", get_args(Resolution))
def test_only_what_is_with_the_bank_is_resolved_by_a_person(state: State, now: Resolution) -> None:
    if state in IN_FLIGHT:
        assert resolve(state, None, now) == "created"
        return
    with pytest.raises(Refusal):
        resolve(state, None, now)


def test_a_person_answers_once() -> None:
    for state in IN_FLIGHT:
        assert resolve(state, "settled", "settled") == "exists"
        with pytest.raises(Refusal, match="settled"):
            resolve(state, "settled", "rejected")
    assert resolve("settled", "settled", "settled") == "exists"


def test_an_answer_that_came_after_the_banks_own_is_no_repeat() -> None:
    with pytest.raises(Refusal, match="rejected"):
        resolve("rejected", "settled", "settled")
