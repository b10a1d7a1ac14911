"""The table of bad input in this service's README: each row has a defined, visible result, and none loses a fen."""

from datetime import date
from pathlib import Path

import pytest

from services.holdover.cases import DECISIONS, FACTS, POWER, USCC, Logs, enterprise, signer, take
from services.holdover.domain.enterprise import Enterprise
from services.holdover.domain.identity import Account
from services.holdover.handlers import DecisionsFold
from services.holdover.life_cases import BEGINS, Life
from shared.observability import metrics
from shared.streaming.errors import Retry, Stop
from shared.streaming.records import Record, States

README = (Path(__file__).parent / "README.md").read_text("utf-8")


def test_a_bill_for_an_unknown_account_waits_for_a_grant(life: Life) -> None:
    logs = life.logs
    assert life.take(logs.bill("b1", 600)) == []
    assert (life.now().state, life.now().left_out) == ("none", {"b1": "no_grant"})
    life.take(logs.applied("a1"))
    assert life.take(logs.decided("a1")) == ["opened", "supply_protected", "bill_deferred"]
    assert life.now().open_fen == 600


def test_a_payment_before_its_bill_waits_for_it(opened: Life) -> None:
    logs = opened.logs
    assert opened.take(logs.paid("p1", "b2", 50, date(2020, 2, 9))) == []
    assert opened.now().paid_fen == 0
    assert opened.take(logs.bill("b2", 80)) == ["bill_deferred"]
    assert (opened.told[0].data.amount_fen, opened.told[0].data.total_fen) == (30, 630)
    assert opened.now().paid_fen == 50


def test_a_payment_above_its_bill_counts_for_the_others_and_above_all_is_a_surplus(opened: Life) -> None:
    logs = opened.logs
    opened.take(logs.bill("b2", 80))
    opened.take(logs.paid("p1", "b2", 100, date(2020, 3, 1)))
    now = opened.now()
    assert (now.open_fen, now.surplus_fen, now.net_fen["b2"]) == (580, 0, -20)
    opened.take(logs.paid("p2", "b1", 700, date(2020, 3, 1)))
    now = opened.now()
    assert (now.bills_fen, now.paid_fen, now.open_fen, now.surplus_fen) == (680, 800, 0, 120)
    # A bill that comes later has it.
    opened.take(logs.bill("b3", 200))
    assert (opened.now().open_fen, opened.now().surplus_fen) == (80, 0)


def test_a_repayment_above_the_debt_completes_and_the_surplus_is_reported(opened: Life) -> None:
    opened.day(BEGINS)
    told = opened.take(opened.logs.paid("p1", "b1", 650, date(2020, 7, 5)))
    assert told[-1] == "completed"
    assert sum(one.data.amount_fen for one in opened.told if hasattr(one.data, "number")) == 600
    assert (opened.told[-1].data.paid_fen, opened.now().surplus_fen) == (650, 50)


def test_an_application_for_a_due_without_a_bill_opens_with_the_first_bill(life: Life) -> None:
    logs = life.logs
    assert life.take(logs.applied("a1", "gas"), logs.decided("a1")) == []
    gas = Account("gas", "gasworks", "5")
    assert life.take(logs.asked("r1", gas)) == ["disconnection_allowed"]
    assert life.now(gas).state == "granted"
    assert life.take(logs.bill("g1", 10, account=gas))[0] == "opened"


def test_two_applications_for_one_due_are_one_holdover(life: Life) -> None:
    logs = life.logs
    life.take(logs.applied("a2", on=date(2020, 2, 9)), logs.applied("a1"), logs.bill("b1", 600))
    assert life.take(logs.decided("a1")) == ["opened", "supply_protected", "bill_deferred"]
    assert life.take(logs.decided("a2")) == []
    assert (life.now().application_id, life.now().open_fen) == ("a2", 600)
    assert life.take(logs.withdrawn("a2", date(2020, 2, 10))) == []
    assert life.now().application_id == "a1"
    assert life.take(logs.withdrawn("a1", date(2020, 2, 10))) == ["protection_ended", "withdrawn"]


def test_a_correction_after_repayment_began_goes_to_what_is_not_announced_yet(opened: Life) -> None:
    logs = opened.logs
    opened.day(date(2020, 8, 1))
    assert opened.take(logs.bill("b1", 655, version=2)) == ["bill_deferred"]
    assert [one.amount_fen for one in opened.now().instalments] == [100, 111, 111, 111, 111, 111]
    assert opened.take(logs.bill("b1", 50, version=3)) == ["bill_deferred"]
    assert [one.amount_fen for one in opened.now().instalments] == [50, 0, 0, 0, 0, 0]


def test_a_correction_of_an_announced_instalment_is_told_again(opened: Life) -> None:
    logs = opened.logs
    opened.day(date(2020, 7, 24))
    assert opened.take(logs.bill("b1", 60, version=2)) == ["bill_deferred", "instalment_due"]
    assert opened.told[1].data.amount_fen == 60


def test_a_correction_after_all_was_repaid_resumes_and_is_one_instalment_more(opened: Life) -> None:
    logs = opened.logs
    opened.day(BEGINS)
    opened.take(logs.paid("p1", "b1", 600, date(2020, 7, 5)))
    opened.day(date(2021, 1, 1))
    assert opened.take(logs.bill("b1", 640, version=2)) == ["opened", "supply_protected", "bill_deferred"]
    assert opened.told[1].data.until_on == date(2021, 2, 15)
    assert opened.now().instalments[6].open_fen == 40
    assert opened.day(date(2021, 2, 16)) == ["instalment_due", "instalment_overdue", "protection_ended", "defaulted"]


def test_an_order_that_gets_a_later_last_day_is_replaced(opened: Life) -> None:
    logs = opened.logs
    opened.day(BEGINS)
    opened.take(logs.paid("p1", "b1", 500, date(2020, 7, 5)))
    opened.day(date(2020, 12, 25))
    first = opened.order()
    told = opened.take(logs.bill("b2", 40))
    assert told == ["supply_protected", "protection_ended", "bill_deferred"]
    assert opened.told[1].data.order_id == first != opened.order()


def test_repeats_and_older_versions_are_counted(opened: Life) -> None:
    repeats = metrics.DUPLICATES.labels("relief.facts.v1")
    older = metrics.SUPERSEDED.labels("cn.utility.bill.issued.v1")
    before = repeats._value.get(), older._value.get()
    opened.take(opened.logs.bill("b1", 600))
    opened.take(opened.logs.bill("b1", 601, version=3), opened.logs.bill("b1", 7, version=2))
    assert (repeats._value.get(), older._value.get()) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("what", ["bill", "payment", "application", "withdrawal", "decision"])
def test_a_log_that_contradicts_itself_stops(opened: Life, what: str) -> None:
    logs = opened.logs
    opened.take(logs.paid("p1", "b1", 5, date(2020, 3, 1)), logs.withdrawn("a9", date(2020, 2, 10)))
    again = {
        "bill": lambda: logs.bill("b1", 601),
        "payment": lambda: logs.paid("p1", "b1", 6, date(2020, 3, 1)),
        "application": lambda: logs.applied("a1", "water"),
        "withdrawal": lambda: logs.withdrawn("a9", date(2020, 2, 11)),
        "decision": lambda: logs.decided("a1", "denied"),
    }[what]()
    with pytest.raises(Stop, match=f"offset {again.offset} of {again.topic}/3 contradicts"):
        opened.take(again)


def test_a_grant_by_a_pack_that_is_not_known_waits(life: Life) -> None:
    def unknown(sha256: str) -> None:
        raise Retry(sha256)

    fold = DecisionsFold(unknown, signer())  # type: ignore[arg-type]  # it only raises
    with pytest.raises(Retry, match="a" * 64):
        fold.decode(life.logs.decided("a1"))
    assert fold.decode(life.logs.decided("a1", "denied")) is not None


def test_what_cannot_be_read_stops_and_shows_nothing_of_it() -> None:
    logs = Logs()
    good = logs.applied("a1")
    secret = (good.value or b"").replace(b'"application_id":"a1"', b'"application_id":13900000000')
    for value in (
        secret,
        b"",
        None,
        b"{}",
        b"\xff",
        (good.value or b"").replace(b"holdover.applied", b"holdover.asked"),
    ):
        with pytest.raises(Stop, match=r"offset 0 of relief\.facts\.v1/3 holds nothing") as raised:
            FACTS.decode(Record(good.topic, 3, 0, good.key, value))
        assert "13900000000" not in str(raised.value)
    with pytest.raises(Stop, match="another key"):
        FACTS.decode(Record(good.topic, 3, 0, b"somebody", good.value))
    with pytest.raises(Stop, match="holds nothing"):
        DECISIONS.decode(Record("relief.decisions.v1", 3, 0, None, b"[]"))


def test_what_is_about_other_measures_is_passed_over() -> None:
    logs = Logs()
    decision = logs.decided("a1")
    other = (decision.value or b"").replace(b'"measure":"holdover"', b'"measure":"exemption"')
    assert DECISIONS.decode(Record(decision.topic, 3, 0, decision.key, other)) is None
    assert DECISIONS.keys(None) == FACTS.keys(None) == ()
    assert DECISIONS.cause(None) is FACTS.cause(None) is None
    assert DECISIONS.step(States({}), None, decision) == ()
    bill = logs.bill("b1", 5)
    tax = (bill.value or b"").replace(b"cn.utility.bill.issued.v1", b"cn.tax.contribution.paid.v1")
    assert FACTS.decode(Record(bill.topic, 3, 0, bill.key, tax)) is None


def test_other_enterprises_are_not_touched(opened: Life) -> None:
    known = opened.states.get(USCC)
    assert isinstance(known, Enterprise)
    take(opened.states, [opened.logs.bill("b1", 5, uscc=enterprise(2))])
    assert opened.now(POWER).open_fen == 600


@pytest.mark.parametrize(
    "row",
    [
        "A bill for an unknown account",
        "A payment before its bill",
        "A payment above the debt",
        "An application for a due without a bill",
        "Two applications at once",
        "A correction after repayment began",
    ],
)
def test_the_readme_has_a_row_for(row: str) -> None:
    assert f"| {row} |" in README
