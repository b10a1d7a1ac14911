"""A real PostgreSQL for the services' store tests: the local stack's own, without its process manager."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import rmtree

import psycopg
import pytest
from psycopg import sql

from deploy.local import postgres_server
from deploy.local.errors import NotReady
from deploy.local.ports import HOST, choose
from deploy.local.program import LAUNCHER, Unit, write_plan

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of this test run's own, gone with it."""
    state = tmp_path_factory.mktemp("postgres")
    (state / "run").mkdir()
    annex = postgres_server.choose_annex(state)
    ports = {postgres_server.PORT: choose((), ())}
    try:
        yield from _serve(postgres_server.unit(state, None, annex), ports, state)
    finally:
        if annex is not None:
            rmtree(annex)


@pytest.fixture
def database(postgres_port: int) -> Iterator[str]:
    """The URL of an empty database, as the services' role: its owner, and no superuser."""
    name = f"test_{next(_numbers)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(_administrator(postgres_port), autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, sql.Identifier(postgres_server.ROLE)))
    yield f"postgresql://{postgres_server.ROLE}@{HOST}:{postgres_port}/{name}"
    with psycopg.connect(_administrator(postgres_port), autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture
def superuser_database(database: str, postgres_port: int) -> str:
    """The same database, as one whom no rights hold back."""
    return database.replace(f"//{postgres_server.ROLE}@", f"//{postgres_server.SUPERUSER}@")


def _serve(unit: Unit, ports: dict[str, int], state: Path) -> Iterator[int]:
    program = unit.prepare(ports)
    # Only for tests: nothing of this server is kept.
    quick = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    plan = state / "run" / "postgres.json"
    write_plan(plan, replace(program, argv=(*program.argv, *quick)), parent=os.getpid())
    # The launcher drops root, and lets the server die with us however we end.
    command = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _wait_until_ready(unit, ports, process)
            yield ports[postgres_server.PORT]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _wait_until_ready(unit: Unit, ports: dict[str, int], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            unit.check(ports)
        except NotReady as error:
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"PostgreSQL for the tests does not start: {error}")
            time.sleep(0.05)
        else:
            return


def _administrator(port: int) -> str:
    return f"postgresql://{postgres_server.SUPERUSER}@{HOST}:{port}/postgres"
