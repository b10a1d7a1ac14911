"""Tables under the schema `rules`, once for all tests that take back what they changed."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from deploy.local.postgres_server import VARIABLE
from deploy.local.stack import Stack
from services.payments.app import MIGRATIONS
from services.payments.store.cases import BATCHES, BUDGET, DAY, EXEMPTION, PAYMENTS, REFUND
from shared.streaming.postgres_store import migrate


@pytest.fixture(scope="session")
def rules(stack: Stack) -> str:
    """The connection string; the rows of cases.py hold together and are committed."""
    url = stack.environment()[VARIABLE]
    asyncio.run(migrate(url, "rules", MIGRATIONS))
    with psycopg.connect(url) as db:
        for statement in (EXEMPTION, REFUND, PAYMENTS, BATCHES, BUDGET, DAY):
            db.execute(statement)
    return url


@pytest.fixture
def db(rules: str) -> Iterator[Connection]:
    """Without the schema in the search path, like any visitor; rolled back."""
    with psycopg.connect(rules) as connection:
        yield connection
        connection.rollback()
