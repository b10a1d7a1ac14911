import pytest

from services.payments.domain.decision import Contradiction, Decision
from services.payments.domain.life import State
from services.payments.domain.refund import Payment, Refund, entitle
from shared.ids import payment_id

USCC = "91650100MA7ABCDE18"
ALI, BEK = "a" * 32, "b" * 32


def decision(revision: int, amount_fen: int, prefecture: str | None = "650100", payee: str | None = ALI) -> Decision:
    sealed = f"sealed-{payee}" if payee else None
    return Decision(USCC, "refund", "2019", revision, amount_fen, prefecture, f"{revision:032x}", sealed, payee)


def held(*decisions: Decision) -> Refund:
    refund: Refund | None = None
    for one in decisions:
        refund = entitle(refund, one)[1]
    assert refund is not None
    return refund


def told(refund: Refund | None, one: Decision) -> list[tuple[str, int, int]]:
    return [(change.change, change.payment.number, change.payment.amount_fen) for change in entitle(refund, one)[2]]


def test_a_first_grant_authorises_one_payment() -> None:
    outcome, after, changes = entitle(None, decision(1, 500))
    first = Payment(
        1, payment_id(USCC, "refund", "2019", 1), 500, "authorised", "650100", f"{1:032x}", f"sealed-{ALI}", ALI
    )
    assert (outcome, after) == ("changed", Refund(1, 500, 1, (first,)))
    assert [(change.change, change.payment) for change in changes] == [("authorised", first)]


def test_more_due_is_a_further_payment_for_the_difference() -> None:
    assert told(held(decision(1, 500)), decision(2, 650)) == [("authorised", 2, 150)]


@pytest.mark.parametrize(
    ("due", "steps"),
    [
        (150, []),
        (149, [("cancelled", 2, 50), ("authorised", 3, 49)]),
        (100, [("cancelled", 2, 50)]),
        (99, [("cancelled", 2, 50), ("cancelled", 1, 100), ("authorised", 3, 99)]),
        (0, [("cancelled", 2, 50), ("cancelled", 1, 100)]),
    ],
)
def test_less_due_cancels_the_newest_and_tops_up(due: int, steps: list[tuple[str, int, int]]) -> None:
    assert told(held(decision(1, 100), decision(2, 150)), decision(3, due)) == steps


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


def test_another_payee_replaces_the_payee_and_tells_nobody() -> None:
    outcome, after, changes = entitle(held(decision(1, 100)), decision(2, 100, payee=BEK))
    assert (outcome, changes) == ("changed", ())
    assert [(payment.payee_sealed, payment.payee_digest) for payment in after.payments] == [(f"sealed-{BEK}", BEK)]
    assert after.payments[0].decision_id == f"{1:032x}"


def test_a_payee_sealed_anew_under_the_same_digest_stays_as_it_was() -> None:
    again = Decision(USCC, "refund", "2019", 2, 100, "650100", f"{2:032x}", "sealed-to-a-newer-key", ALI)
    assert entitle(held(decision(1, 100)), again)[1].payments[0].payee_sealed == f"sealed-{ALI}"


@pytest.mark.parametrize("state", ["submitted", "unknown", "settled", "rejected"])
def test_from_submission_on_the_payee_stays_and_nothing_is_cancelled(state: State) -> None:
    payment = Payment(1, payment_id(USCC, "refund", "2019", 1), 100, state, "650100", "0" * 32, "sealed", ALI)
    under_way = Refund(1, 100, 1, (payment,))
    assert entitle(under_way, decision(2, 100, payee=BEK))[1].payments == (payment,)
    with pytest.raises(Contradiction, match="has to be claimed back"):
        entitle(under_way, decision(2, 99))
    assert told(under_way, decision(2, 130)) == [("authorised", 2, 30)]


def test_repeats_and_lower_revisions_change_nothing() -> None:
    refund = held(decision(3, 100))
    assert entitle(refund, decision(3, 100)) == ("repeat", refund, ())
    assert entitle(refund, decision(2, 900)) == ("superseded", refund, ())


def test_one_revision_with_two_amounts_contradicts_itself() -> None:
    with pytest.raises(Contradiction, match="100 fen before and with 99 fen now"):
        entitle(held(decision(3, 100)), decision(3, 99))


def test_money_without_a_place_contradicts_itself() -> None:
    with pytest.raises(Contradiction, match="names no prefecture"):
        entitle(None, decision(1, 100, None))
