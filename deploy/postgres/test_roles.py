"""What each role may do in the stack's own PostgreSQL, tried there; what is expected is written here once more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from deploy.local.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SERVICES: Final = ("payments", "holdover", "ledger")
READERS: Final = ("relief_operator", "relief")
EVERYBODY: Final = (*(f"relief_{name}" for name in SERVICES), *READERS)
# Rows that stay as they are, for ever.
POSTED: Final = {
    "payments": {"outbox", "action", "approval", "receipt", "bank_file"},
    "holdover": {"outbox", "bill_payment", "disconnection"},
    "ledger": {"outbox", "posting"},
}
# Rows that change and never go.
LASTING: Final = {
    "payments": {
        *("day", "exemption", "refund", "payment", "payee", "batch", "approved_payment", "budget", "clawback"),
    },
    "holdover": {"days", "enterprise", "application", "account", "bill"},
    "ledger": set[str](),
}
WRITES: Final = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
# Nobody who serves or reads defines anything, or becomes somebody else. `{0}` is a schema.
DEFINITIONS: Final[tuple[LiteralString, ...]] = (
    "CREATE TABLE {0}.mine (n int)",
    "CREATE VIEW {0}.mine AS SELECT 1",
    "CREATE FUNCTION {0}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE {0}.outbox DISABLE TRIGGER ALL",
    "ALTER TABLE {0}.outbox OWNER TO CURRENT_USER",
    "DROP TRIGGER outbox_is_immutable ON {0}.outbox",
    "CREATE TRIGGER mine BEFORE INSERT ON {0}.outbox FOR EACH ROW EXECUTE FUNCTION {0}.refuse_change()",
    "CREATE INDEX mine ON {0}.outbox (topic)",
    "DROP TABLE {0}.outbox",
    "DROP SCHEMA {0} CASCADE",
    "ALTER DEFAULT PRIVILEGES FOR ROLE relief_owner IN SCHEMA {0} GRANT ALL ON TABLES TO PUBLIC",
)
POWERS: Final[tuple[LiteralString, ...]] = (
    "CREATE TABLE public.mine (n int)",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SET session_replication_role = replica",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SET ROLE postgres",
    "SET ROLE relief_owner",
    "SET ROLE relief_payments",
    "SET ROLE relief_holdover",
    "SET ROLE relief_ledger",
)
# And of the roles, but for development's, nobody makes these either.
SPACES: Final[tuple[LiteralString, ...]] = ("CREATE SCHEMA mine", "CREATE TEMPORARY TABLE mine (n int)")

Tables = dict[str, dict[str, str]]


def address(stack: Stack, role: str, **more: Any) -> str:
    """As the role with its password, as a service would come."""
    file = Path(stack.environment()["RELIEF_POSTGRES_PASSWORDS_DIR"], f"{role}.password")
    password = {"password": file.read_text().strip()} if file.exists() else {}
    return make_conninfo(stack.environment()["RELIEF_POSTGRES_URL"], **{"user": role, **password, **more})


@pytest.fixture(scope="module")
def tables(stack: Stack) -> Tables:
    """By schema and name, with the name of a column."""
    with psycopg.connect(address(stack, "postgres")) as db:
        rows = db.execute(
            "SELECT n.nspname, c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1 WHERE c.relkind = 'r'"
            " AND n.nspname = ANY(%s)",
            (list(SERVICES),),
        ).fetchall()
    found: Tables = {name: {} for name in SERVICES}
    for schema, table, column in rows:
        found[schema][table] = column
    return found


@pytest.fixture(params=EVERYBODY)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def db(stack: Stack, role: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(address(stack, role)) as opened:
        yield opened
        opened.rollback()


def forbidden(db: psycopg.Connection[Any], statement: sql.SQL | sql.Composed) -> bool:
    """Tries it and takes it back. False also where something else than a right stood in the way."""
    try:
        db.execute(statement)
    except InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    finally:
        db.rollback()
    return False


def statement(kind: str, schema: str, table: str, column: str) -> sql.Composed:
    text: dict[str, LiteralString] = {
        "SELECT": "SELECT {c} FROM {t} LIMIT 1",
        "INSERT": "INSERT INTO {t} DEFAULT VALUES",
        "UPDATE": "UPDATE {t} SET {c} = {c} WHERE false",
        "DELETE": "DELETE FROM {t} WHERE false",
        "TRUNCATE": "TRUNCATE {t}",
    }
    return sql.SQL(text[kind]).format(t=sql.Identifier(schema, table), c=sql.Identifier(column))


def allowed(role: str, kind: str, schema: str, table: str) -> bool:
    """What this whole file is about."""
    if role in READERS:
        return kind == "SELECT"
    if role != f"relief_{schema}":
        return False
    if kind == "SELECT":
        return True
    if kind == "TRUNCATE" or table == "migration":
        return False
    if table in POSTED[schema]:
        return kind == "INSERT"
    return kind != "DELETE" or table not in LASTING[schema]


def test_every_table_is_open_to_its_service_and_to_readers_alone(
    db: psycopg.Connection[Any], role: str, tables: Tables
) -> None:
    wrong = [
        f"{role} {'cannot' if may else 'can'} {kind} {schema}.{table}"
        for schema in SERVICES
        for table, column in tables[schema].items()
        for kind in ("SELECT", *WRITES)
        if (may := allowed(role, kind, schema, table)) == forbidden(db, statement(kind, schema, table, column))
    ]
    assert not wrong
    assert all(POSTED[schema] | LASTING[schema] < tables[schema].keys() for schema in SERVICES)


def test_a_foreign_schema_is_not_even_looked_into(db: psycopg.Connection[Any], role: str) -> None:
    found = {
        name
        for name in SERVICES
        if not forbidden(db, sql.SQL("SELECT {}.refuse_change()").format(sql.Identifier(name)))
    }
    assert found == (set(SERVICES) if role in READERS else {role.removeprefix("relief_")})


def test_nobody_defines_anything_or_becomes_somebody_else(db: psycopg.Connection[Any], role: str) -> None:
    tried: list[sql.SQL | sql.Composed]
    tried = [sql.SQL(text).format(sql.Identifier(schema)) for text in DEFINITIONS for schema in SERVICES]
    tried += [
        sql.SQL(text) for text in (*POWERS, *(SPACES if role != "relief" else ())) if not text.endswith(f" {role}")
    ]
    assert [one.as_string(db) for one in tried if not forbidden(db, one)] == []


def test_nobody_makes_databases_or_sets_the_server(stack: Stack, role: str) -> None:
    with psycopg.connect(address(stack, role), autocommit=True) as db:
        for text in ("CREATE DATABASE mine", "ALTER SYSTEM SET fsync = off", "DROP DATABASE relief"):
            with pytest.raises(InsufficientPrivilege):
                db.execute(text)


def test_the_door_for_development_has_room_of_its_own(stack: Stack) -> None:
    with psycopg.connect(address(stack, "relief")) as db:
        db.execute("CREATE SCHEMA mine CREATE TABLE things (n int)")
        db.rollback()


@pytest.mark.parametrize("name", [role for role in EVERYBODY if role != "relief"] + ["relief_owner"])
def test_only_its_own_password_lets_a_role_in_and_only_into_this_database(stack: Stack, name: str) -> None:
    other = "relief_ledger" if name != "relief_ledger" else "relief_payments"
    borrowed = Path(stack.environment()["RELIEF_POSTGRES_PASSWORDS_DIR"], f"{other}.password").read_text().strip()
    for password in ("", "wrong", borrowed):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address(stack, name, password=password))
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(address(stack, name, dbname="postgres"))
    with psycopg.connect(address(stack, name)) as db:
        assert db.execute("SELECT current_user, session_user").fetchone() == (name, name)


def test_only_verifiers_of_passwords_are_kept(stack: Stack) -> None:
    with psycopg.connect(address(stack, "postgres")) as db:
        rows = db.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'relief\\_%'").fetchall()
    assert {name for name, _ in rows} == {role for role in EVERYBODY if role != "relief"} | {"relief_owner"}
    assert all(kept.startswith("SCRAM-SHA-256$") for _, kept in rows)
