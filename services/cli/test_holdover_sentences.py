"""Every kind of difference in holdovers once, by what makes it, and what is said of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import msgspec
import pytest

from services.cli.holdover_books import View
from services.cli.holdover_cases import DECISIONS_LOG, FACTS_LOG, World, found, lived
from services.cli.holdover_compare import examine
from services.cli.holdover_rows import BillFact, OrderTold, PaymentFact, Row, Ruled
from services.cli.holdover_sentences import SENTENCES
from services.holdover.cases import FUND, POWER, USCC
from services.holdover.domain.identity import holdover_id
from shared.ids import derived

R = TypeVar("R", bound=Row)
Rows = list[Row]
_IDENTITY = {
    "applications": "application_id",
    "accounts": "holdover_id",
    "bills": "bill_id",
    "payments": "payment_id",
    "answers": "request_id",
}
POWER_ID, FUND_ID = holdover_id(USCC, POWER), holdover_id(USCC, FUND)


def first(rows: Rows, row: type[R], /, **fields: object) -> R:
    return next(
        one for one in rows if isinstance(one, row) and all(getattr(one, name) == fields[name] for name in fields)
    )


def without(rows: Rows, row: Row) -> Rows:
    return [one for one in rows if one is not row]


def changed(rows: Rows, row: Row, **fields: object) -> Rows:
    return [msgspec.structs.replace(row, **fields) if one is row else one for one in rows]


def damaged(world: World, table: str, identity: str, **fields: object) -> Rows:
    """One row of the books with other fields; without any, the row is gone."""
    seen = world.seen()
    kept = []
    for one in getattr(seen.books, table):
        if getattr(one, _IDENTITY[table]) != identity:
            kept.append(one)
        elif fields:
            kept.append(replace(one, **fields))
    tables: dict[str, Any] = {table: kept}
    return [msgspec.structs.replace(seen, books=replace(seen.books, **tables)), *world.logged()]


def power(world: World, **fields: object) -> Rows:
    return damaged(world, "accounts", POWER_ID, **fields)


def later(world: World, read: bool) -> View:
    """One more record in each log, which holdover has read or not."""
    ends = {log: end + 1 for log, end in world.view().ends.items()}
    return View(ends, [ends if read else dict(world.places)], 0)


def fact_not_taken(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    bill = first(rows, BillFact, bill_id="b9")
    rows.append(msgspec.structs.replace(bill, version=2, amount_fen=61, offset=world.places[FACTS_LOG]))
    return rows, later(world, read=False)


def fact_lost(world: World) -> tuple[Rows, View]:
    return damaged(world, "payments", "p9"), world.view()


def fact_unknown(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return without(rows, first(rows, PaymentFact, payment_id="p9")), world.view()


def fact_differs(world: World) -> tuple[Rows, View]:
    return damaged(world, "bills", "b3", amount_fen=31), world.view()


def reason_differs(world: World) -> tuple[Rows, View]:
    return damaged(world, "bills", "w1", left_out="outside_window"), world.view()


def fact_contradicts(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    bill = first(rows, BillFact, bill_id="b9")
    rows.append(msgspec.structs.replace(bill, amount_fen=61, offset=world.places[FACTS_LOG]))
    return rows, later(world, read=True)


def account_lost(world: World) -> tuple[Rows, View]:
    """One of which nothing was told yet: else what was told of it is said too."""
    world = World()
    world.take(world.logs.bill("b1", 5))
    return damaged(world, "accounts", POWER_ID), world.view()


def account_unknown(world: World) -> tuple[Rows, View]:
    return power(world, account_no="0002"), world.view()


def ruling_not_taken(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    ruled = first(rows, Ruled)
    rows.append(msgspec.structs.replace(ruled, revision=2, outcome="denied", offset=world.places[DECISIONS_LOG]))
    return rows, later(world, read=False)


def ruling_differs(world: World) -> tuple[Rows, View]:
    rows, _ = ruling_not_taken(world)
    return rows, later(world, read=True)


def ruling_unknown(world: World) -> tuple[Rows, View]:
    return damaged(world, "applications", "a2", outcome="pending"), world.view()


def ruling_contradicts(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    rows.append(msgspec.structs.replace(first(rows, Ruled), outcome="denied", offset=world.places[DECISIONS_LOG]))
    return rows, later(world, read=True)


def grant_differs(world: World) -> tuple[Rows, View]:
    return power(world, application_id="a2"), world.view()


def sums_differ(world: World) -> tuple[Rows, View]:
    return power(world, open_fen=518), world.view()


def split_differs(world: World) -> tuple[Rows, View]:
    """Also what is to be repaid follows, so the instalments say it too."""
    return power(world, lowered_fen=40, repaid_fen=601), world.view()


def instalments_do_not_add_up(world: World) -> tuple[Rows, View]:
    return power(world, instalments=5), world.view()


def completed_and_open(world: World) -> tuple[Rows, View]:
    return damaged(world, "accounts", FUND_ID, state="completed"), world.view()


def protection_differs(world: World) -> tuple[Rows, View]:
    return power(world, order=None), world.view()


def told(rows: Rows, kind: str, **fields: object) -> OrderTold:
    """The last one of its kind."""
    return first(rows[::-1], OrderTold, kind=kind, **fields)


def order_missing(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return without(rows, told(rows, "instalment_due")), world.view()


def order_not_published(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return without(rows, told(rows, "disconnection_refused", holdover_id=FUND_ID)), world.view(backlog=1)


def order_unexpected(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, told(rows, "disconnection_allowed"), event_id="e" * 32), world.view()


def order_contradicts(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    one = told(rows, "instalment_paid")
    return [*rows, msgspec.structs.replace(one, amount_fen=1, digest=b"another", offset=99)], world.view()


def state_told_differs(world: World) -> tuple[Rows, View]:
    return damaged(world, "accounts", FUND_ID, state="repaying"), world.view()


def protection_told_differs(world: World) -> tuple[Rows, View]:
    order = next(one for one in world.books().accounts if one.holdover_id == POWER_ID).order
    assert order is not None
    return power(world, order=replace(order, until_on=date(2021, 2, 28))), world.view()


def deferred_told_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, told(rows, "bill_deferred", subject="b1"), amount_fen=1098), world.view()


def repaid_told_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, told(rows, "instalment_paid"), amount_fen=1000), world.view()


def repaid_not_told(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, told(rows, "instalment_paid"), amount_fen=0), world.view()


def completed_told_open(world: World) -> tuple[Rows, View]:
    world.take(world.logs.paid("p3", "b1", 519, date(2020, 9, 20)))
    rows = world.rows()
    return changed(rows, told(rows, "completed"), amount_fen=7), world.view()


def answer_missing(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, told(rows, "disconnection_refused", subject="r2"), subject="r9"), world.view()


def answer_differs(world: World) -> tuple[Rows, View]:
    return damaged(world, "answers", "r5", answer="refused"), world.view()


def allowed_under_order(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    refused = told(rows, "disconnection_refused", subject="r2")
    # Its id follows from what it says, so it is not holdover's own either.
    return changed(rows, refused, kind="disconnection_allowed", order=()), world.view()


SAID: list[tuple[Callable[[World], tuple[Rows, View]], str, set[str]]] = [
    (fact_not_taken, "bill b9 of 61 fen was accepted, and holdover has not taken it yet (offset 22 of "
     "relief.facts.v1/3; it stands at 22).", set()),
    (fact_lost, "payment p9 of 5 fen was accepted, and holdover has passed it (offset 15 of relief.facts.v1/3", set()),
    (fact_unknown, "holdover holds payment p9, and relief.facts.v1 has no such record.", set()),
    (fact_differs, "bill b3 of 30 fen was accepted with amount_fen 30 (offset 9 of relief.facts.v1/3), and holdover "
     "holds it with amount_fen 31.", set()),
    (reason_differs, "bill w1 is held as outside_window, and should be no_grant.", set()),
    (fact_contradicts, "bill b9 of 61 fen is in relief.facts.v1/3 twice with different content (the second at offset "
     "22).", set()),
    (account_lost, "holdover, which has taken it, does not hold the account.", set()),
    (account_unknown, "holdover holds this account, and no bill or request in relief.facts.v1 names it.", set()),
    (ruling_not_taken, "application a1 is denied by revision 2, and granted to holdover, which has not taken that yet "
     "(offset 4 of relief.decisions.v1/3; it stands at 4).", set()),
    (ruling_differs, "application a1 is denied by revision 2 (offset 4 of relief.decisions.v1/3), and granted to "
     "holdover, which stands at 5.", set()),
    (ruling_unknown, "application a2 is pending to holdover, and relief.decisions.v1 has no decision on it.", set()),
    (ruling_contradicts, "application a1 is granted by revision 1, and by the same revision denied (offset 4", set()),
    (grant_differs, "the account stands as repaying by application a2, and no such application is granted for this "
     "due.", set()),
    (sums_differ, "bills less payments, open: 519 fen by its rows, 518 by the account.", set()),
    (split_differs, "the account says that 40 fen were paid before repayment began, and by no day of any payment",
     {"instalments_do_not_add_up", "sums_differ"}),
    (instalments_do_not_add_up, "instalments [1, 2, 3, 4, 5, 6], while the account has 5: 1119 fen are to be repaid",
     set()),
    (completed_and_open, "the holdover is completed, and 700 fen of it are open.", {"state_told_differs"}),
    (protection_differs, "the account stands as repaying, and holdover holds no order.", {"protection_told_differs"}),
    (order_not_published, "has told 6 events of this account, and holdover.orders.v1/10 has 5 yet: 1 events wait",
     set()),
    (order_missing, "has told 6 events of this account, and holdover.orders.v1/10 is without number 3, though all was "
     "published", set()),
    (order_unexpected, "(`disconnection_allowed`, offset 20 of holdover.orders.v1/3) is none that holdover has told",
     set()),
    (order_contradicts, "is in holdover.orders.v1/10 twice with different content (the second at offset 99)", set()),
    (state_told_differs, "the account stands as repaying, and told last is `defaulted`.", set()),
    (protection_told_differs, "from 2020-02-01 to 2021-02-28; by what was told: order", set()),
    (deferred_told_differs, "of bill b1 1099 fen are deferred, and told last are 1098.", set()),
    (repaid_told_differs, "of payment p2 600 fen can pay instalments, and told are 1552.", set()),
    (repaid_not_told, "600 fen of the instalments are paid, and told are 552.", set()),
    (completed_told_open, "told as completed with 7 fen open (offset 25 of holdover.orders.v1/10).", set()),
    (answer_missing, "in the books, and holdover.orders.v1/10 has no answer to it.", set()),
    (answer_differs, "request r5 is answered refused in the books, and told are allowed.", set()),
    (allowed_under_order, "request r2 was told as allowed (offset 8 of holdover.orders.v1/3) while order ",
     {"order_unexpected"}),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "sentence", "besides"), SAID, ids=lambda value: getattr(value, "__name__", ""))
def test_a_difference_is_explained(
    damage: Callable[[World], tuple[Rows, View]], sentence: str, besides: set[str]
) -> None:
    rows, view = damage(lived())
    kinds = found(rows, view)
    assert set(kinds) == {damage.__name__} | besides
    assert sentence in kinds[damage.__name__]
    assert {one.uscc for one in examine(USCC, rows, view).differences} == {USCC}


def test_an_answer_is_told_once() -> None:
    """By events of its own, each with an id that holdover gives: as if it had answered twice."""
    world = lived()
    rows = world.rows()
    again = told(rows, "disconnection_allowed")
    account = next(one for one in world.books().accounts if one.holdover_id == again.holdover_id)
    number = account.events + 1
    twice = derived(again.holdover_id, again.kind, str(number))
    rows = damaged(world, "accounts", again.holdover_id, events=number)
    said = found([*rows, msgspec.structs.replace(again, event_id=twice)], world.view())
    assert set(said) == {"answer_differs"}
    assert "answered allowed in the books, and told are allowed and allowed" in said["answer_differs"]


def test_every_kind_is_shown() -> None:
    """What cannot be read is about a record, not about an enterprise: see the tests on real servers."""
    assert {damage.__name__ for damage, *_ in SAID} | {"unreadable"} == set(SENTENCES)
