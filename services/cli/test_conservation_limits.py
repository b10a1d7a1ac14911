"""What is no difference, at its limit: what came later, what waits, what was set aside; and that no sum is left out."""

import msgspec
from aiokafka.structs import TopicPartition

from services.cli.conservation import examine
from services.cli.conservation_books import View
from services.cli.reconcile_cases import KEY, PARTITION, USCC, WAIVED, World, at, found, paid_world
from services.cli.reconcile_rows import Claimed, Decided, Due, Paid, Parked, Row, Said, Told
from services.cli.reconcile_totals import equations
from shared.contracts.topics import COMMANDS, DECISIONS

Rows = list[Row]
WORDS = TopicPartition(COMMANDS, 0)


def test_what_came_after_the_look_is_not_looked_at() -> None:
    """A decision and a word above both the first ends and the place of payments are of a later time."""
    world = paid_world()
    decided = next(row for row in world.logs if isinstance(row, Decided) and row.revision == 3)
    later: Rows = [
        msgspec.structs.replace(decided, revision=4, amount_fen=500, offset=4),
        Said(USCC, world.refund.payments[1].payment_id, "rejected", 0, "", 0, 2),
    ]
    assert found([*world.rows(), *later], world.view()) == {}
    read = at(world.view(), {TopicPartition(DECISIONS, PARTITION): 5, WORDS: 3})
    assert found([*world.rows(), *later], read).keys() == {"decision_lost", "word_lost"}


def test_decisions_are_counted_by_outcome() -> None:
    world = paid_world()
    world.decide(0, key=WAIVED)
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.decided == {("refund", "granted"): 1, ("exemption", "denied"): 1}
    assert verdict.sums["refund", "decided"] == 440


def test_an_enterprise_that_payments_does_not_know() -> None:
    world = World()
    world.decide(500)
    decided: Rows = [row for row in world.logs if isinstance(row, Decided)]
    (difference,) = examine(USCC, decided, world.view()).differences
    assert (difference.kind, difference.expected_fen, difference.found_fen) == ("decision_lost", 500, 0)
    (difference,) = examine(USCC, decided, at(world.view(), {TopicPartition(DECISIONS, PARTITION): 0})).differences
    assert (difference.kind, difference.expected_fen, difference.found_fen) == ("decision_not_taken", 500, 0)


def test_what_payments_holds_and_nobody_decided() -> None:
    world = World()
    world.decide(500)
    rows: Rows = [row for row in world.rows() if not isinstance(row, Decided)]
    (difference,) = examine(USCC, rows, world.view()).differences
    assert (difference.kind, difference.expected_fen, difference.found_fen) == ("decision_unknown", 0, 500)


def test_claims_are_those_that_the_payment_knows_of() -> None:
    """Also where decision and payments agree on the sum."""
    world = paid_world()
    rows: Rows = []
    for row in world.rows():
        if isinstance(row, Paid) and row.clawed_fen:
            row = msgspec.structs.replace(row, clawed_fen=row.clawed_fen - 1)
        elif (isinstance(row, Due) and row.measure == "refund") or (isinstance(row, Decided) and row.revision == 3):
            row = msgspec.structs.replace(row, amount_fen=441)
        rows.append(row)
    (difference,) = examine(USCC, rows, world.view()).differences
    assert (difference.kind, difference.expected_fen, difference.found_fen) == ("claim_differs", 300, 299)
    assert (difference.measure, difference.key) == (KEY.measure, KEY.key)


def test_when_payments_lost_everything() -> None:
    world = paid_world()
    view = View(world.view().ends, world.view().looks, 0, {}, world.legs)
    differences = examine(USCC, [*world.logs, *world.posted], view).differences
    by_kind = {one.kind: one for one in differences}
    assert by_kind.keys() == {"decision_lost", "told_differs", "event_unexpected", "word_lost", "receipt_lost"}
    for kind, key, expected_fen, found_fen in (
        ("told_differs", (WAIVED.measure, WAIVED.key), 0, 20),
        ("event_unexpected", (KEY.measure, KEY.key), 0, 700),
        ("receipt_lost", ("?", "?"), 100, 0),
    ):
        one = by_kind[kind]
        if kind == "event_unexpected":
            one = next(each for each in differences if each.kind == kind and "`settled`" in each.why)
            assert "it knows no such payment" in one.why
        assert ((one.measure, one.key), one.expected_fen, one.found_fen) == (key, expected_fen, found_fen)


def test_a_ledger_that_never_read_a_log() -> None:
    world = World()
    world.decide(500)
    view = world.view()
    rows: Rows = [*world.held(), *world.logs]
    (difference,) = examine(USCC, rows, View(view.ends, view.looks, 0, {}, world.legs)).differences
    assert (difference.kind, difference.key) == ("posting_not_yet", KEY.key)


def test_payments_of_nothing_that_is_due() -> None:
    world = World()
    world.decide(500)
    rows: Rows = [row for row in world.rows() if not isinstance(row, Due)]
    found_here = {one.kind: one for one in examine(USCC, rows, world.view()).differences}
    assert found_here.keys() == {"decision_lost", "payments_do_not_add_up"}
    one = found_here["payments_do_not_add_up"]
    assert (one.key, one.expected_fen, one.found_fen) == (KEY.key, 0, 500)


def test_a_claim_that_was_told_and_is_not_held() -> None:
    world = paid_world()
    rows: Rows = [row for row in world.rows() if not isinstance(row, Claimed)]
    raised = [one for one in examine(USCC, rows, world.view()).differences if one.kind == "event_unexpected"]
    assert [(one.key, one.found_fen) for one in raised] == [(KEY.key, 300), (KEY.key, 100)]
    assert all("to it the payment is settled" in one.why for one in raised)


def test_a_claim_on_no_payment() -> None:
    world = paid_world()
    rows: Rows = [row for row in world.rows() if not (isinstance(row, Paid) and row.clawed_fen)]
    claims = [one for one in examine(USCC, rows, world.view()).differences if one.kind == "claim_differs"]
    assert [(one.measure, one.key, one.expected_fen, one.found_fen) for one in claims] == [("?", "?", 300, 0)]


def test_money_with_the_bank_beyond_what_is_due_is_explained() -> None:
    world = paid_world()
    world.decide(410)
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.differences == []
    assert dict(verdict.explained) == {("refund", "in_flight"): [1, 30]}
    assert verdict.sums["refund", "excess"] == 30


def test_held_refused_and_unknown_payments_are_explained() -> None:
    world = World()
    world.decide(10)
    world.submit(0)
    world.say(world.refund.payments[0].payment_id, "rejected")
    world.decide(30)
    world.hold(1, "no_budget")
    world.decide(60)
    world.submit(2)
    world.move(2, "unanswered")
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.differences == []
    assert dict(verdict.explained) == {
        ("refund", "rejected"): [1, 10],
        ("refund", "held_no_budget"): [1, 20],
        ("refund", "unknown"): [1, 30],
    }


def test_a_word_that_was_set_aside_moves_nothing_and_is_counted() -> None:
    world = paid_world()
    payment = world.refund.payments[0].payment_id
    world.say(payment, "rejected")
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.differences == []
    assert verdict.explained["*", "parked"] == [1, 0]
    rows: Rows = [row for row in world.rows() if not isinstance(row, Parked)]
    assert found(rows, world.view()).keys() == {"word_lost"}
    # Not read yet: it will be set aside once it is.
    assert found(rows, at(world.view(), {WORDS: 2})) == {}


def test_more_than_was_owed_is_explained() -> None:
    world = paid_world()
    (claim,) = world.claims
    world.receive(claim, 250, "R2")
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.differences == []
    assert verdict.explained["refund", "surplus"] == [1, 50]
    assert verdict.sums["refund", "bank_received"] == verdict.sums["refund", "recovered"] == 300


def test_a_word_for_a_payment_that_nobody_knows() -> None:
    word = Said("", "e" * 32, "settled", 0, "", 0, 1)
    world = World()
    ends = {WORDS: 2}
    view = View(ends, [ends], 0, {}, world.legs)
    assert [one.kind for one in examine("", [word], view).differences] == ["word_lost"]
    assert examine("", [word, Parked("", 0, 1)], view).differences == []


def test_what_an_earlier_look_saw_is_void() -> None:
    world = paid_world()
    stale = world.held()
    world.say(world.refund.payments[1].payment_id, "settled")
    rows = [*stale, *world.logs, *world.posted, *world.held()]
    assert found(rows, world.view()) == {}
    assert found([*world.held(), *world.logs, *world.posted, *stale], world.view()) != {}


def test_repeats_of_events_are_counted_and_nothing_else() -> None:
    world = paid_world()
    again = [msgspec.structs.replace(row, offset=99) for row in world.logs if isinstance(row, Told)]
    verdict = examine(USCC, [*world.rows(), *again], world.view())
    assert verdict.differences == []
    assert verdict.repeats == len(again)
    assert verdict.events["relief.refund.settled.v1"] == 1


def test_every_sum_is_in_an_equation_or_compared_one_by_one() -> None:
    world = paid_world()
    (claim,) = world.claims
    world.give_up(claim)
    world.say(world.refund.payments[1].payment_id, "rejected")
    world.decide(430)
    sums = examine(USCC, world.rows(), world.view()).sums
    assert all(equation.holds for equation in equations(sums))
    unused = set()
    for measure, term in sums:
        one_more = sums.copy()
        one_more[measure, term] += 1
        if all(equation.holds for equation in equations(one_more)):
            unused.add((measure, term))
    assert unused == {
        ("refund", "due"),
        ("refund", "told_submitted"),
        *((measure, f"posted_{step}") for measure, step in (
            ("exemption", "granted"), ("refund", "authorised"), ("refund", "submitted"), ("refund", "settled"),
            ("refund", "cancelled"), ("refund", "clawback_settled"),
        )),
        # An exemption never passes a bank.
        *(("exemption", term) for term in ("fund_in", "fund_out", "transit_in", "transit_out")),
    }  # fmt: skip
