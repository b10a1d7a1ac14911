"""What the database refuses, whoever asks: one row per rule, by the name of its constraint or trigger."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import LiteralString

import psycopg
import pytest
from aiokafka.structs import TopicPartition
from psycopg import Connection

from deploy.local.postgres_server import VARIABLE
from deploy.local.stack import Stack
from services.holdover.app import MIGRATIONS
from services.holdover.cases import FUND, Logs
from services.holdover.domain.enterprise import Held
from services.holdover.store.rows import HoldoverRows
from services.holdover.store.test_rows import commit
from shared.contracts import topics
from shared.streaming.postgres_store import PostgresStore, connect, migrate

pytestmark = pytest.mark.integration
SCHEMA = "holdover_rules"


@pytest.fixture(scope="session")
def url(stack: Stack) -> str:
    """A holdover in repayment (600 fen, 120 paid) and one of the provident fund, committed."""
    url = stack.environment()[VARIABLE]
    asyncio.run(_fill(url))
    return url


async def _fill(url: str) -> None:
    await migrate(url, SCHEMA, MIGRATIONS)
    pool = connect(url, SCHEMA)
    await pool.open(wait=True)
    store: PostgresStore[Held] = PostgresStore(pool, SCHEMA, HoldoverRows())
    for topic in (topics.FACTS, topics.DECISIONS):
        await store.restart(TopicPartition(topic, 3), 0, None)
    logs = Logs()
    records = [*logs.day(date(2020, 2, 10)), logs.applied("a1", "electricity", "provident_fund")]
    records += [logs.bill("b1", 600), logs.bill("f1", 50, account=FUND), logs.decided("a1"), logs.asked("r1")]
    records += [logs.withdrawn("a2", date(2020, 2, 10)), *logs.day(date(2020, 7, 1))]
    records.append(logs.paid("p1", "b1", 120, date(2020, 7, 1)))
    await commit(store, records)
    await pool.close()


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    """What a test changes is rolled back."""
    with psycopg.connect(url, options=f"-c search_path={SCHEMA}") as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("days_never_go_back", "UPDATE days SET known = '2020-06-30'"),
        ("days_never_go_back", "UPDATE days SET decided = NULL"),
        ("days_never_go_back", "UPDATE days SET told = told - 1"),
        ("days_never_go_back", "UPDATE days SET facts = facts - 1"),
        ("enterprise_keeps_its_partition", "UPDATE enterprise SET partition = 4"),
        ("enterprise_state", "UPDATE enterprise SET state = ''"),
        ("enterprise_uscc", "INSERT INTO enterprise VALUES ('short', 3, NULL, 'x')"),
        ("application_keeps_what_it_asks", "UPDATE application SET utilities = '{water}' WHERE application_id = 'a1'"),
        ("application_keeps_what_it_asks", "UPDATE application SET withdrawn_on = NULL WHERE application_id = 'a2'"),
        ("application_outcome", "UPDATE application SET outcome = 'perhaps'"),
        ("account_keeps_its_identity", "UPDATE account SET account_no = '2'"),
        ("account_state", "UPDATE account SET state = 'lost'"),
        ("account_runs_right", "UPDATE account SET open_fen = open_fen - 1 WHERE utility = 'electricity'"),
        ("account_runs_right", "UPDATE account SET repaid_fen = 119 WHERE utility = 'electricity'"),
        (
            "account_owes_or_is_owed",
            "UPDATE account SET open_fen = open_fen + 1, surplus_fen = 1 WHERE utility = 'electricity'",
        ),
        (
            "accounts_are_whole",
            "UPDATE account SET bills_fen = bills_fen + 1, open_fen = open_fen + 1 WHERE utility = 'electricity'",
        ),
        (
            "accounts_are_whole",
            "UPDATE account SET lowered_fen = 1, repaid_fen = repaid_fen - 1 WHERE utility = 'electricity'",
        ),
        ("account_in_force_is_protected", "UPDATE account SET state = 'defaulted' WHERE utility = 'electricity'"),
        (
            "account_in_force_is_protected",
            "UPDATE account SET order_id = NULL, order_from = NULL, order_until = NULL, order_signature = NULL",
        ),
        (
            "account_in_force_is_protected",
            "UPDATE account SET order_id = repeat('a', 32), order_from = '2020-02-01', order_until = '2020-02-01',"
            " order_signature = 'x' WHERE utility = 'provident_fund'",
        ),
        ("account_order_whole", "UPDATE account SET order_signature = NULL"),
        (
            "account_completed_is_paid",
            "UPDATE account SET state = 'completed', order_id = NULL, order_from = NULL, order_until = NULL,"
            " order_signature = NULL",
        ),
        (
            "account_of_one",
            "INSERT INTO account SELECT repeat('b', 32), uscc, partition, utility, supplier_id, account_no, 'none',"
            " NULL, NULL, 0, 0, 0, 0, 0, 0 FROM account WHERE utility = 'electricity'",
        ),
        ("accounts_are_whole", "UPDATE bill SET amount_fen = 601, version = 2 WHERE bill_id = 'b1'"),
        ("accounts_are_whole", "UPDATE bill SET left_out = 'outside_window' WHERE bill_id = 'b1'"),
        (
            "accounts_are_whole",
            "INSERT INTO bill SELECT uscc, 'b2', holdover_id, 1, period, due_on, 5, true, NULL, 0 FROM bill"
            " WHERE bill_id = 'b1'",
        ),
        ("bill_follows_versions", "UPDATE bill SET amount_fen = 601 WHERE bill_id = 'b1'"),
        ("bill_follows_versions", "UPDATE bill SET version = 0 WHERE bill_id = 'b1'"),
        ("bill_production", "UPDATE bill SET production_use = false, version = 2 WHERE bill_id = 'b1'"),
        ("bill_left_out", "UPDATE bill SET left_out = 'because' WHERE bill_id = 'b1'"),
        (
            "bills_are_paid_as_told",
            "INSERT INTO bill_payment SELECT uscc, 'p2', 'b1', 5, '2020-07-01' FROM enterprise",
        ),
        ("bill_payment_amount", "INSERT INTO bill_payment SELECT uscc, 'p2', 'b9', -1, '2020-07-01' FROM enterprise"),
        ("bill_payment_key", "INSERT INTO bill_payment SELECT uscc, 'p1', 'b9', 1, '2020-07-01' FROM enterprise"),
        ("instalment_paid", "UPDATE instalment SET paid_fen = amount_fen + 1"),
        ("accounts_are_whole", "UPDATE instalment SET amount_fen = amount_fen + 1 WHERE number = 6"),
        ("accounts_are_whole", "UPDATE instalment SET paid_fen = 0 WHERE number = 2"),
        ("accounts_are_whole", "DELETE FROM instalment WHERE number = 6"),
        (
            "accounts_are_whole",
            "INSERT INTO instalment SELECT holdover_id, uscc, 7, '2021-01-24', '2021-01-31', 0, 0 FROM instalment"
            " WHERE number = 6",
        ),
        ("disconnection_answer", "INSERT INTO disconnection SELECT uscc, 'r2', repeat('a', 32), '2020-07-01',"
                                 " 'perhaps', NULL, 'x', '2020-07-01' FROM enterprise"),
        ("disconnection_under_an_order_is_refused",
         "INSERT INTO disconnection SELECT uscc, 'r2', repeat('a', 32), '2020-07-01', 'allowed', repeat('b', 32), 'x',"
         " '2020-07-01' FROM enterprise"),
    ],
)  # fmt: skip
def test_the_tables_refuse(db: Connection, rule: str, statement: LiteralString) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as raised:
        db.execute(statement)
    assert raised.value.diag.constraint_name == rule, raised.value


@pytest.mark.parametrize("table", ["bill_payment", "disconnection", "outbox"])
@pytest.mark.parametrize("what", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_was_said_is_immutable(db: Connection, table: str, what: str) -> None:
    column = {"bill_payment": "amount_fen = 1", "disconnection": "reason = ''", "outbox": "partition = 1"}[table]
    with pytest.raises(psycopg.errors.IntegrityError, match="immutable"):
        db.execute(what.format(table, column).encode())


@pytest.mark.parametrize("table", ["days", "enterprise", "application", "account", "bill"])
@pytest.mark.parametrize("what", ["DELETE FROM", "TRUNCATE"])
def test_rows_stay(db: Connection, table: str, what: str) -> None:
    cascade = "CASCADE" if what == "TRUNCATE" else ""
    with pytest.raises(psycopg.errors.IntegrityError):
        db.execute(f"{what} {table} {cascade}".encode())


def test_what_agrees_goes_through_in_one_statement(db: Connection) -> None:
    db.execute(
        """WITH bills AS (UPDATE bill SET amount_fen = 660, version = 2 WHERE bill_id = 'b1'),
        parts AS (UPDATE instalment SET amount_fen = amount_fen + 10,
            paid_fen = CASE number WHEN 1 THEN 110 WHEN 2 THEN 10 ELSE 0 END
          WHERE holdover_id = (SELECT holdover_id FROM account WHERE utility = 'electricity'))
        UPDATE account SET bills_fen = 660, open_fen = 540 WHERE utility = 'electricity'"""
    )
