from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.payments.domain.batch import Batch, Candidate, Plan, Refusal, approve, plan, reject
from services.payments.domain.refund import Reason
from shared.ids import batch_id

THRESHOLD = 1000
BATCH = Batch("b" * 32, "job_stabilisation", "prepared", 3, 1001, 4, "clerk")
SMALL = msgspec.structs.replace(BATCH, total_fen=1000)


# Who lets a batch go.


@pytest.mark.parametrize(("total", "officers"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (10**18, 2)])
def test_above_the_threshold_two_officers_approve(total: int, officers: int) -> None:
    batch = msgspec.structs.replace(BATCH, total_fen=total)
    for number in range(1, officers + 1):
        batch, done, repeat = approve(batch, f"officer-{number}", THRESHOLD)
        assert (done, repeat) == (number == officers, False)
        assert batch.state == ("approved" if done else "prepared")
    assert batch.approvals == tuple(f"officer-{number}" for number in range(1, officers + 1))
    assert msgspec.structs.replace(batch, state="prepared", approvals=()) == msgspec.structs.replace(
        BATCH, total_fen=total
    )


def test_one_officer_is_not_two() -> None:
    once = approve(BATCH, "officer-1", THRESHOLD).batch
    with pytest.raises(Refusal, match="another officer has to approve it too"):
        approve(once, "officer-1", THRESHOLD)


@pytest.mark.parametrize("batch", [BATCH, SMALL, approve(BATCH, "officer-1", THRESHOLD).batch])
def test_whoever_prepared_a_batch_decides_nothing_about_it(batch: Batch) -> None:
    with pytest.raises(Refusal, match="prepared a batch cannot decide"):
        approve(batch, "clerk", THRESHOLD)
    with pytest.raises(Refusal, match="prepared a batch cannot decide"):
        reject(batch, "clerk")


@pytest.mark.parametrize("seen", [3, 5])
def test_a_batch_that_changed_has_to_be_looked_at_again(seen: int) -> None:
    with pytest.raises(Refusal, match=f"version {seen}, now 4"):
        approve(BATCH, "officer-1", THRESHOLD, seen)
    with pytest.raises(Refusal, match=f"version {seen}, now 4"):
        reject(BATCH, "officer-1", seen)
    assert approve(SMALL, "officer-1", THRESHOLD, 4).done
    assert reject(SMALL, "officer-1", 4).done


def test_a_frozen_batch_waits_for_its_release() -> None:
    frozen = msgspec.structs.replace(SMALL, frozen=True)
    with pytest.raises(Refusal, match="released first"):
        approve(frozen, "officer-1", THRESHOLD)
    with pytest.raises(Refusal, match="released first"):
        reject(frozen, "officer-1")


def test_an_empty_batch_is_not_approved_and_may_be_refused() -> None:
    empty = msgspec.structs.replace(BATCH, count=0, total_fen=0)
    with pytest.raises(Refusal, match="nothing to approve"):
        approve(empty, "officer-1", THRESHOLD)
    assert reject(empty, "officer-1").batch.state == "refused"


@pytest.mark.parametrize("state", ["approved", "submitted"])
def test_an_approval_said_again_is_a_repeat_and_another_one_comes_too_late(state: str) -> None:
    done = msgspec.structs.replace(SMALL, state=state, approvals=("officer-1",))
    assert approve(done, "officer-1", THRESHOLD) == (done, True, True)
    assert approve(done, "officer-1", THRESHOLD, version=1) == (done, True, True)
    with pytest.raises(Refusal, match=f"The batch is {state}"):
        approve(done, "officer-2", THRESHOLD)
    with pytest.raises(Refusal, match=f"The batch is {state}"):
        reject(done, "officer-1")


def test_a_refusal_said_again_is_a_repeat_and_ends_it() -> None:
    half = approve(BATCH, "officer-1", THRESHOLD).batch
    refused, done, repeat = reject(half, "officer-2")
    assert (refused, done, repeat) == (msgspec.structs.replace(half, state="refused"), True, False)
    assert reject(refused, "officer-3") == (refused, True, True)
    with pytest.raises(Refusal, match="The batch is refused"):
        approve(refused, "officer-2", THRESHOLD)


class Officers(RuleBasedStateMachine):
    """Whatever officers say in whatever order, nothing goes that should not."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = BATCH

    @rule(officer=st.sampled_from(["clerk", "officer-1", "officer-2", "officer-3"]), yes=st.booleans())
    def say(self, officer: str, yes: bool) -> None:
        before = self.batch
        try:
            verdict = approve(before, officer, THRESHOLD) if yes else reject(before, officer)
        except Refusal:
            return
        self.batch = verdict.batch
        assert verdict.done == (verdict.batch.state != "prepared")
        assert not verdict.repeat or verdict.batch == before

    @rule(total=st.integers(1, 2000))
    def change(self, total: int) -> None:
        """A payment left or joined: the tables count the version and no approval is of it."""
        if self.batch.state == "prepared":
            self.batch = msgspec.structs.replace(
                self.batch, total_fen=total, version=self.batch.version + 1, approvals=()
            )

    @invariant()
    def approved_means_approved_by_enough_others(self) -> None:
        officers = self.batch.approvals
        assert "clerk" not in officers
        assert len(set(officers)) == len(officers)
        if self.batch.state == "approved":
            assert len(officers) == (2 if self.batch.total_fen > THRESHOLD else 1)


TestOfficers = Officers.TestCase
TestOfficers.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)


# What goes into which batch.

PROGRAMMES = ["contribution_return", "job_stabilisation"]
USCCS = ["enterprise-1", "enterprise-2", "enterprise-3"]
BANKS = ["102", "103", "105"]
DAY = "2020-03-02"


@st.composite
def waiting(draw: st.DrawFn) -> list[Candidate]:
    """In any order, each payment once."""
    ids = draw(st.lists(st.integers(0, 10**6), unique=True, max_size=25))
    one = st.tuples(
        st.sampled_from(USCCS),
        st.sampled_from(PROGRAMMES),
        st.integers(1, 60) | st.integers(1, 10**15),
        st.sampled_from(["a" * 32, "a" * 32, None]),
        st.sampled_from([*BANKS, None]),
        st.sampled_from([None, "no_budget", "payee_changed"]),
    )
    return [Candidate(f"{identity:032x}", *draw(one)) for identity in ids]


def scopes(enterprises: set[str], programmes: set[str]) -> dict[str, frozenset[str]]:
    return {"enterprise": frozenset(enterprises), "programme": frozenset(programmes)}


BUDGETS = st.dictionaries(st.sampled_from(PROGRAMMES), st.integers(0, 400) | st.integers(0, 10**16))
FROZEN = st.builds(
    scopes, st.sets(st.sampled_from(USCCS), max_size=1), st.sets(st.sampled_from(PROGRAMMES), max_size=1)
)
NUMBERS = st.dictionaries(st.tuples(st.sampled_from(PROGRAMMES), st.sampled_from(BANKS)), st.integers(1, 5))
SIZES = st.integers(1, 5)


@given(waiting(), BUDGETS, FROZEN, NUMBERS, SIZES)
def test_everyone_who_waits_is_in_one_place_and_each_for_its_own_reason(
    candidates: list[Candidate], budgets: dict[str, int], frozen: dict[str, frozenset[str]],
    numbers: dict[tuple[str, str], int], size: int,
) -> None:  # fmt: skip
    found = plan(candidates, budgets, frozen, DAY, numbers, size)
    places = Counter([*found.held, *(payment for made in found.batches for payment in made.payment_ids)])
    assert places == Counter(one.payment_id for one in candidates)
    # The same by its words: one after the other, by id.
    left, expected = dict(budgets), dict[str, Reason]()
    for one in sorted(candidates, key=lambda one: one.payment_id):
        if one.uscc in frozen["enterprise"] or one.programme in frozen["programme"]:
            expected[one.payment_id] = "frozen"
        elif one.payee_digest is None:
            expected[one.payment_id] = "no_payee"
        elif one.bank is None:
            expected[one.payment_id] = "payee_unreadable"
        elif left.get(one.programme, 0) < one.amount_fen:
            expected[one.payment_id] = "no_budget"
        else:
            left[one.programme] -= one.amount_fen
    assert found.held == expected


@given(waiting(), BUDGETS, FROZEN, NUMBERS, SIZES)
def test_a_batch_is_what_it_declares_and_no_budget_is_overdrawn(
    candidates: list[Candidate], budgets: dict[str, int], frozen: dict[str, frozenset[str]],
    numbers: dict[tuple[str, str], int], size: int,
) -> None:  # fmt: skip
    by_id = {one.payment_id: one for one in candidates}
    spent: Counter[str] = Counter()
    made = plan(candidates, budgets, frozen, DAY, numbers, size).batches
    for batch in made:
        payments = [by_id[payment] for payment in batch.payment_ids]
        assert {(one.programme, one.bank) for one in payments} == {(batch.programme, batch.bank)}
        assert 1 <= len(payments) <= size
        assert batch.total_fen == sum(one.amount_fen for one in payments)
        assert batch.batch_id == batch_id(batch.programme, batch.bank, DAY, batch.number)
        spent[batch.programme] += batch.total_fen
    assert all(fen <= budgets.get(programme, 0) for programme, fen in spent.items())
    assert len({batch.batch_id for batch in made}) == len(made)
    # Numbered on from what the day has already, without a gap, and only the last of a bank is not full.
    for first in {(batch.programme, batch.bank): batch for batch in reversed(made)}.values():
        alike = [batch for batch in made if (batch.programme, batch.bank) == (first.programme, first.bank)]
        assert first.number == numbers.get((first.programme, first.bank), 1)
        assert all(b.number == a.number + 1 and len(a.payment_ids) == size for a, b in pairwise(alike))


@given(waiting(), BUDGETS, FROZEN, NUMBERS, SIZES, st.data())
def test_the_plan_does_not_depend_on_the_order_in_which_payments_are_read(
    candidates: list[Candidate], budgets: dict[str, int], frozen: dict[str, frozenset[str]],
    numbers: dict[tuple[str, str], int], size: int, data: st.DataObject,
) -> None:  # fmt: skip
    shuffled = data.draw(st.permutations(candidates))
    before = dict(budgets), dict(numbers)
    first = plan(candidates, budgets, frozen, DAY, numbers, size)
    assert plan(iter(shuffled), budgets, frozen, DAY, numbers, size) == first
    assert (budgets, numbers) == before


def test_a_budget_is_spent_to_the_last_fen_and_not_beyond() -> None:
    def planned(free_fen: int) -> Plan:
        candidates = [
            Candidate(f"{n:032x}", USCCS[0], "job_stabilisation", fen, "a" * 32, "102", None)
            for n, fen in enumerate((60, 50, 40))
        ]
        # Whoever comes first by id gets what is left, in whatever order they are read.
        return plan(reversed(candidates), {"job_stabilisation": free_fen}, scopes(set(), set()), DAY, {}, 10)

    assert [made.total_fen for made in planned(150).batches] == [150]
    assert (planned(149).batches[0].total_fen, planned(149).held) == (110, {f"{2:032x}": "no_budget"})
    # One that does not fit does not keep a smaller one behind it from going.
    assert (planned(100).batches[0].total_fen, planned(100).held) == (100, {f"{1:032x}": "no_budget"})
    assert planned(39).batches == ()


def test_a_programme_without_a_budget_pays_nothing() -> None:
    one = Candidate("1" * 32, USCCS[0], "job_stabilisation", 1, "a" * 32, "102", None)
    found = plan([one], {"contribution_return": 10**9}, scopes(set(), set()), DAY, {}, 10)
    assert found == Plan((), {"1" * 32: "no_budget"})


@pytest.mark.parametrize("reason", ["no_budget", "frozen", "no_payee", "payee_unreadable", "payee_changed"])
def test_what_was_held_goes_when_nothing_holds_it_any_more(reason: Reason) -> None:
    one = Candidate("1" * 32, USCCS[0], "job_stabilisation", 1, "a" * 32, "102", reason)
    (made,) = plan([one], {"job_stabilisation": 1}, scopes(set(), set()), DAY, {}, 10).batches
    assert made.payment_ids == ("1" * 32,)
