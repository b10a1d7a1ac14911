"""Copies of a service's tables, as backups make them, and what becomes of the service that is set back to one."""

import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.errors import StackError
from deploy.local.logs import tail
from deploy.local.postgres_server import SUPERUSER, wheel_binaries
from tests.integration.running import Running

_START_SECONDS = 120.0


def dump(running: Running, service: str, name: str) -> Path:
    """A consistent copy of a service's schema, as any backup by pg_dump."""
    copy = running.stack.state / f"{service}.{name}.dump"
    _run(running, "pg_dump", "--format=custom", f"--schema={service}", f"--file={copy}")
    return copy


def restore(running: Running, service: str, copy: Path) -> int:
    """Of a service that is stopped; how many rows fewer there are of what it keeps for ever."""
    before = rows(running, service)
    with psycopg.connect(_address(running), autocommit=True) as db:
        db.execute(f"DROP SCHEMA {service} CASCADE".encode())
    _run(running, "pg_restore", "--exit-on-error", str(copy))
    return before - rows(running, service)


def rows(running: Running, service: str) -> int:
    """Of what it keeps for ever: postings, or events told."""
    table = "posting" if service == "ledger" else "outbox"
    with psycopg.connect(_address(running), autocommit=True) as db:
        return int(db.execute(f"SELECT count(*) FROM {service}.{table}".encode()).fetchall()[0][0])


def refusal(running: Running, service: str) -> str:
    """What the service says when it does not start. AssertionError when it does."""
    try:
        running.stack.start_service(service, deadline_seconds=_START_SECONDS)
    except StackError as error:
        lines = tail(running.stack.state / "logs" / f"{service}-0.log", 200)
        said = [line.partition("does not start: ")[2] for line in lines if "does not start: " in line]
        if said:
            return said[-1]
        raise AssertionError(f"{service} did not start, and does not say why: {error}") from error
    raise AssertionError(f"{service} started on a copy that it may not go on from")


def _address(running: Running) -> str:
    return make_conninfo(running.environment["RELIEF_POSTGRES_URL"], user=SUPERUSER)


def _run(running: Running, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(wheel_binaries() / program), f"--dbname={_address(running)}", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
