"""How accounts stand, worked out from the policy by hand. 600 fen are six instalments of 100."""

from dataclasses import replace

import pytest

from .oracle import judge
from .oracle_events import Event, applied, bill, bill_paid, changed, disconnection, line, registered, uscc, withdrawn
from .oracle_holdovers import Known, Stand, stands
from .oracle_records import BILL

FIRM = uscc(1)
GAS = (FIRM, "gas", "gas-1", "7")
BEGIN = [registered(FIRM), applied(FIRM, "a1", "2020-03-02", "gas"), bill(FIRM, "b1", 600)]
DUE = ("2020-07-31", "2020-08-31", "2020-09-30", "2020-10-31", "2020-11-30", "2020-12-31")


def stand(day: str, *events: Event, begin: list[Event] = BEGIN, **known_on: str) -> Stand:
    """Of the gas account. `known_on`: by event id, with `_` for `-`; everything else is known from February on."""
    verdicts = judge(line(one) for one in (*begin, *events))
    assert not verdicts.rejected
    facts = {(fact.uscc, fact.event_id): "2020-02-20" for fact in verdicts.facts}
    facts |= {(FIRM, name.replace("_", "-")): on for name, on in known_on.items()}
    granted = {(FIRM, key): "2020-03-02" for (_, measure, key) in verdicts.decisions if measure == "holdover"}
    return stands(verdicts.facts, verdicts.decisions, Known(facts, granted, day))[GAS]


def paid(payment: str, fen: int, on: str, of: str = "b1") -> Event:
    return changed(bill_paid(FIRM, of, payment, fen), paid_on=on)


def piles(stands: Stand) -> list[tuple[int, int]]:
    return [(one.amount_fen, one.paid_fen) for one in stands.instalments]


@pytest.mark.parametrize(
    ("day", "state"),
    [("2020-06-30", "open"), ("2020-07-01", "repaying"), ("2020-08-15", "repaying"), ("2020-08-16", "defaulted")],
)
def test_an_account_that_pays_nothing(day: str, state: str) -> None:
    assert stand(day).state == state


def test_instalments_are_on_the_months_last_days_with_the_odd_fen_first() -> None:
    found = stand("2020-07-01", begin=[*BEGIN[:2], bill(FIRM, "b1", 605)])
    assert [one.due_on for one in found.instalments] == list(DUE)
    assert piles(found) == [(105, 0), *[(100, 0)] * 5]


def test_what_is_paid_before_repayment_lowers_its_bill_and_later_the_oldest_instalment() -> None:
    found = stand("2020-07-20", paid("early", 60, "2020-05-05"), paid("late", 130, "2020-07-05"),
                  bill_paid_late="2020-07-05")  # fmt: skip
    assert (found.bills_fen, found.lowered_fen, found.repaid_fen) == (600, 60, 130)
    assert found.deferred_fen == {"b1": 540}
    assert piles(found)[:3] == [(90, 90), (90, 40), (90, 0)]


@pytest.mark.parametrize(
    ("on", "known_on", "state"),
    [
        ("2020-08-15", "2020-08-15", "repaying"),
        ("2020-08-16", "2020-08-16", "defaulted"),
        ("2020-08-15", "2020-08-20", "repaying"),
        ("2020-08-20", "2020-08-15", "repaying"),
    ],
)
def test_an_instalment_is_in_time_up_to_the_last_day_of_grace(on: str, known_on: str, state: str) -> None:
    assert stand("2020-08-21", paid("p", 100, on), bill_paid_p=known_on).state == state


def test_all_paid_is_completed_and_on_the_day_after_the_grace_it_is_too_late() -> None:
    assert stand("2020-07-20", paid("p", 600, "2020-07-10"), bill_paid_p="2020-07-10").state == "completed"
    assert stand("2020-09-01", paid("p", 600, "2020-08-16"), bill_paid_p="2020-08-16").state == "defaulted"


def test_what_was_announced_stands_and_a_correction_goes_to_the_rest() -> None:
    more, less = bill(FIRM, "b1", 650, version=2), bill(FIRM, "b1", 550, version=2)
    assert piles(stand("2020-07-25", more, bill_b1_2="2020-07-24"))[:2] == [(100, 0), (110, 0)]
    assert piles(stand("2020-07-25", less, bill_b1_2="2020-07-24"))[:2] == [(100, 0), (90, 0)]
    assert stand("2020-07-25", more, bill_b1_2="2020-07-24").corrected


def test_a_correction_below_what_was_announced_spares_the_oldest() -> None:
    found = stand("2020-09-01", bill(FIRM, "b1", 130, version=2), bill_b1_2="2020-08-25")
    assert piles(found) == [(100, 0), (30, 0), (0, 0), (0, 0), (0, 0), (0, 0)]


def test_a_bill_after_the_last_announcement_is_one_instalment_more() -> None:
    found = stand("2020-12-27", paid("p", 600, "2020-12-01"), bill(FIRM, "b2", 40),
                  bill_paid_p="2020-12-01", bill_b2_1="2020-12-26")  # fmt: skip
    assert (found.instalments[-1].due_on, found.instalments[-1].amount_fen) == ("2021-01-31", 40)


def test_bills_that_are_in_no_holdover_say_why() -> None:
    others = [
        changed(bill(FIRM, "home", 10), production_use=False),
        changed(bill(FIRM, "july", 10), due_on="2020-07-01"),
        changed(bill(FIRM, "june", 10), due_on="2020-06-30"),
    ]
    found = stand("2020-06-30", *others)
    assert found.left_out == {"home": "not_production", "july": "outside_window"}
    assert found.bills_fen == 610
    denied = [BEGIN[0], applied(FIRM, "a1", "2020-03-02", "gas", difficulty=False), BEGIN[2]]
    assert stand("2020-06-30", begin=denied).left_out == {"b1": "no_grant"}
    assert stand("2020-06-30", begin=denied).state == "denied"


def test_without_an_application_or_a_registration_nothing_is_deferred() -> None:
    assert stand("2020-06-30", begin=[BEGIN[0], BEGIN[2]]).state == "none"
    assert stand("2020-06-30", begin=BEGIN[1:]).state == "applied"
    assert stand("2020-06-30", disconnection(FIRM, "r1"), begin=BEGIN[:2]).state == "granted"


def test_a_withdrawal_ends_it_from_its_day_unless_it_had_ended() -> None:
    back = withdrawn(FIRM, "a1", "2020-05-04")
    assert stand("2020-05-03", back, withdrawn_a1="2020-05-10").state == "open"
    assert stand("2020-05-10", back, withdrawn_a1="2020-05-10").state == "withdrawn"
    late = withdrawn(FIRM, "a1", "2020-09-01")
    assert stand("2020-09-02", late, withdrawn_a1="2020-09-01").state == "defaulted"


def test_a_supply_may_be_cut_unless_it_is_protected_or_undecided_or_there_is_none() -> None:
    in_force, over = stand("2020-06-30"), stand("2020-08-16")
    assert [in_force.may_cut("gas"), over.may_cut("gas"), over.may_cut("provident_fund")] == [False, True, False]
    assert not stand("2020-06-30", begin=BEGIN[1:]).may_cut("gas")


def test_a_bill_on_another_account_takes_its_payments_along() -> None:
    moved = changed(bill(FIRM, "b1", 600, version=2), account_no="8")
    verdicts = judge(line(one) for one in [*BEGIN, paid("p", 60, "2020-05-05"), moved])
    facts = {(fact.uscc, fact.event_id): "2020-02-20" for fact in verdicts.facts}
    found = stands(verdicts.facts, verdicts.decisions, Known(facts, {(FIRM, "a1"): "2020-03-02"}, "2020-06-30"))
    assert {account[3]: one.deferred_fen for account, one in found.items()} == {"7": {}, "8": {"b1": 540}}
    assert [fact.version for fact in verdicts.facts if fact.type == BILL] == [1, 2]
    assert replace(found[GAS], state="open").lowered_fen == 0


def test_a_correction_on_the_very_day_that_repayment_begins_leaves_what_was_told_before_it() -> None:
    moved = changed(bill(FIRM, "b1", 600, version=2), account_no="8")
    for second in (moved, bill(FIRM, "b1", 500, version=2)):
        assert stand("2020-07-25", second, bill_b1_2="2020-07-01").corrected
        assert not stand("2020-07-25", second, bill_b1_2="2020-06-30").corrected
    assert not stand("2020-07-25").corrected
