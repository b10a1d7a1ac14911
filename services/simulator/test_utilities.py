"""The suppliers by themselves; `tests/contracts/test_utilities.py` holds their books against holdover."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest

from services.simulator.records import RawRecord
from services.simulator.utilities import PUNCTUAL, Behaviour, Utilities
from services.simulator.utilities_behaviour import payer

USCC = "91650100MA00000017"
DUE = date(2020, 7, 31)
AUGUST, DEFAULT, LATER = DUE + timedelta(1), DUE + timedelta(16), DUE + timedelta(24)
NUMBERS = count()


def event(kind: str, holdover: int = 1, on: date = date(2020, 4, 1), **fields: Any) -> dict[str, Any]:
    """One event of the orders topic about one account, as JSON has it."""
    data = {"holdover_id": f"{holdover:032x}", "uscc": USCC, "utility": "electricity", "supplier_id": "grid-1"}
    data |= {"account_no": f"{holdover:04d}", "on": on.isoformat(), **fields}
    return {"id": f"{next(NUMBERS)}", "type": f"relief.holdover.{kind}.v1", "data": data}


def bill(number: int, fen: int, holdover: int = 1, due_on: str = "2020-04-20", version: int = 1) -> dict[str, Any]:
    data = {"uscc": USCC, "bill_id": f"b{number}", "version": version, "utility": "electricity"}
    data |= {"supplier_id": "grid-1", "account_no": f"{holdover:04d}", "amount_fen": fen, "due_on": due_on}
    return {"type": "cn.utility.bill.issued.v1", "data": data | {"production_use": True}}


def order(holdover: int = 1, last: date = date(2021, 1, 15)) -> dict[str, Any]:
    days: dict[str, Any] = {"from_on": "2020-04-01", "until_on": last.isoformat()}
    return event("supply_protected", holdover, order_id=f"{holdover:032x}", signature="a..b", **days)


def due(fen: int, number: int = 1, holdover: int = 1, due_on: date = DUE) -> dict[str, Any]:
    return event("instalment_due", holdover, number=number, due_on=due_on.isoformat(), amount_fen=fen)


def suppliers(behaviour: Behaviour, holdovers: int = 1, seed: int = 1) -> Utilities:
    """Each holdover has two bills, 900 fen in all, and an instalment of 150 fen was announced."""
    found = Utilities(seed, behaviour)
    for number in range(1, holdovers + 1):
        for own, fen in ((2 * number, 300), (2 * number + 1, 600)):
            found.books.sent(bill(own, fen, number))
        tell(found, event("opened", number, application_id="a"), order(number))
        deferred = {f"b{2 * number}": 300, f"b{2 * number + 1}": 600}
        for bill_id, fen in deferred.items():
            tell(found, event("bill_deferred", number, bill_id=bill_id, amount_fen=fen, total_fen=900))
        tell(found, due(150, holdover=number))
    return found


def tell(found: Utilities, *events: dict[str, Any]) -> None:
    for one in events:
        found.books.told(one)


def payments(records: Iterable[RawRecord]) -> list[tuple[str, int, str]]:
    """(bill, fen, paid on) of each payment."""
    data = [json.loads(record.value or b"")["data"] for record in records]
    return [(one["bill_id"], one["amount_fen"], one["paid_on"]) for one in data if "payment_id" in one]


def requests(records: Iterable[RawRecord]) -> list[dict[str, Any]]:
    data = [json.loads(record.value or b"")["data"] for record in records]
    return [one for one in data if "request_id" in one]


def only(name: str) -> Behaviour:
    return Behaviour(**(NOTHING | {name: 1.0}))


NOTHING = dict.fromkeys(Behaviour.__dataclass_fields__, 0.0)


def test_who_is_punctual_pays_on_the_date_and_names_the_oldest_bill() -> None:
    found = suppliers(PUNCTUAL)
    assert found.day(DUE) == []
    [record] = found.day(AUGUST)
    assert payments([record]) == [("b2", 150, "2020-07-31")]
    assert record.key == USCC.encode()
    assert found.day(AUGUST) == []
    assert found.day(DEFAULT) == []
    assert found.books.sums()["electricity"].paid_fen == 150


@pytest.mark.parametrize(
    ("habit", "before_august", "before_default", "after_default"),
    [
        ("early", [150], [], []),
        ("at_once", [900], [], []),
        ("in_two", [75, 75], [], []),
        ("in_grace", [], [150], []),
        ("rounded_up", [10_000], [], []),
        ("told_late", [], [], [150]),
        ("too_late", [], [], [150]),
        ("never", [], [], []),
    ],
)
def test_each_habit_pays_its_way(
    habit: str, before_august: list[int], before_default: list[int], after_default: list[int]
) -> None:
    # An instalment is told late, or no more, at a turn that is drawn: some seeds turn at the first.
    found = suppliers(only(habit), seed=_turning_at_once(habit))
    paid = [[fen for _, fen, _ in payments(found.day(day))] for day in (AUGUST, DEFAULT)]
    if after_default or habit == "never":
        tell(found, event("protection_ended", order_id=f"{1:032x}", reason="r"), event("defaulted"))
    last = payments(found.day(LATER))
    assert [*paid, [fen for _, fen, _ in last]] == [before_august, before_default, after_default]
    if after_default:
        assert (last[0][2] <= "2020-08-15") == (habit == "told_late")


def _turning_at_once(habit: str) -> int:
    return next(seed for seed in range(100) if payer(seed, only(habit), f"{1:032x}").turn == 1)


def test_who_stops_pays_some_instalments_and_then_no_more() -> None:
    seed = next(seed for seed in range(100) if payer(seed, only("stops"), f"{1:032x}").turn == 2)
    found = suppliers(only("stops"), seed=seed)
    september = date(2020, 9, 30)
    tell(found, due(150, 2), due(150, 3, due_on=september))
    assert len(found.day(september + timedelta(1))) == 2


def test_payers_come_in_the_shares_that_were_asked_for() -> None:
    habits = Counter(payer(5, Behaviour(), f"{number:032x}").habit for number in range(2000))
    shares = Behaviour()
    for habit in habits.keys() - {"on_time"}:
        assert habits[habit] / 2000 == pytest.approx(getattr(shares, habit), abs=0.02)
    assert habits["on_time"] > 800
    assert len(habits) == 10


def test_the_same_seed_gives_the_same_records_and_another_one_others() -> None:
    first, second, other = (suppliers(Behaviour(), 60, seed).day(DEFAULT) for seed in (1, 1, 2))
    assert first == second != other
    ids = [json.loads(record.value or b"")["id"] for record in first]
    assert len(set(ids)) == len(ids) > 40


def test_a_payment_is_the_same_whatever_days_are_told_and_whoever_else_is_there() -> None:
    behaviour = Behaviour(cut_unpaid=0)
    whole = suppliers(behaviour, 60).day(DEFAULT)
    days = suppliers(behaviour, 60)
    split = [record for number in range(-5, 17) for record in days.day(DUE + timedelta(number))]
    fewer = suppliers(behaviour, 20).day(DEFAULT)
    assert sorted(whole, key=repr) == sorted(split, key=repr)
    assert set(map(repr, fewer)) < set(map(repr, whole))


def test_nobody_but_who_rounds_up_pays_more_than_is_open() -> None:
    found = suppliers(Behaviour(rounded_up=0), 200)
    found.day(LATER)
    for holdover in found.books.holdovers.values():
        bills_fen, paid_fen = found.books.sums_of(holdover.account)
        assert paid_fen <= bills_fen == 900
    assert found.books.sums()["electricity"].surplus_fen == 0


def test_what_was_paid_is_not_paid_again() -> None:
    found = suppliers(PUNCTUAL)
    [record] = found.day(AUGUST)
    payment_id = json.loads(record.value or b"")["data"]["payment_id"]
    paid: dict[str, Any] = {"number": 1, "due_on": DUE.isoformat(), "amount_fen": 150, "payment_id": payment_id}
    tell(found, event("instalment_paid", **paid), due(150, 2, due_on=date(2020, 8, 31)))
    assert payments(found.day(date(2020, 9, 1))) == [("b2", 150, "2020-08-31")]
    assert found.books.told_beyond_paid == 0
    tell(found, event("instalment_paid", **(paid | {"amount_fen": 1})))
    assert found.books.told_beyond_paid == 1


def test_what_another_payment_has_paid_of_an_instalment_is_not_paid_and_nobody_is_asked_about_it() -> None:
    found = suppliers(Behaviour(**(NOTHING | {"in_grace": 1.0, "cut_overdue": 1.0})))
    days: dict[str, Any] = {"number": 1, "due_on": DUE.isoformat()}
    tell(found, event("instalment_paid", **days, amount_fen=100, payment_id="p"))
    tell(found, event("instalment_overdue", on=AUGUST, **days, amount_fen=50))
    [asked, paid] = sorted(found.day(DEFAULT), key=lambda one: "bill.paid" in str(one.value))
    assert [fen for _, fen, _ in payments([paid])] == [50]
    assert len(requests([asked])) == 1
    all_paid = suppliers(Behaviour(**(NOTHING | {"never": 1.0, "cut_overdue": 1.0})))
    tell(all_paid, event("instalment_overdue", on=AUGUST, **days, amount_fen=150))
    tell(all_paid, event("instalment_paid", **days, amount_fen=150, payment_id="p"))
    assert all_paid.day(DEFAULT) == []


def test_overdue_and_defaulted_accounts_are_asked_about_once_each() -> None:
    found = suppliers(Behaviour(**(NOTHING | {"never": 1.0, "cut_overdue": 1.0, "cut_defaulted": 1.0})))
    found.day(AUGUST)
    overdue: dict[str, Any] = {"number": 1, "due_on": DUE.isoformat(), "amount_fen": 150}
    tell(found, event("instalment_overdue", on=AUGUST, **overdue))
    [asked] = requests(found.day(AUGUST + timedelta(3)))
    assert (asked["account_no"], asked["reason"]) == ("0001", "1-overdue")
    assert found.books.unanswered() == {asked["request_id"]}
    tell(found, event("disconnection_refused", request_id=asked["request_id"], order_id=f"{1:032x}", reason="r"))
    assert found.day(DEFAULT) == []
    tell(found, event("protection_ended", order_id=f"{1:032x}", reason="r"), event("defaulted"))
    [asked] = requests(found.day(LATER))
    assert asked["reason"] == "1-default"
    assert found.day(LATER + timedelta(1)) == []
    tell(found, event("disconnection_allowed", on=LATER, request_id=asked["request_id"], order_id=None, reason="r"))
    assert (len(found.books.cut), found.books.cut_while_protected) == (1, 0)
    assert found.books.unanswered() == set()


def test_a_bill_long_unpaid_is_asked_about_unless_a_holdover_ended_with_it() -> None:
    found = Utilities(1, Behaviour(**(NOTHING | {"cut_unpaid": 1.0})))
    found.books.sent(bill(1, 100, 7))
    assert found.day(date(2020, 4, 25)) == []
    assert len(found.day(date(2020, 12, 1))) == 1
    ended = suppliers(Behaviour(**(NOTHING | {"never": 1.0, "cut_unpaid": 1.0})))
    tell(ended, event("completed"))
    assert ended.day(date(2020, 12, 1)) == []


def allowed(holdover: int = 1, on: date = date(2020, 8, 20)) -> dict[str, Any]:
    return event("disconnection_allowed", holdover, on, request_id=f"r{next(NUMBERS)}", order_id=None, reason="r")


def test_a_supply_that_may_be_cut_although_an_order_covers_the_day_is_noted() -> None:
    found = Utilities(1)
    tell(found, order(last=date(2020, 8, 20)), allowed(on=date(2020, 8, 21)))
    assert found.books.cut_while_protected == 0
    tell(found, allowed(on=date(2020, 8, 20)))
    assert found.books.cut_while_protected == 1
    tell(found, event("protection_ended", order_id=f"{1:032x}", reason="r"), allowed())
    assert found.books.cut_while_protected == 1


def test_a_refused_request_cuts_nothing_and_a_later_order_or_the_last_payment_puts_the_supply_on_again() -> None:
    found = suppliers(PUNCTUAL)
    tell(found, event("disconnection_refused", request_id="r", order_id=None, reason="r"))
    assert found.books.cut == {}
    tell(found, event("protection_ended", order_id=f"{1:032x}", reason="r"), allowed())
    assert list(found.books.cut) == [f"{1:032x}"]
    tell(found, order())
    assert (found.books.cut, found.books.reconnected) == ({}, 1)
    tell(found, event("protection_ended", order_id=f"{1:032x}", reason="r"), event("defaulted"), allowed())
    tell(found, event("completed"))
    assert (found.books.cut, found.books.reconnected) == ({}, 2)
    assert found.books.sums()["electricity"].cured == 1


def test_a_repeated_event_changes_nothing() -> None:
    found = suppliers(PUNCTUAL)
    ended = event("protection_ended", order_id=f"{1:032x}", reason="r")
    tell(found, ended, event("defaulted"), event("opened", application_id="a"), order(), ended)
    assert found.books.sums()["electricity"].protected == 1
    assert found.books.sums()["electricity"].cured == 1


def test_sums_follow_the_latest_version_of_a_bill_and_leave_out_what_is_not_deferred() -> None:
    found = suppliers(PUNCTUAL)
    for one in (bill(2, 500, version=2), bill(2, 300), bill(8, 77, due_on="2020-07-01"), bill(9, 77, 5)):
        found.books.sent(one)
    assert found.books.sums()["electricity"].bills_fen == 1100
    found.books.sent(bill(2, 500, holdover=5, version=3))
    assert found.books.sums()["electricity"].bills_fen == 600
    tell(found, event("withdrawn"))
    assert found.books.sums()["electricity"].bills_fen == 0


def test_a_day_that_is_over_does_not_come_back() -> None:
    found = suppliers(PUNCTUAL)
    found.day(AUGUST)
    with pytest.raises(ValueError, match="is over"):
        found.day(DUE)


def test_what_is_no_order_event_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Utilities(1).books.told({"id": "1", "type": "relief.holdover.opened.v1", "data": {"uscc": USCC}})


def test_shares_have_their_bounds() -> None:
    for wrong in (partial(Behaviour, never=1.1), partial(Behaviour, early=-0.1), partial(Behaviour, at_once=0.8)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            wrong()
