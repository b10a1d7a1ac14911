"""The tables refuse what money must not do, whoever asks."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection

from services.payments.app import MIGRATIONS, SCHEMA
from shared.streaming.postgres_store import migrate

pytestmark = pytest.mark.integration
USCC = "91650100MA7ABCDE18"
P1, P2 = "1" * 32, "2" * 32

EXEMPTION: LiteralString = """INSERT INTO payments.exemption
  (uscc, insurance, period, partition, revision, amount_fen, prefecture)
  VALUES ('91650100MA7ABCDE18', 'pension', '2020-02', 3, 1, 700, '650100')"""
REFUND: LiteralString = """INSERT INTO payments.refund
  (uscc, measure, key, partition, revision, amount_fen, last_number)
  VALUES ('91650100MA7ABCDE18', 'refund', '2019', 3, 1, 150, 2)"""
PAYMENTS: LiteralString = """INSERT INTO payments.payment
  (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id, payee_sealed, payee_digest)
  VALUES ('91650100MA7ABCDE18', 'refund', '2019', 1, repeat('1', 32), 100, 'authorised', '650100', repeat('d', 32),
          'a.b.c.d.e', repeat('a', 32)),
         ('91650100MA7ABCDE18', 'refund', '2019', 2, repeat('2', 32), 50, 'authorised', '650100', repeat('d', 32),
          NULL, NULL)"""


@pytest.fixture
async def url(database: str) -> str:
    await migrate(database, SCHEMA, MIGRATIONS)
    return database


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    """Rows that hold together, committed; connected without the schema in the search path, like any visitor."""
    with psycopg.connect(url) as connection:
        for statement in (EXEMPTION, REFUND, PAYMENTS, "INSERT INTO payments.day VALUES (3, '2020-02-20')"):
            connection.execute(statement)
        connection.commit()
        yield connection
        connection.rollback()


def refuses(db: Connection, constraint: str, statement: LiteralString) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as raised:  # noqa: PT012  # some rules speak at the commit
        db.execute(statement)
        db.commit()
    db.rollback()
    assert raised.value.diag.constraint_name == constraint, raised.value


BAD_VALUES: list[tuple[str, LiteralString, LiteralString, LiteralString]] = [
    ("exemption_uscc", EXEMPTION, "91650100MA7ABCDE18", "91650100ma7abcde18"),
    ("exemption_insurance", EXEMPTION, "'pension'", "'maternity'"),
    ("exemption_period", EXEMPTION, "2020-02", "2020-13"),
    ("exemption_partition", EXEMPTION, "3, 1", "-1, 1"),
    ("exemption_revision", EXEMPTION, "3, 1", "3, 0"),
    ("exemption_amount", EXEMPTION, "700", "-1"),
    ("exemption_amount", EXEMPTION, "700", "9000000000000000001"),
    ("exemption_prefecture", EXEMPTION, "'650100'", "'65010'"),
    ("exemption_is_booked_somewhere", EXEMPTION, "'650100'", "NULL"),
    ("exemption_is_booked_somewhere", EXEMPTION, "700", "0"),
    ("exemption_key", EXEMPTION, "2020-02", "2020-02"),
    ("refund_uscc", REFUND, "91650100MA7ABCDE18", "91650100MA7ABCDE1"),
    ("refund_measure", REFUND, "'refund'", "'holdover'"),
    ("refund_key_length", REFUND, "'2019'", "''"),
    ("refund_partition", REFUND, "3, 1", "-3, 1"),
    ("refund_revision", REFUND, "3, 1", "3, 0"),
    ("refund_amount", REFUND, "150", "-1"),
    ("refund_last_number", REFUND, "150, 2", "0, -1"),
    ("refund_is_made_of_payments", REFUND, "150, 2", "150, 0"),
    ("refund_key", REFUND, "'2019'", "'2019'"),
    ("refund_is_whole", REFUND, "'2019'", "'2018'"),
    ("payment_number", PAYMENTS, "'2019', 1,", "'2019', 0,"),
    ("payment_id_form", PAYMENTS, "repeat('1', 32)", "repeat('1', 36)"),
    ("payment_amount", PAYMENTS, "100, 'auth", "0, 'auth"),
    ("payment_amount", PAYMENTS, "100, 'auth", "-5, 'auth"),
    ("payment_state", PAYMENTS, "'authorised'", "'paid'"),
    ("payment_prefecture", PAYMENTS, "'650100'", "'6501000'"),
    ("payment_decision_id", PAYMENTS, "repeat('d', 32)", "'d'"),
    ("payment_payee_digest", PAYMENTS, "repeat('a', 32)", "'Ali'"),
    ("payment_key", PAYMENTS, "repeat('1', 32)", "repeat('3', 32)"),
    ("payment_id_once", PAYMENTS, "'2019', 1,", "'2019', 3,"),
    ("payment_of_refund", PAYMENTS.replace("1', 32", "4', 32").replace("2', 32", "5', 32"), "'2019'", "'2018'"),
]


@pytest.mark.parametrize(("constraint", "statement", "good", "bad"), BAD_VALUES)
def test_a_row_out_of_range_is_refused(
    db: Connection, constraint: str, statement: LiteralString, good: LiteralString, bad: LiteralString
) -> None:
    assert good in statement
    refuses(db, constraint, statement.replace(good, bad))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments.refund SET amount_fen = 151, revision = 2",
        "UPDATE payments.refund SET amount_fen = 149, revision = 2",
        "UPDATE payments.refund SET last_number = 3",
        "UPDATE payments.payment SET state = 'cancelled' WHERE number = 2",
        PAYMENTS.replace("'2019', 1,", "'2019', 3,").replace("'2019', 2,", "'2019', 4,")
        .replace("'1', 32", "'3', 32").replace("'2', 32", "'4', 32"),
    ],
)  # fmt: skip
def test_payments_that_do_not_add_up_are_refused_at_the_commit(db: Connection, statement: LiteralString) -> None:
    refuses(db, "refund_is_whole", statement)


def test_payments_that_add_up_in_the_end_are_taken(db: Connection) -> None:
    db.execute("UPDATE payments.payment SET state = 'cancelled' WHERE number = 2")
    db.execute("UPDATE payments.refund SET amount_fen = 100, revision = 2")
    db.commit()


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("a day does not go back", "UPDATE payments.day SET date = '2020-02-20'"),
        ("a day does not go back", "UPDATE payments.day SET partition = 4, date = '2020-02-21'"),
        ("only by a higher revision", "UPDATE payments.exemption SET amount_fen = 701"),
        ("only by a higher revision", "UPDATE payments.exemption SET revision = 2, partition = 4"),
        ("stays booked where it was", "UPDATE payments.exemption SET revision = 2, prefecture = '653100'"),
        ("only by a higher revision", "UPDATE payments.exemption SET revision = 2, period = '2020-03'"),
        ("only by a higher revision", "UPDATE payments.refund SET revision = 0"),
        ("only by a higher revision", "UPDATE payments.refund SET amount_fen = 151"),
        ("never counted back", "UPDATE payments.refund SET revision = 2, last_number = 1"),
        ("only by a higher revision", "UPDATE payments.refund SET revision = 2, key = '2018'"),
        ("keeps its identity", "UPDATE payments.payment SET amount_fen = 101 WHERE number = 1"),
        ("keeps its identity", "UPDATE payments.payment SET payment_id = repeat('9', 32) WHERE number = 1"),
        ("keeps its identity", "UPDATE payments.payment SET prefecture = '653100' WHERE number = 1"),
        ("keeps its identity", "UPDATE payments.payment SET decision_id = repeat('9', 32) WHERE number = 1"),
        ("keeps its identity", "UPDATE payments.payment SET number = 9 WHERE number = 1"),
    ],
)
def test_a_change_against_the_rules_is_refused(db: Connection, rule: str, statement: LiteralString) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match=rule):
        db.execute(statement)


@pytest.mark.parametrize("state", ["settled", "rejected", "cancelled"])
def test_a_payment_is_resolved_once(db: Connection, state: str) -> None:
    db.execute("UPDATE payments.payment SET state = %s WHERE number = 1", (state,))
    with pytest.raises(psycopg.errors.IntegrityError, match="resolved once"):
        db.execute("UPDATE payments.payment SET state = 'authorised' WHERE number = 1")


@pytest.mark.parametrize("state", ["submitted", "unknown"])
def test_what_was_submitted_is_neither_cancelled_nor_redirected(db: Connection, state: str) -> None:
    db.execute("UPDATE payments.payment SET state = %s WHERE number = 1", (state,))
    db.execute("UPDATE payments.refund SET revision = 2")
    with pytest.raises(psycopg.errors.IntegrityError, match="cannot be cancelled"), db.transaction():
        db.execute("UPDATE payments.payment SET state = 'cancelled' WHERE number = 1")
    with pytest.raises(psycopg.errors.IntegrityError, match="payee is fixed"), db.transaction():
        db.execute("UPDATE payments.payment SET payee_digest = repeat('b', 32) WHERE number = 1")


@pytest.mark.parametrize("table", ["day", "exemption", "refund", "payment", "outbox"])
@pytest.mark.parametrize("verb", ["DELETE FROM", "TRUNCATE"])
def test_nothing_is_ever_deleted(db: Connection, verb: str, table: str) -> None:
    cascade = " CASCADE" if verb == "TRUNCATE" else ""
    with pytest.raises(psycopg.errors.IntegrityError, match="is refused: rows here are immutable"):
        db.execute(f"{verb} payments.{table}{cascade}")


def test_what_was_told_is_never_changed(db: Connection) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="immutable"):
        db.execute("UPDATE payments.outbox SET value = ''")
