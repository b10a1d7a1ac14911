"""Every kind of difference once, by what makes it, and what is said of it."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from aiokafka.structs import TopicPartition

from services.cli.conservation import examine
from services.cli.conservation_books import View
from services.cli.reconcile_cases import KEY, PARTITION, USCC, WAIVED, World, at, found, paid_world
from services.cli.reconcile_rows import Claimed, Decided, Due, Paid, Posted, Row, Said, Told
from services.cli.reconcile_sentences import SENTENCES
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_REFUNDS

R = TypeVar("R", bound=Row)
Rows = list[Row]
DECIDED = TopicPartition(DECISIONS, PARTITION)
REFUNDS = TopicPartition(LEDGER_REFUNDS, PARTITION)
WORDS = TopicPartition(COMMANDS, 0)


def first(rows: Rows, kind: type[R], **fields: object) -> R:
    return next(
        row for row in rows if isinstance(row, kind) and all(getattr(row, name) == fields[name] for name in fields)
    )


def without(rows: Rows, row: Row) -> Rows:
    return [one for one in rows if one is not row]


def changed(rows: Rows, row: Row, **fields: object) -> Rows:
    return [msgspec.structs.replace(row, **fields) if one is row else one for one in rows]


def test_the_whole_of_it_is_in_order() -> None:
    world = paid_world()
    assert found(world.rows(), world.view()) == {}


def _held_before(world: World, revision: int, fen: int) -> Rows:
    return changed(world.rows(), first(world.rows(), Due, measure="refund"), revision=revision, amount_fen=fen)


def decision_not_taken(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    latest = first(rows, Decided, revision=3)
    rows.append(msgspec.structs.replace(latest, revision=4, amount_fen=500, offset=4))
    view = world.view()
    ends = {**view.ends, DECIDED: 5}
    return rows, View(ends, view.looks, 0, view.ledger, view.legs)


def decision_lost(world: World) -> tuple[Rows, View]:
    rows, view = decision_not_taken(world)
    return rows, at(view, {DECIDED: 5})


def decision_differs(world: World) -> tuple[Rows, View]:
    return changed(world.rows(), first(world.logs, Decided, revision=3), amount_fen=441), world.view()


def decision_unknown(world: World) -> tuple[Rows, View]:
    return without(world.rows(), first(world.logs, Decided, measure="exemption")), world.view()


def decision_contradicts(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    again = msgspec.structs.replace(first(rows, Decided, revision=2), amount_fen=401)
    return [*rows, again], world.view()


def payments_do_not_add_up(world: World) -> tuple[Rows, View]:
    # As much less is due by the log too: only the payments say otherwise.
    world.say(world.refund.payments[1].payment_id, "settled")
    rows = changed(world.rows(), first(world.logs, Decided, revision=3), amount_fen=430)
    return changed(rows, first(rows, Due, measure="refund"), amount_fen=430), world.view()


def claim_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    rows = changed(rows, first(rows, Claimed), settled_fen=90)
    rows = changed(rows, first(rows, Told, step="clawback_settled"), amount_fen=90)
    return changed(rows, first(rows, Posted, step="clawback_settled"), amount_fen=90), world.view()


def event_missing(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    told = first(rows, Told, step="authorised", amount_fen=40)
    return without(without(rows, told), first(rows, Posted, event_id=told.event_id)), world.view()


def event_not_published(world: World) -> tuple[Rows, View]:
    rows, _ = event_missing(world)
    return rows, world.view(backlog=3)


def event_unexpected(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return changed(rows, first(rows, Paid, amount_fen=40), state="approved", submitted=False), world.view()


def event_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    told = first(rows, Told, step="settled")
    rows = changed(rows, told, amount_fen=701)
    return changed(rows, first(rows, Posted, step="settled"), amount_fen=701), world.view()


def event_contradicts(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return [*rows, msgspec.structs.replace(first(rows, Told, step="settled"), amount_fen=1, offset=9)], world.view()


def told_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    told = first(rows, Told, measure="exemption")
    return without(without(rows, told), first(rows, Posted, event_id=told.event_id)), world.view()


def posting_not_yet(world: World) -> tuple[Rows, View]:
    rows, view = world.rows(), world.view()
    rows = without(rows, first(rows, Posted, step="settled"))
    told = first(rows, Told, step="settled")
    return rows, View(view.ends, view.looks, 0, {**view.ledger, REFUNDS: told.offset}, view.legs)


def posting_missing(world: World) -> tuple[Rows, View]:
    rows, view = posting_not_yet(world)
    told = first(rows, Told, step="settled")
    return rows, View(view.ends, view.looks, 0, {**view.ledger, REFUNDS: told.offset + 1}, view.legs)


def posting_differs(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    legs = world.legs.number("Assets:Bank:InTransit", "Assets:Bank:Elsewhere")
    return changed(rows, first(rows, Posted, step="settled"), legs=legs), world.view()


def posting_unexpected(world: World) -> tuple[Rows, View]:
    rows = world.rows()
    return [*rows, msgspec.structs.replace(first(rows, Posted, step="settled"), event_id="f" * 32)], world.view()


def word_missing(world: World) -> tuple[Rows, View]:
    return without(world.rows(), first(world.logs, Said, word="settled")), world.view()


def word_not_taken(world: World) -> tuple[Rows, View]:
    word = Said(USCC, world.refund.payments[1].payment_id, "rejected", 0, "", 0, 2)
    view = world.view()
    return [*world.rows(), word], View({**view.ends, WORDS: 3}, view.looks, 0, view.ledger, view.legs)


def word_lost(world: World) -> tuple[Rows, View]:
    rows, view = word_not_taken(world)
    return rows, at(view, {WORDS: 3})


def receipt_word_missing(world: World) -> tuple[Rows, View]:
    return without(world.rows(), first(world.logs, Said, word="received")), world.view()


def receipt_not_taken(world: World) -> tuple[Rows, View]:
    word = msgspec.structs.replace(first(world.logs, Said, word="received"), bank_reference="R2", offset=2)
    view = world.view()
    return [*world.rows(), word], View({**view.ends, WORDS: 3}, view.looks, 0, view.ledger, view.legs)


def receipt_lost(world: World) -> tuple[Rows, View]:
    rows, view = receipt_not_taken(world)
    return rows, at(view, {WORDS: 3})


SAID: list[tuple[Callable[[World], tuple[Rows, View]], str]] = [
    (decision_not_taken, "decided 500 fen, authorised 440: payments has not taken revision 4 yet (offset 4 of "
     "relief.decisions.v1/10; it stands at 4)."),
    (decision_lost, "payments has passed revision 4 (offset 4 of relief.decisions.v1/10; it stands at 5)"),
    (decision_differs, "decided 441 fen in revision 3 (offset 2 of relief.decisions.v1/10), and payments holds 440"),
    (decision_unknown, "waived 20 fen by revision 1, and no such decision is in relief.decisions.v1."),
    (decision_contradicts, "revision 2 was decided with 400 fen and again with 401 (offset 1 of relief.decisions"),
    (payments_do_not_add_up, "due are 430 fen, and the payments of it that are not cancelled come to 440"),
    (claim_differs, "payments books 90 fen and 100 fen for the same (what is settled of the claim, and what came in"),
    (event_missing, "holds the step `authorised` of 40 fen, and ledger.refunds.v1/10 has no event of it though"),
    (event_not_published, "has no event of it yet: 3 events wait to be published."),
    (event_unexpected, "tells the step `submitted` of 40 fen (offset 6), which payments does not hold: to it the "
     "payment is approved."),
    (event_differs, "payments holds the step `settled` with 700 fen, and ledger.refunds.v1/10 tells it with 701"),
    (event_contradicts, "is in ledger.refunds.v1/10 twice, with 700 fen and with 1 (offset 9)."),
    (told_differs, "waived 20 fen, and the events of it in ledger.exemptions.v1/10 come to 0, with 0 of all kinds"),
    (posting_not_yet, "told 700 fen (`settled`, offset 2 of ledger.refunds.v1/10), and the ledger has not read it yet "
     "(it stands at 2)."),
    (posting_missing, "and the ledger, which stands at 3, has no posting of it."),
    (posting_differs, "told 700 fen (`settled`, Assets:Bank:Fund to Assets:Bank:InTransit), and posted are 700 "
     "(`settled`, Assets:Bank:Elsewhere to Assets:Bank:InTransit; posting 3)."),
    (posting_unexpected, "posted are 700 fen (`settled`, posting 3) of event ffffffffffffffffffffffffffffffff, which"),
    (word_missing, "payments holds 700 fen as settled, and no word of the bank in payments.commands.v1 says so."),
    (word_not_taken, "the bank has rejected 40 fen, payments holds them as submitted: it has not taken that word yet "
     "(offset 2 of payments.commands.v1/0; it stands at 2)."),
    (word_lost, "the bank has rejected 40 fen (offset 2 of payments.commands.v1/0), and payments, which stands at 3"),
    (receipt_word_missing, "payments booked 100 fen under the bank's reference R1, and no word of the bank"),
    (receipt_not_taken, "the bank has received 100 fen under R2, and payments has not taken that word yet (offset 2"),
    (receipt_lost, "the bank has received 100 fen under R2 (offset 2 of payments.commands.v1/0), and payments, which "
     "stands at 3, neither booked it nor set it aside."),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "sentence"), SAID, ids=lambda value: getattr(value, "__name__", ""))
def test_a_difference_is_explained(damage: Callable[[World], tuple[Rows, View]], sentence: str) -> None:
    world = paid_world()
    rows, view = damage(world)
    kinds = found(rows, view)
    assert set(kinds) == {damage.__name__}
    assert sentence in kinds[damage.__name__]
    (difference,) = examine(USCC, rows, view).differences
    nobody_knows = damage is posting_unexpected
    of = ("?", "?") if nobody_knows else WAIVED[1:] if sentence.startswith("waived") else KEY[1:]
    assert (difference.uscc, difference.measure, difference.key) == (USCC, *of)


def test_every_kind_is_shown() -> None:
    """The two others are about records and accounts, not about one enterprise: see the tests on real servers."""
    assert {damage.__name__ for damage, _ in SAID} | {"unreadable", "account_differs"} == set(SENTENCES)
