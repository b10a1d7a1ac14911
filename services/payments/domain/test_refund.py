import pytest

from services.payments.domain.cases import (
    ALI,
    BATCH,
    BEK,
    KEY,
    USCC,
    decision,
    held,
    payment_of,
    put,
    states,
    steps,
)
from services.payments.domain.decision import Contradiction, Decision
from services.payments.domain.life import State
from services.payments.domain.refund import Clawback, Payment, Refund, entitle
from shared.ids import clawback_id, decision_id, payment_id


def told(refund: Refund | None, one: Decision) -> list[tuple[str, int, int]]:
    return steps(entitle(refund, one)[2])


def paid(*amounts: int) -> Refund:
    """Every payment of it settled."""
    refund = held(*(decision(n, sum(amounts[:n])) for n in range(1, len(amounts) + 1)))
    for number in range(1, len(amounts) + 1):
        refund = put(refund, number, "settled")
    return refund


def test_a_first_grant_authorises_one_payment() -> None:
    outcome, after, changes = entitle(None, decision(1, 500))
    first = Payment(1, payment_id(*KEY, 1), 500, "authorised", "650100", decision_id(*KEY, 1), ALI)
    assert (outcome, after) == ("changed", Refund(1, 500, 1, (first,), "650100", f"sealed-{ALI}", ALI))
    assert [(change.change, change.payment, change.decision_id, change.revision) for change in changes] == [
        ("authorised", first, decision_id(*KEY, 1), 1)
    ]


def test_more_due_is_a_further_payment_for_the_difference() -> None:
    assert told(held(decision(1, 500)), decision(2, 650)) == [("authorised", 2, 150)]


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (150, []),
        (149, [("cancelled", 2, 50), ("authorised", 3, 49)]),
        (100, [("cancelled", 2, 50)]),
        (99, [("cancelled", 2, 50), ("cancelled", 1, 100), ("authorised", 3, 99)]),
        (0, [("cancelled", 2, 50), ("cancelled", 1, 100)]),
    ],
)
@pytest.mark.parametrize("state", ["authorised", "held", "batched", "approved"])
def test_less_due_cancels_the_newest_and_tops_up(due: int, expected: list[tuple[str, int, int]], state: State) -> None:
    refund = put(put(held(decision(1, 100), decision(2, 150)), 1, state), 2, state)
    assert told(refund, decision(3, due)) == expected


@pytest.mark.parametrize("state", ["held", "batched", "approved"])
def test_what_is_cancelled_leaves_its_batch_and_waits_for_nothing(state: State) -> None:
    after = payment_of(entitle(put(held(decision(1, 100)), 1, state), decision(2, 0))[1], 1)
    assert (after.state, after.batch_id, after.held_for) == ("cancelled", None, None)


def test_numbers_are_never_used_again() -> None:
    refund = held(decision(1, 100), decision(2, 0), decision(3, 100))
    assert [(payment.number, payment.state) for payment in refund.payments] == [(1, "cancelled"), (2, "authorised")]


def test_cancelled_payments_may_be_left_out_of_what_is_held() -> None:
    assert told(Refund(2, 0, 7, ()), decision(3, 100)) == [("authorised", 8, 100)]


def test_a_cancelled_payment_is_reversed_where_it_was_booked_and_a_new_one_is_booked_where_the_decision_says() -> None:
    changes = entitle(held(decision(1, 100, "650100")), decision(2, 60, "653100"))[2]
    assert [(change.change, change.payment.prefecture) for change in changes] == [
        ("cancelled", "650100"),
        ("authorised", "653100"),
    ]


def test_every_step_names_the_decision_it_follows() -> None:
    changes = entitle(held(decision(1, 100)), decision(5, 60))[2]
    assert {(change.decision_id, change.revision) for change in changes} == {(decision_id(*KEY, 5), 5)}
    assert [change.payment.decision_id for change in changes] == [decision_id(*KEY, 1), decision_id(*KEY, 5)]


# Who is paid.


@pytest.mark.parametrize(
    ("state", "after", "batch", "reason"),
    [
        ("authorised", "authorised", None, None),
        ("held", "held", None, "frozen"),
        ("batched", "authorised", None, None),
        ("approved", "held", None, "payee_changed"),
    ],
)
@pytest.mark.parametrize("payee", [BEK, None])
def test_before_submission_a_payment_follows_the_payee_out_of_its_batch_and_tells_nobody(
    state: State, after: State, batch: str | None, reason: str | None, payee: str | None
) -> None:
    refund = put(held(decision(1, 100)), 1, state)
    outcome, moved, changes = entitle(refund, decision(2, 100, payee=payee))
    payment = payment_of(moved, 1)
    assert (outcome, changes) == ("changed", ())
    assert (payment.state, payment.batch_id, payment.held_for, payment.payee_digest) == (after, batch, reason, payee)
    assert (moved.payee_digest, moved.payee_sealed) == (payee, f"sealed-{payee}" if payee else None)
    assert payment.decision_id == decision_id(*KEY, 1)


@pytest.mark.parametrize("state", ["authorised", "held", "batched", "approved", "rejected"])
def test_the_same_payee_leaves_a_payment_where_it_is(state: State) -> None:
    refund = put(held(decision(1, 100)), 1, state)
    assert entitle(refund, decision(2, 100))[1].payments == refund.payments


def test_a_payee_sealed_anew_under_the_same_digest_stays_as_it_was() -> None:
    def sealed(revision: int, text: str | None, digest: str | None) -> Decision:
        return Decision(USCC, "refund", "2019", revision, 100, "650100", decision_id(*KEY, revision), text, digest)

    refund = held(sealed(1, "first", ALI), sealed(2, "to-a-newer-key", ALI))
    assert refund.payee_sealed == "first"
    assert entitle(refund, sealed(3, "of-another", BEK))[1].payee_sealed == "of-another"
    # Without a digest nobody can say that it is the same.
    unnamed = held(sealed(1, "first", None), sealed(2, "second", None))
    assert unnamed.payee_sealed == "second"
    # Gone and come back is news: nothing is kept of an account that a decision took away.
    gone = entitle(refund, sealed(3, None, None))[1]
    assert gone.payee_sealed is None
    assert entitle(gone, sealed(4, "again", ALI))[1].payee_sealed == "again"


@pytest.mark.parametrize("state", ["submitted", "unknown", "settled"])
def test_from_submission_on_the_payee_stays_and_nothing_is_cancelled(state: State) -> None:
    refund = put(held(decision(1, 100)), 1, state)
    moved = entitle(refund, decision(2, 100, payee=BEK))[1]
    assert moved.payments == refund.payments
    assert moved.payee_digest == BEK
    # A top-up goes to the new account.
    after, changes = entitle(moved, decision(3, 130, payee=BEK))[1:]
    assert steps(changes) == [("authorised", 2, 30)]
    assert [payment.payee_digest for payment in after.payments] == [ALI, BEK]


def test_what_the_bank_refused_is_given_up_and_paid_anew_to_another_account() -> None:
    refund = put(put(held(decision(1, 100), decision(2, 150)), 1, "rejected"), 2, "settled")
    _, after, changes = entitle(refund, decision(3, 150, payee=BEK))
    assert steps(changes) == [("cancelled", 1, 100), ("authorised", 3, 100)]
    refused, _, anew = after.payments
    # It stays on the list of the batch that it went in: the bank's message names it.
    assert (refused.state, refused.batch_id, refused.payee_digest) == ("cancelled", BATCH, ALI)
    assert (anew.amount_fen, anew.payee_digest, anew.number) == (100, BEK, 3)


def test_what_the_bank_refused_waits_while_no_other_account_is_known() -> None:
    refund = put(held(decision(1, 100)), 1, "rejected")
    _, after, changes = entitle(refund, decision(2, 100, payee=None))
    assert (changes, after.payments) == ((), refund.payments)
    assert told(after, decision(3, 100, payee=BEK)) == [("cancelled", 1, 100), ("authorised", 2, 100)]


def test_what_the_bank_refused_is_cancelled_when_less_is_due() -> None:
    refund = put(held(decision(1, 100)), 1, "rejected")
    assert told(refund, decision(2, 40)) == [("cancelled", 1, 100), ("authorised", 2, 40)]


# What was paid beyond what is due.


def test_what_was_paid_too_much_is_claimed_back_once() -> None:
    _, after, changes = entitle(paid(100), decision(2, 30))
    claim = clawback_id(payment_id(*KEY, 1), 1)
    assert [(one.change, one.amount_fen, one.clawback_id, one.decision_id, one.revision) for one in changes] == [
        ("clawback_raised", 70, claim, decision_id(*KEY, 2), 2)
    ]
    assert after.raised == (Clawback(claim, payment_id(*KEY, 1), 70),)
    assert (after.payments[0].state, after.payments[0].clawed_fen, after.payments[0].clawbacks) == ("settled", 70, 1)
    assert entitle(after, decision(2, 30)) == ("repeat", after, ())
    assert told(after, decision(3, 30)) == []


def test_claims_go_to_the_newest_payment_first_and_never_above_what_it_paid() -> None:
    assert told(paid(100, 50, 25), decision(4, 90)) == [
        ("clawback_raised", 3, 25),
        ("clawback_raised", 2, 50),
        ("clawback_raised", 1, 10),
    ]


def test_a_second_claim_on_one_payment_is_another_claim_for_the_rest() -> None:
    first = entitle(paid(100), decision(2, 70))[1]
    _, after, changes = entitle(first, decision(3, 0))
    assert steps(changes) == [("clawback_raised", 1, 70)]
    assert [claim.clawback_id for claim in after.raised] == [clawback_id(payment_id(*KEY, 1), n) for n in (1, 2)]
    assert (after.payments[0].clawed_fen, after.payments[0].clawbacks) == (100, 2)
    assert told(after, decision(4, 0)) == []


def test_a_payment_that_is_claimed_back_whole_is_passed_over() -> None:
    first = entitle(paid(100, 50), decision(3, 90))[1]
    assert [payment.clawed_fen for payment in first.payments] == [10, 50]
    assert told(first, decision(4, 70)) == [("clawback_raised", 1, 20)]


def test_what_is_not_paid_yet_is_cancelled_before_anything_is_claimed_back() -> None:
    refund = put(put(held(decision(1, 100), decision(2, 150), decision(3, 160)), 1, "settled"), 2, "rejected")
    assert told(refund, decision(4, 80)) == [
        ("cancelled", 3, 10),
        ("cancelled", 2, 50),
        ("clawback_raised", 1, 20),
    ]


@pytest.mark.parametrize("state", ["submitted", "unknown"])
def test_nothing_is_claimed_back_while_anything_is_with_the_bank(state: State) -> None:
    refund = put(put(held(decision(1, 100), decision(2, 150)), 1, "settled"), 2, state)
    _, after, changes = entitle(refund, decision(3, 0))
    assert (changes, after.payments, after.amount_fen, after.live_fen) == ((), refund.payments, 0, 150)
    # What never went out goes at once, even so.
    third = entitle(refund, decision(3, 170))[1]
    assert told(third, decision(4, 0)) == [("cancelled", 3, 20)]


def test_more_due_after_a_claim_is_a_further_payment_and_leaves_the_claim() -> None:
    claimed = entitle(paid(100), decision(2, 30))[1]
    _, after, changes = entitle(claimed, decision(3, 80))
    assert steps(changes) == [("authorised", 2, 50)]
    assert after.payments[0] == claimed.payments[0]
    assert after.raised == claimed.raised
    assert states(after) == ["settled", "authorised"]
    # And less again takes the further payment back before it claims anything more.
    assert told(after, decision(4, 20)) == [("cancelled", 2, 50), ("clawback_raised", 1, 10)]


# What moves nothing.


def test_repeats_and_lower_revisions_change_nothing() -> None:
    refund = held(decision(3, 100))
    assert entitle(refund, decision(3, 100)) == ("repeat", refund, ())
    assert entitle(refund, decision(2, 900)) == ("superseded", refund, ())


def test_one_revision_with_two_amounts_contradicts_itself() -> None:
    with pytest.raises(Contradiction, match="100 fen before and with 99 fen now"):
        entitle(held(decision(3, 100)), decision(3, 99))


@pytest.mark.parametrize("before", [None, held(decision(1, 100))])
def test_money_without_a_place_contradicts_itself(before: Refund | None) -> None:
    with pytest.raises(Contradiction, match="names no prefecture"):
        entitle(before, decision(2, 100, None))


def test_a_denial_needs_no_place() -> None:
    after, changes = entitle(held(decision(1, 100)), decision(2, 0, None))[1:]
    assert (after.prefecture, steps(changes)) == (None, [("cancelled", 1, 100)])
