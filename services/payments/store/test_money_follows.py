"""What batches declare and budgets have left moves with the payments, by the tables alone."""

from typing import Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from services.payments.domain.life import TRANSITIONS
from services.payments.store.cases import B1, B2, bring, move, rows

pytestmark = pytest.mark.integration

STEPS = {(before, row.after) for row in TRANSITIONS.values() for before in row.before}
RESERVED = ("batched", "approved", "submitted", "unknown")
# (payment, which of the steps it may take, the batch it would join)
WALK = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4), st.sampled_from([B1, B2])), min_size=10, max_size=40)


def declared(db: Connection) -> dict[str, tuple[int, int, int]]:
    """(count, total, version) by batch."""
    found = rows(db, "SELECT batch_id, count, total_fen, version FROM rules.batch")
    return {batch: (count, total, version) for batch, count, total, version in found}


def budget_of(db: Connection, programme: str) -> tuple[int, int]:
    """(reserved, spent)"""
    found = db.execute("SELECT reserved_fen, spent_fen FROM rules.budget WHERE programme = %s", (programme,))
    ((reserved, spent),) = found.fetchall()
    return reserved, spent


def place_of(db: Connection, number: int) -> str | None:
    """The batch that the payment is in."""
    ((batch,),) = db.execute("SELECT batch_id FROM rules.payment WHERE number = %s", (number,)).fetchall()
    return batch  # type: ignore[no-any-return]


def with_five_payments(db: Connection) -> dict[int, int]:
    """By number, their amounts."""
    db.execute(
        """INSERT INTO rules.payment
           (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id, payee_digest)
           SELECT '91650100MA7ABCDE18', 'refund', '2019', n, repeat(n::text, 32), n * 7, 'authorised', '650100',
             repeat('d', 32), repeat('a', 32) FROM generate_series(3, 5) AS n"""
    )
    return {1: 100, 2: 50, 3: 21, 4: 28, 5: 35}


@given(walk=WALK, total=st.sampled_from([0, 99, 100, 149, 234]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_payments_do_batches_and_budgets_follow(
    db: Connection, walk: list[tuple[int, int, str]], total: int
) -> None:
    with db.transaction() as trial:
        amounts = with_five_payments(db)
        db.execute("UPDATE rules.budget SET total_fen = %s", (total,))
        db.execute("INSERT INTO rules.budget (programme, total_fen) VALUES ('contribution_return', 0)")
        states, places = dict.fromkeys(amounts, "authorised"), dict[int, str | None]()
        versions = {B1: 1, B2: 1}
        for number, choice, batch in walk:
            ahead = sorted(after for before, after in STEPS if before == states[number])
            if not ahead:
                continue
            after = ahead[choice % len(ahead)]
            before = places.get(number)
            gone = sum(fen for one, fen in amounts.items() if states[one] in (*RESERVED, "settled"))
            into = batch if after == "batched" else before or batch
            if after == "batched" and gone + amounts[number] > total:
                with pytest.raises(psycopg.errors.CheckViolation, match="budget_is_not_overdrawn"), db.transaction():
                    move(db, number, after, into)
                continue
            move(db, number, after, into)
            states[number] = after
            place = place_of(db, number)
            if place != before:
                versions |= {one: versions[one] + 1 for one in (before, place) if one is not None}
            places[number] = place
            inside = {one: [amounts[n] for n, where in places.items() if where == one] for one in (B1, B2)}
            assert declared(db) == {one: (len(fen), sum(fen), versions[one]) for one, fen in inside.items()}
            assert budget_of(db, "job_stabilisation") == (
                sum(fen for n, fen in amounts.items() if states[n] in RESERVED),
                sum(fen for n, fen in amounts.items() if states[n] == "settled"),
            )
            assert budget_of(db, "contribution_return") == (0, 0)
        raise psycopg.Rollback(trial)


def test_one_statement_may_move_payments_into_out_of_and_between_batches(db: Connection) -> None:
    with_five_payments(db)
    for number, batch in ((1, B1), (2, B1), (3, B2)):
        move(db, number, "batched", batch)
    assert declared(db) == {B1: (2, 150, 3), B2: (1, 21, 2)}
    db.execute(
        """UPDATE rules.payment SET
             state = CASE WHEN number = 1 THEN 'authorised' WHEN number < 5 THEN 'batched' ELSE 'held' END,
             batch_id = CASE WHEN number IN (2, 4) THEN repeat('b2', 16) WHEN number = 3 THEN repeat('b1', 16) END,
             held_for = CASE WHEN number = 5 THEN 'frozen' END"""
    )
    # One statement is one version.
    assert declared(db) == {B1: (1, 21, 4), B2: (2, 78, 3)}
    assert budget_of(db, "job_stabilisation") == (99, 0)


def test_a_change_that_moves_no_payment_leaves_the_version_as_it_is(db: Connection) -> None:
    bring(db, 1, "approved")
    before = declared(db)
    for state in ("submitted", "unknown", "submitted", "settled"):
        move(db, 1, state)
    assert declared(db) == before
    db.execute("UPDATE rules.payment SET clawed_fen = 60, clawbacks = 1 WHERE number = 1")
    assert declared(db) == before
    # What is claimed back is not to be spent twice.
    assert budget_of(db, "job_stabilisation") == (0, 100)


def test_the_other_programmes_money_is_its_own(db: Connection) -> None:
    db.execute("INSERT INTO rules.budget (programme, total_fen) VALUES ('contribution_return', 7)")
    db.execute(
        """INSERT INTO rules.refund (uscc, measure, key, partition, revision, amount_fen, last_number, prefecture)
           VALUES ('91650100MA7ABCDE18', 'contribution_return', 'pension/2020-02', 3, 1, 7, 1, '650100')"""
    )
    db.execute(
        """INSERT INTO rules.payment
           (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id)
           VALUES ('91650100MA7ABCDE18', 'contribution_return', 'pension/2020-02', 7, repeat('7', 32), 7, 'authorised',
             '650100', repeat('d', 32))"""
    )
    db.execute("UPDATE rules.payment SET state = 'batched', batch_id = repeat('b1', 16)")
    assert budget_of(db, "contribution_return") == (7, 0)
    assert budget_of(db, "job_stabilisation") == (150, 0)


@pytest.mark.parametrize("end", ["settled", "rejected", "authorised", "cancelled"])
def test_a_budget_is_free_again_only_of_what_was_not_paid(
    db: Connection, end: Literal["settled", "rejected", "authorised", "cancelled"]
) -> None:
    db.execute("UPDATE rules.budget SET total_fen = 149")
    bring(db, 1, "submitted" if end in ("settled", "rejected") else "batched")
    with pytest.raises(psycopg.errors.CheckViolation, match="budget_is_not_overdrawn"), db.transaction():
        move(db, 2, "batched", B2)
    move(db, 1, end)
    if end == "settled":
        with pytest.raises(psycopg.errors.CheckViolation, match="budget_is_not_overdrawn"), db.transaction():
            move(db, 2, "batched", B2)
    else:
        move(db, 2, "batched", B2)
        assert budget_of(db, "job_stabilisation") == (50, 0)


def test_what_was_submitted_keeps_its_payments(db: Connection) -> None:
    bring(db, 1, "submitted")
    db.execute("UPDATE rules.batch SET state = 'approved'")
    db.execute("UPDATE rules.batch SET state = 'submitted'")
    with pytest.raises(psycopg.errors.IntegrityError, match="stays as it was submitted"), db.transaction():
        move(db, 2, "batched", B1)
    # What the bank refused stays on the list that the bank has, given up or not.
    for state in ("rejected", "cancelled"):
        move(db, 1, state)
        assert declared(db)[B1][:2] == (1, 100)
    with pytest.raises(psycopg.errors.IntegrityError, match="stays as it was submitted"), db.transaction():
        db.execute("UPDATE rules.payment SET batch_id = NULL WHERE number = 1")
