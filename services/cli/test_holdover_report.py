"""What is printed of holdovers, and what is no difference, at its limit."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.cli.holdover_books import View
from services.cli.holdover_cases import FACTS_LOG, World, found, lived
from services.cli.holdover_compare import examine
from services.cli.holdover_report import holdovers_as_document, print_holdovers
from services.cli.holdover_rows import BillFact, Row, Seen
from services.cli.holdover_run import Holdovers
from services.cli.holdover_totals import equations
from services.holdover.cases import USCC


def report(world: World, rows: list[Row] | None = None) -> Holdovers:
    verdict = examine(USCC, world.rows() if rows is None else rows, world.view())
    return Holdovers(verdict, list(equations(verdict.sums)), 1, 0, 0)


def test_what_came_after_the_look_is_on_its_way() -> None:
    """Above both the first ends and the place of holdover a record is of a later time."""
    world = lived()
    bill = next(row for row in world.rows() if isinstance(row, BillFact))
    after = msgspec.structs.replace(bill, version=9, amount_fen=77, offset=world.places[FACTS_LOG])
    rows = [*world.rows(), after]
    assert found(rows, world.view()) == {}
    assert examine(USCC, rows, world.view()).explained["on_its_way"] == [1, 77]
    read = View(world.view().ends, [{**world.places, FACTS_LOG: after.offset + 1}], 0)
    assert found(rows, read).keys() == {"fact_differs"}


def test_an_enterprise_that_holdover_does_not_know() -> None:
    """It came after its page: it is compared with how far holdover had read at the last look."""
    world = World()
    world.take(world.logs.bill("b1", 5))
    logged = world.logged()
    assert found(logged, world.view()).keys() == {"fact_lost", "account_lost"}
    unread = View(world.view().ends, [{}], 0)
    assert found(logged, unread).keys() == {"fact_not_taken"}
    assert found(logged, View({}, [{}], 0)) == {}


def test_only_the_last_look_counts() -> None:
    world = lived()
    empty = msgspec.structs.replace(world.seen(), books=World().books())
    view = world.view()
    twice = View(view.ends, [{}, *view.looks], 0)
    last = Seen(USCC, 1, world.books())
    assert found([empty, *world.logged(), last], twice) == {}


def test_repeats_are_counted() -> None:
    world = lived()
    told = world.logged()[-1]
    again = msgspec.structs.replace(told, offset=99)
    assert examine(USCC, [*world.rows(), again], world.view()).repeats == 1


def test_the_document() -> None:
    document = holdovers_as_document(report(lived()))
    bills = {one["utility"]: one for one in document["bills"]}
    assert bills["electricity"] == {
        "utility": "electricity", "accepted": 4, "accepted_fen": 1270, "deferred_fen": 1160, "not_production_fen": 80,
        "no_grant_fen": 0, "outside_window_fen": 30,
    }  # fmt: skip
    assert document["suppliers"][0] == {
        "utility": "electricity", "supplier_id": "grid-6501", "accepted_fen": 1270, "deferred_fen": 1160,
        "not_production_fen": 80, "no_grant_fen": 0, "outside_window_fen": 30, "open_fen": 519, "surplus_fen": 0,
    }  # fmt: skip
    assert document["accounts"] == [
        {"utility": "electricity", "state": "repaying", "count": 1},
        {"utility": "provident_fund", "state": "defaulted", "count": 1},
        {"utility": "water", "state": "withdrawn", "count": 1},
    ]
    assert {"utility": "water", "answer": "allowed", "count": 1} in document["answers"]
    assert document["applications"] == [{"outcome": "granted", "count": 1}, {"outcome": "undecided", "count": 1}]
    assert [(one["reason"], one["amount_fen"]) for one in document["explained"]] == [("payment_waits", 5)]
    assert len(document["events"]) == 9


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"bills_fen": 1161}, "bills deferred"),
        ({"lowered_fen": 42}, "paid of what is deferred"),
        ({"open_fen": 520}, "bills - lowered - repaid = open - surplus"),
        ({"surplus_fen": 1}, "bills - lowered - repaid = open - surplus"),
        ({"lowered_fen": 40, "repaid_fen": 601}, "instalments"),
    ],
)
def test_a_sum_that_is_wrong_breaks_its_equation(fields: dict[str, int], wrong: str) -> None:
    world = lived()
    books = world.books()
    changed: Any = fields
    books.accounts[:] = [replace(one, **changed) if one.utility == "electricity" else one for one in books.accounts]
    result = report(world, [Seen(USCC, 0, books), *world.logged()])
    assert not result.holds
    assert (("electricity", wrong)) in {(one.measure, one.name) for one in result.equations if not one.holds}


def test_a_person_sees_both_sides_of_what_is_not_equal(capsys: pytest.CaptureFixture[str]) -> None:
    world = lived()
    print_holdovers(report(world))
    shown = capsys.readouterr().out
    assert "12.70" in shown
    assert "payments of bills that nobody has sent" in shown
    books = world.books()
    books.accounts[0] = replace(books.accounts[0], bills_fen=999_00)
    print_holdovers(report(world, [Seen(USCC, 0, books), *world.logged()]))
    assert "999.00" in capsys.readouterr().out
