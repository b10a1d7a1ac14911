import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.cases import KEY
from services.payments.domain.claim import Claim, ClaimChange, NothingOpen, SameOfficer, receive, write_off

CLAIM = Claim("c" * 32, "d" * 32, KEY, "650100", "e" * 32, 100)
FEN = st.integers(1, 60) | st.integers(1, 10**15)


def test_a_part_is_booked_and_told() -> None:
    after, told, surplus = receive(CLAIM, 30)
    assert after == msgspec.structs.replace(CLAIM, settled_fen=30, parts=1)
    assert (told, surplus) == (ClaimChange("clawback_settled", after, 30), 0)
    assert after.open_fen == 70


@pytest.mark.parametrize(("comes", "booked", "surplus"), [(69, 69, 0), (70, 70, 0), (71, 70, 1)])
def test_what_comes_in_beyond_what_is_open_is_a_surplus(comes: int, booked: int, surplus: int) -> None:
    after, told, over = receive(receive(CLAIM, 30)[0], comes)
    assert told is not None
    assert (told.amount_fen, over, after.settled_fen) == (booked, surplus, 30 + booked)


def test_money_for_a_claim_that_is_done_moves_nothing_and_is_all_surplus() -> None:
    done = receive(CLAIM, 100)[0]
    assert receive(done, 5) == (done, None, 5)


@given(amount=FEN, comes=st.lists(FEN, max_size=6))
def test_whatever_comes_in_what_is_booked_and_the_surplus_add_up_and_the_claim_is_never_exceeded(
    amount: int, comes: list[int]
) -> None:
    claim, booked, surpluses = msgspec.structs.replace(CLAIM, amount_fen=amount), 0, 0
    for parts, fen in enumerate(comes):
        before = claim
        claim, told, surplus = receive(before, fen)
        assert (told.amount_fen if told else 0) + surplus == fen
        assert (told is None) == (before.open_fen == 0)
        assert 0 <= claim.open_fen <= amount
        assert told is None or (told.claim == claim and claim.parts == parts + 1)
        booked += told.amount_fen if told else 0
        surpluses += surplus
    assert (claim.settled_fen, booked) == (min(sum(comes), amount),) * 2
    assert surpluses == max(0, sum(comes) - amount)
    identity = msgspec.structs.replace(claim, settled_fen=0, parts=0)
    assert identity == msgspec.structs.replace(CLAIM, amount_fen=amount)


def test_two_officers_write_off_what_is_open() -> None:
    part = receive(CLAIM, 30)[0]
    proposed, nothing = write_off(part, "officer-1", "insolvent")
    assert (proposed.given_up_by, proposed.open_fen, nothing) == ("officer-1", 70, None)
    done, told = write_off(proposed, "officer-2", "insolvent, confirmed")
    assert (done.written_off_fen, done.open_fen, done.settled_fen, done.parts, done.given_up_by) == (70, 0, 30, 2, None)
    assert told == ClaimChange("clawback_written_off", done, 70, "insolvent, confirmed")


def test_one_officer_is_not_two() -> None:
    proposed = write_off(CLAIM, "officer-1", "insolvent")[0]
    with pytest.raises(SameOfficer, match="another one has to"):
        write_off(proposed, "officer-1", "really")


def test_only_what_is_still_open_at_the_confirmation_is_written_off() -> None:
    proposed = write_off(CLAIM, "officer-1", "insolvent")[0]
    done, told = write_off(receive(proposed, 60)[0], "officer-2", "the rest")
    assert told is not None
    assert (told.amount_fen, done.settled_fen, done.written_off_fen) == (40, 60, 40)


def test_with_nothing_open_there_is_nothing_to_write_off() -> None:
    proposed = write_off(CLAIM, "officer-1", "insolvent")[0]
    over = write_off(proposed, "officer-2", "yes")[0]
    for claim in (receive(CLAIM, 100)[0], receive(proposed, 100)[0], over):
        with pytest.raises(NothingOpen, match="nothing to write off"):
            write_off(claim, "officer-3", "again")


def test_money_that_comes_after_the_write_off_is_a_surplus() -> None:
    done = write_off(write_off(CLAIM, "officer-1", "insolvent")[0], "officer-2", "yes")[0]
    assert receive(done, 10) == (done, None, 10)
