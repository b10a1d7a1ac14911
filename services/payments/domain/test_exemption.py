import pytest

from services.payments.domain.decision import Contradiction, Decision
from services.payments.domain.exemption import Exemption, ExemptionChange, insurance_and_period, waive


def decision(revision: int, amount_fen: int, prefecture: str | None = "650100") -> Decision:
    return Decision(
        "91650100MA7ABCDE18", "exemption", "pension/2020-02", revision, amount_fen, prefecture, f"{revision:032x}"
    )


def test_a_first_grant_is_granted() -> None:
    outcome, after, change = waive(None, decision(1, 700))
    assert (outcome, after) == ("changed", Exemption(1, 700, "650100"))
    assert change == ExemptionChange("granted", 700, 700, "650100")


def test_more_or_less_is_amended_by_the_difference_to_what_is_held() -> None:
    held = Exemption(1, 700, "650100")
    assert waive(held, decision(2, 900))[2] == ExemptionChange("amended", 900, 200, "650100")
    assert waive(held, decision(2, 1))[2] == ExemptionChange("amended", 1, -699, "650100")


def test_nothing_any_more_is_revoked_and_may_come_without_a_prefecture() -> None:
    outcome, after, change = waive(Exemption(1, 700, "650100"), decision(2, 0, None))
    assert change == ExemptionChange("revoked", 0, -700, "650100")
    assert after == Exemption(2, 0, None)
    assert outcome == "changed"


def test_granted_again_after_a_revocation_is_granted_where_the_new_decision_says() -> None:
    assert waive(Exemption(2, 0, None), decision(3, 5, "653100"))[2] == ExemptionChange("granted", 5, 5, "653100")


def test_while_something_is_waived_it_stays_in_its_prefecture() -> None:
    held = Exemption(1, 700, "650100")
    _, held, change = waive(held, decision(2, 900, "653100"))
    assert change == ExemptionChange("amended", 900, 200, "650100")
    assert waive(held, decision(3, 0, "653100"))[2] == ExemptionChange("revoked", 0, -900, "650100")


def test_the_same_amount_moves_nothing_but_the_revision() -> None:
    assert waive(Exemption(1, 700, "650100"), decision(4, 700, "653100")) == (
        "changed",
        Exemption(4, 700, "650100"),
        None,
    )
    assert waive(None, decision(1, 0, None)) == ("changed", Exemption(1, 0, None), None)


def test_repeats_and_lower_revisions_change_nothing() -> None:
    held = Exemption(5, 700, "650100")
    assert waive(held, decision(5, 700)) == ("repeat", held, None)
    assert waive(held, decision(4, 1)) == ("superseded", held, None)


def test_one_revision_with_two_amounts_contradicts_itself() -> None:
    with pytest.raises(Contradiction, match="700 fen before and with 701 fen now"):
        waive(Exemption(5, 700, "650100"), decision(5, 701))


def test_money_without_a_place_contradicts_itself() -> None:
    with pytest.raises(Contradiction, match="names no prefecture"):
        waive(None, decision(1, 700, None))


def test_keys_are_taken_apart() -> None:
    assert insurance_and_period("work_injury/2020-06") == ("work_injury", "2020-06")


@pytest.mark.parametrize(
    "key", ["", "pension", "pension/", "pension/2020-13", "pension/2020-2", "Pension/2020-02", "pension/2020-02/x",
            "maternity/2020-02", "pension/2o20-02", "pension/202002", "pension/2020-00", "pension/1820-01"]
)  # fmt: skip
def test_other_keys_are_no_exemption(key: str) -> None:
    with pytest.raises(Contradiction, match="is not <insurance>/<YYYY-MM>"):
        insurance_and_period(key)
