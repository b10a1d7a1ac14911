"""Other ways to the same differences in holdovers, each by one thing that is wrong; and what is nearly one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import msgspec
import pytest

from services.cli.holdover_books import View
from services.cli.holdover_cases import FACTS_LOG, World, found, lived
from services.cli.holdover_compare import examine
from services.cli.holdover_rows import BillFact, OrderTold, Row
from services.cli.test_holdover_sentences import FUND_ID, POWER_ID, changed, damaged, first, told, without
from services.holdover.cases import USCC, WATER
from services.holdover.domain.identity import holdover_id
from services.holdover.store.books import InstalmentBooked

WATER_ID = holdover_id(USCC, WATER)
Rows = list[Row]


def with_instalment(world: World) -> Rows:
    seen = world.seen()
    more = InstalmentBooked(WATER_ID, 1, date(2020, 7, 31), 0, 0)
    rows = damaged(world, "accounts", WATER_ID, instalments=1)
    books = replace(seen.books, instalments=[*seen.books.instalments, more])
    (held,) = [row for row in rows if isinstance(row, type(seen))]
    return [msgspec.structs.replace(held, books=replace(books, accounts=held.books.accounts)), *world.logged()]


def without_a_plan(world: World) -> Rows:
    rows = damaged(world, "accounts", FUND_ID, instalments=0)
    seen = world.seen()
    (held,) = [row for row in rows if isinstance(row, type(seen))]
    left = [one for one in held.books.instalments if one.holdover_id != FUND_ID]
    return [msgspec.structs.replace(held, books=replace(held.books, instalments=left)), *world.logged()]


def of_an_unknown_account(world: World) -> Rows:
    rows = world.rows()
    return [*rows, msgspec.structs.replace(told(rows, "instalment_paid"), holdover_id="f" * 32, event_id="e" * 32)]


def of_another_bill(world: World) -> Rows:
    rows = world.rows()
    return changed(rows, told(rows, "bill_deferred", subject="b9"), subject="b7")


DAMAGE: list[tuple[str, Callable[[World], Rows], set[str], str]] = [
    ("paid of a bill", lambda world: damaged(world, "bills", "b2", paid_fen=1), {"sums_differ"}, "paid of bill b2: 0"),
    ("a surplus", lambda world: damaged(world, "accounts", POWER_ID, surplus_fen=1), {"sums_differ"}, "surplus: 0 fen"),
    ("a bill too little", lambda world: damaged(world, "accounts", WATER_ID, bills_fen=1), {"sums_differ"}, "bills: 0"),
    ("a plan without repayment", with_instalment, {"instalments_do_not_add_up"}, "instalments [1], while"),
    ("repayment without a plan", without_a_plan, {"instalments_do_not_add_up"}, "instalments [], while"),
    ("granted by nobody", lambda world: damaged(world, "accounts", WATER_ID, state="granted"), {"grant_differs"},
     "stands as granted by application none, and no application is granted for this due"),
    ("not asked for", lambda world: damaged(world, "accounts", WATER_ID, state="none"), {"grant_differs"},
     "stands as none by application none, and an application asks for it"),
    ("a grant not taken", lambda world: damaged(world, "accounts", FUND_ID, application_id=None), {"grant_differs"},
     "and application a1 is granted for this due"),
    ("ended untold", lambda world: damaged(world, "accounts", POWER_ID, state="withdrawn", order=None),
     {"state_told_differs", "protection_told_differs", "instalments_do_not_add_up"}, "told last is `opened`"),
    ("of an account that nobody knows", of_an_unknown_account, {"order_unexpected"}, "is none that holdover has told"),
    ("of another bill", of_another_bill, {"deferred_told_differs"}, "of bill"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "damage", "kinds", "sentence"), DAMAGE, ids=[name for name, *_ in DAMAGE])
def test_a_difference_by_another_way(
    name: str, damage: Callable[[World], Rows], kinds: set[str], sentence: str
) -> None:
    world = lived()
    said = found(damage(world), world.view())
    assert set(said) == kinds
    assert any(sentence in why for why in said.values()), said


def test_a_bill_told_under_another_name_is_wrong_twice() -> None:
    """Of the one too little was told, of the other too much."""
    world = lived()
    subjects = [one.subject for one in examine(USCC, of_another_bill(world), world.view()).differences]
    assert subjects == ["b7", "b9"]


def test_what_is_missing_in_the_middle_does_not_wait_to_be_published() -> None:
    """The topic gets an account's events in order: something later is there already."""
    world = lived()
    rows = world.rows()
    missing = without(rows, told(rows, "instalment_due", holdover_id=FUND_ID))
    assert found(missing, world.view(backlog=3)).keys() == {"order_missing"}
    last = [row for row in rows if isinstance(row, OrderTold) and row.holdover_id == FUND_ID][-1]
    assert found(without(rows, last), world.view(backlog=3)).keys() == {"order_not_published"}
    assert found(without(rows, last), world.view()).keys() == {"order_missing"}


def test_an_enterprise_is_compared_with_its_own_look() -> None:
    """What holdover took after it gave this enterprise's books is no loss, though others were looked at then."""
    world = lived()
    bill = first(world.rows(), BillFact, bill_id="b9")
    after = msgspec.structs.replace(bill, version=2, amount_fen=61, offset=world.places[FACTS_LOG])
    later = {**world.places, FACTS_LOG: after.offset + 1}
    assert found([*world.rows(), after], View(world.view().ends, [world.places, later], 0)) == {}
