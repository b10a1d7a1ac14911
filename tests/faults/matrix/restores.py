"""Faults of those who keep copies: a service's tables set back to an older copy while the log kept everything."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.errors import StackError
from deploy.local.logs import tail
from deploy.local.postgres_server import SUPERUSER, wheel_binaries
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.load import wait_until

_LATER_ROWS = 20  # after the copy was made, at least: what the copy lacks
_START_SECONDS = 30.0


def set_back(service: str) -> Callable[[Ground], str]:
    """The service goes on by itself from the older copy."""

    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            copy = dump(ground, service, "yesterday")
            _go_on(ground, service)
            lost = restore(ground, service, copy)
            ground.load.was_hurt()
            start(ground, service)
        return f"the tables of {service} restored from a copy that lacks {lost} rows of what it keeps"

    return inject


def set_back_and_refused(service: str, reason: str) -> Callable[[Ground], str]:
    """The service may not go on from it, and says so; then the operator restores the copy of its last commit."""

    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            copy = dump(ground, service, "yesterday")
            _go_on(ground, service)
            stop(ground, service)
            last = dump(ground, service, "last")
            lost = restore(ground, service, copy)
            said = refusal(ground, service)
            assert reason in said, f"{service} says something else: {said}"
            restore(ground, service, last)
            ground.load.was_hurt()
            start(ground, service)
        return (
            f"the tables of {service} restored from a copy that lacks {lost} rows: it did not start ({said}); after "
            "the operator's step, a copy of its last commit, it went on"
        )

    return inject


def stop(ground: Ground, service: str) -> None:
    for replica in range(ground.replicas):
        ground.stack.stop_service(service, replica)


def start(ground: Ground, service: str) -> None:
    for replica in range(ground.replicas):
        ground.stack.start_service(service, replica)


def refusal(ground: Ground, service: str) -> str:
    """What the service says when it does not start. AssertionError when it does."""
    try:
        ground.stack.start_service(service, deadline_seconds=_START_SECONDS)
    except StackError:
        lines = tail(ground.stack.state / "logs" / f"{service}-0.log", 50)
        return next(line for line in reversed(lines) if "does not start:" in line).partition("does not start: ")[2]
    raise AssertionError(f"{service} started on a copy that it may not go on from")


def dump(ground: Ground, service: str, name: str) -> Path:
    """A consistent copy of a service's schema, as any backup by pg_dump."""
    copy = ground.servers.state / f"{service}.{name}.dump"
    _run(ground, "pg_dump", "--format=custom", f"--schema={service}", f"--file={copy}")
    return copy


def restore(ground: Ground, service: str, copy: Path) -> int:
    """The service is stopped first; how many rows fewer there are of what it keeps for ever."""
    stop(ground, service)
    before = _rows(ground, service)
    with psycopg.connect(_address(ground), autocommit=True) as db:
        db.execute(f"DROP SCHEMA {service} CASCADE".encode())
    _run(ground, "pg_restore", "--exit-on-error", str(copy))
    return before - _rows(ground, service)


def _go_on(ground: Ground, service: str) -> None:
    wanted = _rows(ground, service) + _LATER_ROWS
    wait_until(lambda: _rows(ground, service) >= wanted, f"what {service} does after the copy was made", 120)


def _rows(ground: Ground, service: str) -> int:
    table = "posting" if service == "ledger" else "outbox"
    with psycopg.connect(_address(ground), autocommit=True) as db:
        return int(db.execute(f"SELECT count(*) FROM {service}.{table}".encode()).fetchall()[0][0])


def _address(ground: Ground) -> str:
    return make_conninfo(ground.servers.environment()["RELIEF_POSTGRES_URL"], user=SUPERUSER)


def _run(ground: Ground, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(wheel_binaries() / program), f"--dbname={_address(ground)}", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
