"""Faults of Kafka, Redis and PostgreSQL: killed, stopped, emptied, set back; and of the connections to them."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import SUPERUSER
from tests.faults.matrix.ground import Ground

# What Redis had taken last and had not yet on its disk, as a power cut would leave it.
_LOST_BYTES = 200_000
_CUT_SECONDS = 4.0
_OUTAGE_SECONDS = 3.0
_FIRST_SECONDS = 1.5  # of load, before the server goes


def killed(server: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            time.sleep(_FIRST_SECONDS)
            ground.servers.kill_service(server, restart=False)
            time.sleep(_OUTAGE_SECONDS)
            ground.restart_server(server)
        return f"SIGKILL to {server}, {_OUTAGE_SECONDS:.0f} s away, started"

    return inject


def stopped(server: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            time.sleep(_FIRST_SECONDS)
            ground.servers.stop_service(server)
            time.sleep(_OUTAGE_SECONDS)
            ground.restart_server(server)
        return f"{server} stopped cleanly, {_OUTAGE_SECONDS:.0f} s away, started"

    return inject


def redis_lost_its_last_writes(ground: Ground) -> str:
    file = append_only(ground)
    with ground.load.flowing():
        time.sleep(2)  # writes that will be lost have to be there
        ground.servers.kill_service("redis", restart=False)
        size = file.stat().st_size
        kept = max(0, size - _LOST_BYTES)
        with file.open("r+b") as opened:
            opened.truncate(kept)
        ground.restart_server("redis")
    return f"SIGKILL to Redis, and the last {size - kept:,} of its {size:,} bytes on disk cut off"


def redis_flushed(ground: Ground) -> str:
    with ground.load.flowing():
        time.sleep(1)
        ground.running.flush_redis()
        time.sleep(1)
        ground.running.flush_redis()
    return "FLUSHALL, twice"


def redis_set_back(ground: Ground) -> str:
    """To what it held some time ago: all of it older, none of it broken."""
    file = append_only(ground)
    copy = file.with_name("of-old.aof")
    shutil.copyfile(file, copy)
    with ground.load.flowing():
        time.sleep(3)  # the world has to go on
        ground.servers.stop_service("redis")
        newer = file.stat().st_size - copy.stat().st_size
        copy.replace(file)
        ground.restart_server("redis")
    return f"Redis restored from a snapshot that is {newer:,} bytes of writes old"


def postgres_sessions_ended(ground: Ground) -> str:
    """By the server itself, whatever they are in the middle of."""
    address = make_conninfo(ground.servers.environment()["RELIEF_POSTGRES_URL"], user=SUPERUSER)
    ended, until = 0, time.monotonic() + _CUT_SECONDS
    with ground.load.flowing(), psycopg.connect(address, autocommit=True) as db:
        while time.monotonic() < until:
            ended += db.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE usename = 'relief' AND state IN ('active', 'idle in transaction')"
            ).fetchall()[0][0]
            time.sleep(0.1)
    return f"{ended} sessions in the middle of a transaction ended by PostgreSQL over {_CUT_SECONDS:.0f} s"


def slow(server: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        link = ground.links[server]
        with ground.load.flowing():
            link.delay_seconds = 0.1
            time.sleep(_CUT_SECONDS)
            link.calm()
        return f"0.1 s later in each direction to {server}, {_CUT_SECONDS:.0f} s long"

    return inject


def cut(server: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        link, until = ground.links[server], time.monotonic() + _CUT_SECONDS
        before = link.cuts
        with ground.load.flowing():
            while time.monotonic() < until:
                link.cut()
                time.sleep(0.2)
            link.refusing = True
            link.cut()
            time.sleep(1)
            link.calm()
        return f"{link.cuts - before} connections to {server} cut over {_CUT_SECONDS:.0f} s, then 1 s none at all"

    return inject


def commits_unanswered(server: str) -> Callable[[Ground], str]:
    """The server commits, and nobody hears of it."""

    def inject(ground: Ground) -> str:
        link = ground.links[server]
        before = link.cuts
        with ground.load.flowing():
            link.unanswered = b"COMMIT" if server == "postgres" else b"EVALSHA"
            link.unanswered_times = 20
            until = time.monotonic() + 2 * _CUT_SECONDS
            while link.unanswered_times and time.monotonic() < until:
                time.sleep(0.1)
            link.calm()
        assert link.cuts > before, "no commit went by"
        return f"{link.cuts - before} commits taken by {server} and the connection cut before the answer"

    return inject


def append_only(ground: Ground) -> Path:
    """What Redis has on its disk."""
    return ground.servers.state / "redis" / "appendonly.aof"
