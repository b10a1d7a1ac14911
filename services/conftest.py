"""Databases for the services' store tests, in the test run's PostgreSQL."""

from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import ROLE, SUPERUSER, VARIABLE
from deploy.local.stack import Stack

_numbers = count(1)


@pytest.fixture
def database(stack: Stack) -> Iterator[str]:
    """The connection string of an empty database, as the services' role: its owner, and no superuser."""
    url = stack.environment()[VARIABLE]
    administrator = make_conninfo(url, user=SUPERUSER, dbname="postgres")
    name = f"test_{next(_numbers)}"
    with psycopg.connect(administrator, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(ROLE)))
    yield make_conninfo(url, dbname=name)
    with psycopg.connect(administrator, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def superuser_database(database: str) -> str:
    """The same database, as one whom no rights hold back."""
    return make_conninfo(database, user=SUPERUSER)
