"""Any life of an enterprise's money conserves it, and damage to any one row of any book is found and explained."""

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.conservation import examine
from services.cli.reconcile_cases import USCC, WAIVED, World
from services.cli.reconcile_rows import (
    Claimed,
    Decided,
    Due,
    Paid,
    Posted,
    Row,
    Said,
    Told,
)
from services.cli.reconcile_sentences import SENTENCES
from services.cli.reconcile_totals import REASONS, equations
from services.payments.domain.life import may

_FEN = st.integers(min_value=0, max_value=900)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), _FEN, st.sampled_from(["one", "two"])),
        st.tuples(st.just("waive"), _FEN),
        st.tuples(st.just("submit"), st.integers(0, 5)),
        st.tuples(st.just("hold"), st.integers(0, 5), st.sampled_from(["no_budget", "frozen", "payee_changed"])),
        st.tuples(st.just("silent"), st.integers(0, 5)),
        st.tuples(st.just("say"), st.integers(0, 5), st.sampled_from(["accepted", "settled", "rejected"])),
        st.tuples(st.just("receive"), st.integers(0, 2), st.integers(1, 400), st.sampled_from("ABCDE")),
        st.tuples(st.just("give_up"), st.integers(0, 2)),
    ),
    max_size=40,
)


def live(steps: list[tuple[Any, ...]]) -> World:
    """Those of the steps that are possible where they come."""
    world = World()
    world.decide(700)
    for name, *rest in steps:
        payments, claims = world.refund.payments, list(world.claims)
        if name == "decide":
            world.decide(*rest)
        elif name == "waive":
            world.decide(rest[0], key=WAIVED)
        elif name in ("receive", "give_up"):
            if rest[0] < len(claims):
                claim = claims[rest[0]]
                if name == "receive":
                    world.receive(claim, *rest[1:])
                elif world.claims[claim].open_fen:
                    world.give_up(claim)
        elif rest[0] < len(payments):
            _pay(world, name, *rest)
    return world


def _pay(world: World, name: str, place: int, *rest: Any) -> None:
    payment = world.refund.payments[place]
    if name == "say":
        world.say(payment.payment_id, rest[0])
    elif name == "silent" and may("unanswered", payment.state):
        world.move(place, "unanswered")
    elif name == "hold" and payment.state == "authorised":
        world.hold(place, rest[0])
    elif name == "submit" and payment.state in ("authorised", "held"):
        if payment.state == "held":
            world.move(place, "released")
        world.submit(place)


@settings(max_examples=200, deadline=None)
@given(_STEPS)
def test_every_life_conserves(steps: list[tuple[Any, ...]]) -> None:
    world = live(steps)
    verdict = examine(USCC, world.rows(), world.view())
    assert verdict.differences == []
    assert [equation for equation in equations(verdict.sums) if not equation.holds] == []
    assert {reason for _, reason in verdict.explained} <= REASONS.keys()


def _damaged(row: Row) -> Iterator[Row | None]:
    """What could become of the row past all rules; None: it is gone. Only what moves, or belies, money."""
    match row:
        case Told():
            yield from (None, _more(row), msgspec.structs.replace(row, legs=row.legs + 1))
            yield msgspec.structs.replace(row, event_id="f" * 32)
            yield msgspec.structs.replace(row, step="settled" if row.step != "settled" else "rejected")
        case Posted():
            yield from (None, _more(row), msgspec.structs.replace(row, legs=row.legs + 1))
            yield msgspec.structs.replace(row, event_id="f" * 32)
        case Due():
            yield from (None, _more(row), msgspec.structs.replace(row, revision=row.revision + 1))
        case Paid():
            yield from (None, _more(row), msgspec.structs.replace(row, clawed_fen=row.clawed_fen + 1))
            if row.state == "cancelled":
                yield msgspec.structs.replace(row, submitted=not row.submitted)
            for state in ("authorised", "submitted", "settled", "rejected", "cancelled"):
                if _group(state) != _group(row.state):
                    yield msgspec.structs.replace(row, state=state)
        case Claimed():
            yield from (None, _more(row), msgspec.structs.replace(row, settled_fen=row.settled_fen + 1))
            yield msgspec.structs.replace(row, written_off_fen=row.written_off_fen + 1)
            yield msgspec.structs.replace(row, receipts=(*row.receipts, ("Z", 1)))
            if row.receipts:
                yield msgspec.structs.replace(row, receipts=row.receipts[1:])
        case _:
            pass


def _more(row: Any) -> Any:
    return msgspec.structs.replace(row, amount_fen=row.amount_fen + 1)


def _group(state: str) -> str:
    """States that no other book tells apart."""
    groups = {"held": "authorised", "batched": "authorised", "approved": "authorised", "unknown": "submitted"}
    return groups.get(state, state)


def _logged(world: World) -> Iterator[tuple[Row, Row | None]]:
    """Rows of decisions and of the bank's words that money rests on, with what damage could make of them."""
    latest: dict[tuple[str, str], Decided] = {}
    words: dict[tuple[str, str, str], list[Said]] = {}
    for row in world.logs:
        if isinstance(row, Decided):
            latest[row.measure, row.key] = row
        elif isinstance(row, Said) and row.word != "accepted":
            words.setdefault((row.subject, row.word, row.bank_reference), []).append(row)
    for decided in latest.values():
        yield decided, None
        yield decided, _more(decided)
        yield decided, msgspec.structs.replace(decided, revision=decided.revision + 1)
    parked = {(one.partition, one.offset) for one in world.parked}
    for same in words.values():
        (first, *again) = same
        # A repeat stands in for the first, and what was set aside moved nothing.
        if again or ((first.partition, first.offset) in parked and first.word != "received"):
            continue
        if first.word != "received" or (first.partition, first.offset) not in parked:
            yield first, None
            yield first, msgspec.structs.replace(first, word="rejected" if first.word == "settled" else "settled")


@settings(max_examples=300, deadline=None)
@given(_STEPS, st.data())
def test_damage_to_any_row_is_found_and_explained(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    world = live(steps)
    rows = world.rows()
    damage = [(row, after) for row in rows for after in _damaged(row)] + list(_logged(world))
    row, after = data.draw(st.sampled_from(damage))
    place = next(n for n, one in enumerate(rows) if one is row)
    broken = [*rows[:place], *([] if after is None else [after]), *rows[place + 1 :]]
    world.legs.number("Assets:Made:Up", "Assets:Of:Nothing")
    found = examine(USCC, broken, world.view()).differences
    assert found, (row, after)
    for one in found:
        assert one.uscc == USCC
        assert one.kind in SENTENCES
        assert one.why.endswith(".")
        assert "{" not in one.why
