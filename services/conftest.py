"""What the services' tests stand on: development keys, a real Redis, and databases in the test run's PostgreSQL."""

import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import ROLE, SUPERUSER, VARIABLE
from deploy.local.redis_server import binary
from deploy.local.stack import Stack
from shared.devkeys import write_development_keys

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


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of development keys."""
    directory = tmp_path_factory.mktemp("keys") / "secrets"
    write_development_keys(directory)
    return directory


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "socket"
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            deadline = time.monotonic() + 20
            while not path.exists():
                assert server.poll() is None
                assert time.monotonic() < deadline, "Redis did not start in twenty seconds"
                time.sleep(0.02)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(10)
