"""Faults of disks: the ledger's own is full. A real one, small and in memory, which only root can mount."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import SUPERUSER, unprivileged_user
from tests.faults.matrix.ground import Ground, Skipped
from tests.faults.matrix.load import wait_until

_DISK_BYTES = 128 * 1024**2
_LEFT_BYTES = 64 * 1024  # when the load goes on: a few pages
_FULL_SECONDS = 5.0
_FULL = "No space left on device"


def ledger_disk_full(ground: Ground) -> str:
    """Raises Skipped where no disk can be mounted."""
    with _small_disk() as disk, _tables_on(ground, disk):
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            file.write(bytes(max(0, shutil.disk_usage(disk).free - _LEFT_BYTES)))
        with ground.load.flowing():
            wait_until(lambda: _FULL in _said(ground), "that the ledger's disk is full", 180)
            time.sleep(_FULL_SECONDS)
            ballast.unlink()
        ground.running.settle(seconds=240)
    return f"the disk under the ledger's tables full for {_FULL_SECONDS:.0f} s ({_FULL}), then space freed"


def _said(ground: Ground) -> str:
    try:
        return " ".join(ground.running.wrong("ledger").values())
    except httpx.HTTPError:
        return ""


@contextmanager
def _small_disk() -> Iterator[Path]:
    user = unprivileged_user()
    if os.geteuid() != 0 or user is None:
        raise Skipped("needs root, to mount a small disk")
    top = Path(tempfile.mkdtemp(prefix="relief-disk-", dir="/var/tmp"))
    top.chmod(0o711)
    disk = top / "disk"
    disk.mkdir()
    options = f"size={_DISK_BYTES},mode=0755,uid={user.uid},gid={user.gid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if mounted.returncode:
            raise Skipped(f"no small disk can be mounted here: {mounted.stderr.strip()}")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


@contextmanager
def _tables_on(ground: Ground, disk: Path) -> Iterator[None]:
    """The ledger's tables and indexes are there, inside; they come back before the disk goes."""
    space = disk / "space"
    space.mkdir(mode=0o700)
    user = unprivileged_user()
    assert user is not None
    os.chown(space, user.uid, user.gid)
    address = make_conninfo(ground.servers.environment()["RELIEF_POSTGRES_URL"], user=SUPERUSER)
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
        _move(db, "small")
        try:
            yield
        finally:
            _move(db, "pg_default")
            db.execute("DROP TABLESPACE small")


def _move(db: "psycopg.Connection[tuple[object, ...]]", space: str) -> None:
    found = db.execute(
        "SELECT relkind = 'r', relname FROM pg_class"
        " WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'i')"
    ).fetchall()
    for table, name in found:
        db.execute(f"ALTER {'TABLE' if table else 'INDEX'} ledger.{name} SET TABLESPACE {space}".encode())
