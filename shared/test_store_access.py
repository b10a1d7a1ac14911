"""Who a service is at its stores, from what it is told, and that a password gets into no text."""

from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from redis.asyncio import ConnectionPool

from shared.keyfiles import KeyFileError
from shared.store_access import PostgresAccess, RedisAccess
from shared.streaming.errors import Stop

SECRET = "p@ss/w:rd%41 é"


class Access(PostgresAccess, RedisAccess):
    """Of a service with both."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n", "utf-8")
    return file


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("relief_ledger", "ledger"):
        (tmp_path / f"{name}.password").write_text(f"of {name}\n")
    return tmp_path


def access(**told: Any) -> Access:
    usual = {"postgres_url": "postgresql://role@db:5433/relief", "redis_url": "redis://user@cache:6380/0"}
    return Access(kafka_bootstrap="-", http_port=1, secrets_dir=Path(), **usual | told)


def postgres(told: Access) -> tuple[Any, ...]:
    found = conninfo_to_dict(told.postgres("ledger"))
    return tuple(found.get(name) for name in ("host", "port", "dbname", "user", "password"))


def redis(told: Access) -> tuple[Any, ...]:
    found = ConnectionPool.from_url(told.redis("ledger")).connection_kwargs
    return tuple(found.get(name) for name in ("host", "port", "username", "password"))


def test_without_a_password_the_address_is_all() -> None:
    assert postgres(access()) == ("db", "5433", "relief", "role", None)
    assert redis(access()) == ("cache", 6380, "user", None)


def test_a_password_comes_from_its_file_whatever_is_in_it(file: Path) -> None:
    told = access(postgres_password_file=file, redis_password_file=file)
    assert postgres(told) == ("db", "5433", "relief", "role", SECRET)
    assert redis(told) == ("cache", 6380, "user", SECRET)


def test_a_directory_makes_a_service_its_own_user(directory: Path) -> None:
    told = access(postgres_passwords_dir=directory, redis_passwords_dir=directory)
    assert postgres(told) == ("db", "5433", "relief", "relief_ledger", "of relief_ledger")
    assert redis(told) == ("cache", 6380, "ledger", "of ledger")


def test_a_password_in_the_address_goes_before_a_directory(directory: Path) -> None:
    told = access(
        postgres_url="postgresql://me:mine@db/relief",
        redis_url="redis://me:mine@cache/0",
        postgres_passwords_dir=directory,
        redis_passwords_dir=directory,
    )
    assert postgres(told)[3:] == ("me", "mine")
    assert redis(told)[2:] == ("me", "mine")


def test_parameters_for_tls_are_kept(file: Path) -> None:
    told = access(
        postgres_url="postgresql://role@db/relief?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        redis_url="rediss://user@cache:6380/0?ssl_ca_certs=/etc/ca.pem",
        postgres_password_file=file,
        redis_password_file=file,
    )
    found = conninfo_to_dict(told.postgres("ledger"))
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    pool = ConnectionPool.from_url(told.redis("ledger"))
    assert pool.connection_class.__name__ == "SSLConnection"
    assert pool.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_two_passwords_are_one_too_many(server: str, file: Path) -> None:
    scheme = {"postgres": "postgresql", "redis": "redis"}[server]
    told = access(**{f"{server}_url": f"{scheme}://me:hidden@host/0", f"{server}_password_file": file})
    with pytest.raises(Stop, match=f"RELIEF_{server.upper()}_PASSWORD_FILE") as refused:
        getattr(told, server)("ledger")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("server", ["postgres", "redis"])
@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_file_that_is_none(server: str, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KeyFileError, match=str(file)):
        getattr(access(**{f"{server}_password_file": file}), server)("ledger")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "hidden",
            "postgresql://me:hid%den@host/db",
            "postgresql://me:hid%zz@host/db",
            "postgresql://me:hidden@[host/db",
            "host=hidden x",
        ),
        *(
            "redis://me:hidden/@host/0",
            "redis://me:hidden@[host/0",
            "redis://me@host:hidden/0",
            "http://me:hidden@host",
        ),
    ],
)
def test_an_address_that_is_none_is_not_told(url: str) -> None:
    server = "redis" if url.startswith(("redis", "http")) else "postgres"
    with pytest.raises(Stop, match=f"RELIEF_{server.upper()}_URL") as refused:
        getattr(access(**{f"{server}_url": url}), server)("ledger")
    assert "hid" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_settings_show_no_password() -> None:
    told = access(postgres_url="postgresql://me:hidden@db/relief", redis_url="redis://me:hidden@cache/0")
    assert "hidden" not in f"{told!r} {told} {told.model_dump()}"
