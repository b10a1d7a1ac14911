import pytest

from services.payments.domain.answer import Taken, Word, answer
from services.payments.domain.cases import ALI, BATCH, BEK, KEY, decision, held, payment_of, put, states, steps
from services.payments.domain.life import State
from services.payments.domain.refund import PaymentChange, Refund, entitle
from shared.ids import decision_id, payment_id

ONE, TWO = payment_id(*KEY, 1), payment_id(*KEY, 2)


def said(
    refund: Refund, word: Word, payment: str = ONE, reason: str | None = None
) -> tuple[Taken, Refund, list[tuple[str, int, int]]]:
    taken, after, changes = answer(refund, KEY, payment, word, reason)
    return taken, after, steps(changes)


# What `accepted`, `settled` and `rejected` make of a payment: the state after it, `=` for a repeat, `?` for what a
# person has to look at.
TABLE: dict[State, tuple[str, str, str]] = {
    "authorised": ("?", "?", "?"),
    "held": ("?", "?", "?"),
    "batched": ("?", "?", "?"),
    "approved": ("?", "?", "?"),
    "submitted": ("=", "settled", "rejected"),
    "unknown": ("submitted", "settled", "rejected"),
    "settled": ("=", "=", "?"),
    "rejected": ("=", "?", "="),
    "cancelled": ("?", "?", "?"),
}


@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize(("place", "word"), [(0, "accepted"), (1, "settled"), (2, "rejected")])
def test_a_word_moves_a_payment_once_or_not_at_all(state: State, place: int, word: Word) -> None:
    refund = put(held(decision(1, 100)), 1, state)
    if state == "cancelled":
        refund = entitle(held(decision(1, 100)), decision(2, 0))[1]
    expected = TABLE[state][place]
    taken, after, told = said(refund, word)
    if expected in "=?":
        assert (taken, after, told) == ("repeat" if expected == "=" else "parked", refund, [])
    else:
        assert (taken, payment_of(after, 1).state) == ("changed", expected)
        assert told == ([] if word == "accepted" else [(word, 1, 100)])


@pytest.mark.parametrize(("word", "taken"), [("accepted", "repeat"), ("rejected", "repeat"), ("settled", "parked")])
def test_of_what_was_given_up_the_bank_may_only_say_again_that_it_refused_it(word: Word, taken: Taken) -> None:
    over = said(put(held(decision(1, 100), decision(2, 100, payee=BEK)), 1, "submitted"), "rejected")[1]
    refund = entitle(over, decision(3, 0))[1]
    assert states(refund) == ["cancelled"]
    assert said(refund, word) == (taken, refund, [])


def test_a_word_on_a_payment_that_the_refund_does_not_hold_is_for_a_person() -> None:
    refund = held(decision(1, 100))
    assert said(refund, "settled", TWO) == ("parked", refund, [])


def test_a_resolution_is_told_once_with_the_banks_reason_and_the_decision_that_authorised_it() -> None:
    refund = put(held(decision(4, 100), decision(7, 130)), 1, "submitted")
    taken, after, (told,) = answer(refund, KEY, ONE, "rejected", "AC04")
    assert (taken, after.revision) == ("changed", 7)
    # Revision 1 whatever was decided meanwhile: a repeat after a further decision carries the same id.
    assert told == PaymentChange(
        "rejected", payment_of(after, 1), 100, decision_id(*KEY, 4), revision=1, clawback_id=None, reason="AC04"
    )


@pytest.mark.parametrize("state", ["submitted", "unknown"])
def test_the_bank_pays_and_what_is_due_is_live(state: State) -> None:
    taken, after, told = said(put(held(decision(1, 100)), 1, state), "settled")
    assert (taken, told) == ("changed", [("settled", 1, 100)])
    assert (after.live_fen, payment_of(after, 1).batch_id, payment_of(after, 1).payee_digest) == (100, BATCH, ALI)


def test_what_the_bank_refused_stays_owed_until_another_account_is_named() -> None:
    refused = said(put(held(decision(1, 100)), 1, "submitted"), "rejected")[1]
    assert (states(refused), refused.live_fen) == (["rejected"], 100)
    assert steps(entitle(refused, decision(2, 100, payee=BEK))[2]) == [("cancelled", 1, 100), ("authorised", 2, 100)]


def test_what_the_bank_refused_after_the_account_changed_is_paid_anew_at_once() -> None:
    """The decision that named the new account came while the bank had the payment; no other will come."""
    under_way = entitle(put(held(decision(1, 100)), 1, "submitted"), decision(2, 100, payee=BEK))[1]
    taken, after, told = said(under_way, "rejected")
    assert (taken, told) == ("changed", [("rejected", 1, 100), ("cancelled", 1, 100), ("authorised", 2, 100)])
    assert payment_of(after, 2).payee_digest == BEK
    assert said(after, "rejected") == ("repeat", after, [])


# Less became due while the bank had the payment.


@pytest.mark.parametrize("state", ["submitted", "unknown"])
@pytest.mark.parametrize("due", [0, 40, 99])
def test_what_turns_out_paid_too_much_is_claimed_back(state: State, due: int) -> None:
    refund = entitle(put(held(decision(1, 100)), 1, state), decision(2, due))[1]
    taken, after, told = said(refund, "settled")
    assert (taken, told) == ("changed", [("settled", 1, 100), ("clawback_raised", 1, 100 - due)])
    assert [claim.amount_fen for claim in after.raised] == [100 - due]
    assert after.live_fen == due


@pytest.mark.parametrize(("due", "anew"), [(0, []), (40, [("authorised", 2, 40)])])
def test_what_turns_out_refused_is_cancelled_and_topped_up(due: int, anew: list[tuple[str, int, int]]) -> None:
    refund = entitle(put(held(decision(1, 100)), 1, "submitted"), decision(2, due))[1]
    taken, after, told = said(refund, "rejected")
    assert (taken, told) == ("changed", [("rejected", 1, 100), ("cancelled", 1, 100), *anew])
    assert (after.live_fen, after.raised) == (due, ())


def test_the_claim_waits_for_the_last_answer() -> None:
    refund = put(put(held(decision(1, 100), decision(2, 150)), 1, "submitted"), 2, "unknown")
    refund = entitle(refund, decision(3, 20))[1]
    _, refund, told = said(refund, "settled", ONE)
    assert told == [("settled", 1, 100)]
    assert said(refund, "settled", TWO)[2] == [
        ("settled", 2, 50),
        ("clawback_raised", 2, 50),
        ("clawback_raised", 1, 80),
    ]
    assert said(refund, "rejected", TWO)[2] == [("rejected", 2, 50), ("cancelled", 2, 50), ("clawback_raised", 1, 80)]


def test_an_acknowledgement_tells_nobody_and_settles_nothing() -> None:
    refund = entitle(put(held(decision(1, 100)), 1, "unknown"), decision(2, 30))[1]
    taken, after, told = said(refund, "accepted")
    assert (taken, told, states(after), after.live_fen) == ("changed", [], ["submitted"], 100)
