"""A holdover from its application to its end, as the utilities are told of it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from services.holdover.cases import FUND, POWER, WATER
from services.holdover.life_cases import BEGINS, Life


def test_the_grant_opens_it_where_a_bill_is_known(life: Life) -> None:
    logs = life.logs
    assert life.take(logs.applied("a1"), logs.bill("b1", 600)) == []
    assert life.take(logs.decided("a1")) == ["opened", "supply_protected", "bill_deferred"]
    opened, order, bill = (one.data for one in life.told)
    assert opened.application_id == "a1"
    assert (order.from_on, order.until_on) == (date(2020, 2, 10), date(2021, 1, 15))
    assert (bill.bill_id, bill.amount_fen, bill.total_fen) == ("b1", 600, 600)


def test_the_first_bill_opens_it_after_the_grant(life: Life) -> None:
    logs = life.logs
    assert life.take(logs.applied("a1"), logs.decided("a1")) == []
    assert life.take(logs.bill("b1", 600)) == ["opened", "supply_protected", "bill_deferred"]
    assert life.take(logs.bill("b2", 30)) == ["bill_deferred"]
    assert life.told[0].data.total_fen == 630


@pytest.mark.parametrize(
    ("due_on", "in_it"),
    [
        (date(2020, 1, 31), False),
        (date(2020, 2, 1), True),
        (date(2020, 6, 30), True),
        (date(2020, 7, 1), False),
    ],
)
def test_bills_due_in_the_window_are_in_it(opened: Life, due_on: date, in_it: bool) -> None:
    assert opened.take(opened.logs.bill("b2", 30, due_on=due_on)) == ["bill_deferred"] * in_it
    assert opened.now().left_out == ({} if in_it else {"b2": "outside_window"})
    assert opened.now().open_fen == 600 + 30 * in_it


def test_a_bill_for_the_dormitory_is_left_out_and_said_so(opened: Life) -> None:
    assert opened.take(opened.logs.bill("b2", 30, production_use=False)) == []
    assert opened.now().left_out == {"b2": "not_production"}


def test_a_correction_takes_the_place_of_the_bill(opened: Life) -> None:
    logs = opened.logs
    assert opened.take(logs.bill("b1", 500, version=3)) == ["bill_deferred"]
    assert (opened.told[0].data.amount_fen, opened.told[0].data.total_fen) == (500, 500)
    assert opened.take(logs.bill("b1", 900, version=2)) == []
    assert opened.take(logs.bill("b1", 500, version=4, production_use=False)) == ["bill_deferred"]
    assert (opened.told[0].data.amount_fen, opened.now().open_fen) == (0, 0)


def test_a_correction_may_move_a_bill_to_another_account(opened: Life) -> None:
    moved = opened.logs.bill("b1", 600, version=2, account=POWER._replace(account_no="0002"))
    assert opened.take(moved) == ["bill_deferred", "opened", "supply_protected", "bill_deferred"]
    assert [one.data.account_no for one in opened.told] == ["0001", "0002", "0002", "0002"]
    assert [one.data.total_fen for one in opened.told if hasattr(one.data, "total_fen")] == [0, 600]


def test_a_payment_lowers_the_bill_it_names_while_deferred(opened: Life) -> None:
    logs = opened.logs
    opened.take(logs.bill("b2", 30))
    assert opened.take(logs.paid("p1", "b1", 100, date(2020, 3, 1))) == ["bill_deferred"]
    assert (opened.told[0].data.amount_fen, opened.told[0].data.total_fen) == (500, 530)
    now = opened.now()
    assert (now.bills_fen, now.paid_fen, now.open_fen, now.surplus_fen) == (630, 100, 530, 0)


def test_the_provident_fund_is_deferred_and_has_no_supply_to_protect(life: Life) -> None:
    logs = life.logs
    life.take(logs.applied("a1", "provident_fund"), logs.bill("f1", 600, account=FUND))
    assert life.take(logs.decided("a1")) == ["opened", "bill_deferred"]
    assert life.take(logs.asked("r1", FUND)) == ["disconnection_refused"]
    assert life.told[0].data.order_id is None
    life.day(BEGINS)
    assert life.day(date(2020, 8, 16)) == ["instalment_due", "instalment_overdue", "defaulted"]


def test_a_request_is_refused_with_the_order_and_its_last_day(opened: Life) -> None:
    assert opened.take(opened.logs.asked("r1")) == ["disconnection_refused"]
    answer = opened.told[0].data
    assert (answer.request_id, answer.order_id) == ("r1", opened.order())
    assert "2021-01-15" in answer.reason
    assert opened.take(opened.logs.asked("r1")) == []


def test_a_request_is_refused_while_an_application_is_undecided(life: Life) -> None:
    logs = life.logs
    assert life.take(logs.asked("r1")) == ["disconnection_allowed"]
    life.take(logs.applied("a1"))
    assert life.take(logs.asked("r2")) == ["disconnection_refused"]
    assert life.told[0].data.order_id is None
    assert life.take(logs.asked("r3", WATER)) == ["disconnection_allowed"]
    life.take(logs.decided("a1", "pending"))
    assert life.take(logs.asked("r4")) == ["disconnection_refused"]
    life.take(logs.decided("a1", "denied", 2))
    assert life.take(logs.asked("r5")) == ["disconnection_allowed"]


def test_a_request_before_the_grant_was_allowed_and_the_protection_is_told(life: Life) -> None:
    logs = life.logs
    life.take(logs.bill("b1", 600))
    assert life.take(logs.asked("r1")) == ["disconnection_allowed"]
    life.take(logs.applied("a1"))
    assert life.take(logs.decided("a1")) == ["opened", "supply_protected", "bill_deferred"]


def test_the_request_and_the_grant_of_one_batch_are_answered_in_their_order(opened: Life) -> None:
    logs = opened.logs
    ended = logs.decided("a1", "denied", 2)
    assert opened.take(logs.asked("r1"), ended, logs.asked("r2")) == [
        "disconnection_refused",
        "protection_ended",
        "withdrawn",
        "disconnection_allowed",
    ]


def test_repayment_begins_on_its_day_and_an_instalment_is_announced_a_week_ahead(opened: Life) -> None:
    assert opened.day(BEGINS - timedelta(days=1)) == []
    assert opened.now().state == "open"
    assert opened.day(BEGINS) == []
    assert opened.now().state == "repaying"
    assert [one.amount_fen for one in opened.now().instalments] == [100] * 6
    assert opened.day(date(2020, 7, 23)) == []
    assert opened.day(date(2020, 7, 24)) == ["instalment_due"]
    due = opened.told[0].data
    assert (due.number, due.due_on, due.amount_fen, due.on) == (1, date(2020, 7, 31), 100, date(2020, 7, 24))


def test_overdue_on_the_day_after_and_in_default_after_the_grace(repaying: Life) -> None:
    assert repaying.day(date(2020, 7, 31)) == ["instalment_due"]
    assert repaying.day(date(2020, 8, 1)) == ["instalment_overdue"]
    assert repaying.day(date(2020, 8, 15)) == []
    assert repaying.take(repaying.logs.asked("r1")) == ["disconnection_refused"]
    order = repaying.order()
    assert repaying.day(date(2020, 8, 16)) == ["protection_ended", "defaulted"]
    ended, defaulted = (one.data for one in repaying.told)
    assert ended.order_id == order
    assert (defaulted.paid_fen, defaulted.open_fen) == (0, 600)
    assert repaying.take(repaying.logs.asked("r2")) == ["disconnection_allowed"]
    assert repaying.day(date(2021, 3, 1)) == []


@pytest.mark.parametrize(
    ("paid_on", "cured"), [(date(2020, 8, 14), True), (date(2020, 8, 15), True), (date(2020, 8, 16), False)]
)
def test_a_payment_dated_in_time_cures(repaying: Life, paid_on: date, cured: bool) -> None:
    repaying.day(date(2020, 8, 20))
    before = repaying.order()
    told = repaying.take(repaying.logs.paid("p1", "b1", 100, paid_on))
    assert told == (["opened", "supply_protected"] if cured else []) + ["instalment_paid"]
    assert repaying.now().state == ("repaying" if cured else "defaulted")
    assert (repaying.order() is not None) == cured
    assert before is None


def test_a_payment_of_a_fen_too_little_does_not_cure(repaying: Life) -> None:
    repaying.day(date(2020, 8, 20))
    assert repaying.take(repaying.logs.paid("p1", "b1", 99, date(2020, 8, 1))) == ["instalment_paid"]
    assert repaying.now().state == "defaulted"


def test_a_payment_pays_the_oldest_instalment_first_whatever_bill_it_names(life: Life) -> None:
    logs = life.logs
    life.take(logs.applied("a1"), logs.bill("b1", 600), logs.bill("b2", 60), logs.decided("a1"))
    life.day(BEGINS)
    assert life.take(logs.paid("p1", "b2", 150, date(2020, 7, 5))) == ["instalment_paid", "instalment_paid"]
    assert [(one.data.number, one.data.amount_fen) for one in life.told] == [(1, 110), (2, 40)]
    assert life.day(date(2020, 8, 24)) == ["instalment_due"]
    assert (life.told[0].data.number, life.told[0].data.amount_fen) == (2, 70)


def test_each_part_is_told_of_the_payment_that_it_came_with(repaying: Life) -> None:
    logs = repaying.logs
    repaying.take(logs.paid("p1", "b1", 130, date(2020, 7, 5)))
    assert repaying.take(logs.paid("p2", "b1", 90, date(2020, 7, 6))) == ["instalment_paid", "instalment_paid"]
    assert [(one.data.payment_id, one.data.number, one.data.amount_fen) for one in repaying.told] == [
        ("p2", 2, 70),
        ("p2", 3, 20),
    ]


def test_what_happens_on_the_day_itself_finds_nothing_overdue(repaying: Life) -> None:
    assert repaying.day(date(2020, 7, 31)) == ["instalment_due"]
    assert repaying.take(repaying.logs.bill("b2", 10, production_use=False)) == []
    assert repaying.take(repaying.logs.paid("p1", "b1", 1, date(2020, 7, 31))) == ["instalment_paid"]


def test_early_repayment_completes_it(repaying: Life) -> None:
    paid = repaying.logs.paid("p1", "b1", 600, date(2020, 7, 5))
    assert repaying.take(paid) == ["instalment_paid"] * 6 + ["protection_ended", "completed"]
    assert (repaying.told[-1].data.paid_fen, repaying.told[-1].data.open_fen) == (600, 0)
    assert repaying.take(repaying.logs.asked("r1")) == ["disconnection_allowed"]


def test_what_was_paid_before_repayment_begins_is_completed_on_that_day(opened: Life) -> None:
    opened.take(opened.logs.paid("p1", "b1", 600, date(2020, 3, 1)))
    assert opened.now().state == "open"
    assert opened.day(BEGINS) == ["protection_ended", "completed"]


def test_taking_the_application_back_ends_it(opened: Life) -> None:
    order = opened.order()
    assert opened.take(opened.logs.withdrawn("a1", date(2020, 2, 10))) == ["protection_ended", "withdrawn"]
    assert opened.told[0].data.order_id == order
    assert (opened.told[1].data.paid_fen, opened.told[1].data.open_fen) == (0, 600)
    assert opened.take(opened.logs.asked("r1")) == ["disconnection_allowed"]
    assert opened.day(date(2021, 3, 1)) == []


def test_taking_it_back_after_the_default_changes_nothing(repaying: Life) -> None:
    repaying.day(date(2020, 8, 20))
    assert repaying.take(repaying.logs.withdrawn("a1", date(2020, 8, 20))) == []
    assert repaying.now().state == "defaulted"
    # But a payment in time undoes the default, and then it was taken back before any end.
    assert repaying.take(repaying.logs.paid("p1", "b1", 100, date(2020, 8, 1))) == ["withdrawn"]
    assert repaying.now().state == "withdrawn"


def test_a_grant_revised_to_a_denial_ends_it_and_back_again(opened: Life) -> None:
    logs, first = opened.logs, opened.order()
    opened.take(logs.paid("p1", "b1", 100, date(2020, 3, 1)))
    assert opened.take(logs.decided("a1", "denied", 2)) == ["protection_ended", "withdrawn"]
    assert (opened.told[1].data.paid_fen, opened.told[1].data.open_fen) == (100, 500)
    assert (opened.now().state, opened.now().left_out) == ("denied", {"b1": "no_grant"})
    assert opened.take(logs.decided("a1", "granted", 3)) == ["opened", "supply_protected"]
    assert opened.order() not in (None, first)
    assert opened.take(logs.decided("a1", "denied", 2)) == []


def test_a_late_grant_has_all_its_instalments_before_it(life: Life) -> None:
    """Whoever waited for a decision is not in default by it."""
    logs = life.logs
    life.take(logs.applied("a1"), logs.bill("b1", 600))
    life.day(date(2020, 9, 10))
    assert life.take(logs.decided("a1")) == ["opened", "supply_protected", "bill_deferred"]
    assert life.now().state == "repaying"
    assert [one.due_on for one in life.now().instalments][::5] == [date(2020, 9, 30), date(2021, 2, 28)]
    assert life.told[1].data.until_on == date(2021, 3, 15)


def test_a_day_counts_once_it_has_started_in_both_logs(repaying: Life) -> None:
    """What was accepted before it is taken before it: else a payment in the log would come after its default."""
    logs, day = repaying.logs, date(2020, 8, 20)
    paid = logs.paid("p1", "b1", 100, date(2020, 7, 30))
    assert repaying.take(logs.passed_on(day), paid, logs.known(day)) == ["instalment_paid"]
    assert repaying.take(logs.bill("b2", 1)) == ["bill_deferred"]
    assert repaying.now().state == "repaying"


def test_a_withdrawal_counts_from_its_day_though_the_facts_are_read_ahead(opened: Life) -> None:
    logs, day = opened.logs, date(2020, 8, 20)
    assert opened.take(logs.known(day), logs.withdrawn("a1", day)) == []
    assert opened.order() is not None
    asked = logs.asked("r1")
    assert opened.take(logs.passed_on(day), asked)[-3:] == ["protection_ended", "defaulted", "disconnection_allowed"]


def test_a_payment_completes_on_its_day_though_the_facts_are_read_ahead(repaying: Life) -> None:
    """Before it the first instalment outlasted its grace."""
    logs, day = repaying.logs, date(2020, 8, 20)
    assert repaying.take(logs.known(day), logs.paid("p1", "b1", 600, day)) == ["instalment_paid"] * 6
    assert repaying.take(logs.passed_on(day), logs.asked("r1"))[:2] == ["protection_ended", "defaulted"]


def test_days_that_start_at_once_tell_what_days_one_by_one_do() -> None:
    def run(days: Sequence[date]) -> list[dict[str, Any]]:
        life = Life()
        logs = life.logs
        logs.day(date(2020, 2, 10))
        life.take(*logs.facts, *logs.decisions, logs.applied("a1", "electricity", "water"), logs.bill("b1", 600))
        life.take(logs.bill("w1", 60, account=WATER), logs.decided("a1"), logs.paid("p1", "b1", 601, BEGINS))
        told = []
        for day in days:
            life.day(day)
            told += [one.model_dump(exclude={"data": {"origin"}}) for one in life.told]
        return told

    last = date(2020, 12, 1)
    one_by_one = run([BEGINS + timedelta(days=number) for number in range((last - BEGINS).days + 1)])
    assert one_by_one == run([last])
    assert len(one_by_one) > 4
