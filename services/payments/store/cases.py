"""For the tests of the tables: rows that hold together, and payments brought to whatever state, step by step."""

from datetime import date
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection, sql

from services.payments.domain.life import TRANSITIONS, State

USCC = "91650100MA7ABCDE18"
B1, B2 = "b1" * 16, "b2" * 16

EXEMPTION: LiteralString = """INSERT INTO rules.exemption
  (uscc, insurance, period, partition, revision, amount_fen, prefecture)
  VALUES ('91650100MA7ABCDE18', 'pension', '2020-02', 3, 1, 700, '650100')"""
REFUND: LiteralString = """INSERT INTO rules.refund
  (uscc, measure, key, partition, revision, amount_fen, last_number, prefecture, payee_sealed, payee_digest)
  VALUES ('91650100MA7ABCDE18', 'refund', '2019', 3, 1, 150, 2, '650100', 'a.b.c.d.e', repeat('a', 32))"""
PAYMENTS: LiteralString = """INSERT INTO rules.payment
  (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id, payee_digest)
  VALUES ('91650100MA7ABCDE18', 'refund', '2019', 1, repeat('1', 32), 100, 'authorised', '650100', repeat('d', 32),
          repeat('a', 32)),
         ('91650100MA7ABCDE18', 'refund', '2019', 2, repeat('2', 32), 50, 'authorised', '650100', repeat('d', 32),
          repeat('a', 32))"""
BATCHES: LiteralString = """INSERT INTO rules.batch
  (batch_id, programme, bank, day, number, state, count, total_fen, version, prepared_by)
  VALUES (repeat('b1', 16), 'job_stabilisation', '102', '2020-03-02', 1, 'prepared', 0, 0, 1, 'clerk'),
         (repeat('b2', 16), 'job_stabilisation', '102', '2020-03-02', 2, 'prepared', 0, 0, 1, 'clerk')"""
BUDGET: LiteralString = "INSERT INTO rules.budget (programme, total_fen) VALUES ('job_stabilisation', 1000)"
DAY: LiteralString = "INSERT INTO rules.day VALUES (3, '2020-02-20')"


def refuses(db: Connection, constraint: str, statement: LiteralString) -> None:
    """At once or at the commit; nothing of it is left."""
    with pytest.raises(psycopg.errors.IntegrityError) as raised, db.transaction():  # noqa: PT012  # some at the commit
        db.execute(statement)
        db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert raised.value.diag.constraint_name == constraint, raised.value


def move(db: Connection, number: int, state: State, batch: str = B1, **changed: Any) -> None:
    """One step of a payment, with all that belongs to the state after it."""
    shape: dict[str, Any] = {
        "held_for": "frozen" if state == "held" else None,
        "batch_id": None if state in ("authorised", "held") else batch,
    }
    if state == "submitted":
        shape["submitted_on"] = date(2020, 3, 2)
    if state == "cancelled":
        row = db.execute("SELECT batch_id FROM rules.payment WHERE number = %s AND state = 'rejected'", (number,))
        shape["batch_id"] = (row.fetchone() or (None,))[0]
    shape |= changed
    settings = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in shape)
    statement = sql.SQL("UPDATE rules.payment SET state = %s, {} WHERE number = %s").format(settings)
    db.execute(statement, (state, *shape.values(), number))


def bring(db: Connection, number: int, state: State, batch: str = B1) -> None:
    """From authorised, by the shortest way that the table of transitions has."""
    for step in way_to(state):
        move(db, number, step, batch)


def way_to(state: State) -> list[State]:
    ways: dict[State, list[State]] = {"authorised": []}
    while state not in ways:
        ways |= {
            row.after: [*way, row.after]
            for row in TRANSITIONS.values()
            for start, way in [*ways.items()]
            if start in row.before and row.after not in ways
        }
    return ways[state]


def rows(db: Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()
