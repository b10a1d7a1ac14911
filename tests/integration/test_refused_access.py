"""A server that does not let a service in, or not at its rows and keys: a sentence, and no trying for ever."""

from pathlib import Path

import psycopg
import pytest
from aiokafka.structs import TopicPartition
from limits import parse

from deploy.local.stack import Stack
from services.ledger.app import MIGRATIONS
from shared.limits import Limiter
from shared.store_access import PostgresAccess, RedisAccess
from shared.streaming import postgres_store, redis_store
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import migrate, transaction
from shared.streaming.redis_store import RedisStore
from tests.integration.test_start_refusals import refusal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PLACE = TopicPartition("relief.facts.v1", 0)


class Access(PostgresAccess, RedisAccess):
    """As any service with both."""


def access(stack: Stack, passwords: Path | None = None) -> Access:
    environment = stack.environment()
    return Access(
        kafka_bootstrap="-",
        http_port=1,
        secrets_dir=Path(),
        postgres_url=environment["RELIEF_POSTGRES_URL"],
        redis_url=environment["RELIEF_REDIS_URL"],
        postgres_passwords_dir=passwords or Path(environment["RELIEF_POSTGRES_PASSWORDS_DIR"]),
        redis_passwords_dir=passwords or Path(environment["RELIEF_REDIS_PASSWORDS_DIR"]),
    )


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """Passwords that are none."""
    for user in ("relief_ledger", "intake", "holdover"):
        (tmp_path / f"{user}.password").write_text("a wrong one\n")
    return tmp_path


@pytest.mark.parametrize(("service", "server"), [("ledger", "POSTGRES"), ("intake", "REDIS"), ("holdover", "REDIS")])
def test_a_wrong_password(stack: Stack, wrong: Path, service: str, server: str) -> None:
    sentence = refusal(stack, service, {f"RELIEF_{server}_PASSWORDS_DIR": str(wrong)})
    assert "password" in sentence
    assert f"RELIEF_{server}_URL" in sentence
    assert "a wrong one" not in sentence


def test_a_missing_password_file(stack: Stack, tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(stack, "ledger", {"RELIEF_POSTGRES_PASSWORDS_DIR": str(tmp_path)})


async def test_a_role_of_another_service_at_start(stack: Stack) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema ledger"):
        await migrate(access(stack).postgres("payments"), "ledger", MIGRATIONS)


async def test_a_role_that_only_reads_at_start(stack: Stack) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="inbox"):
        await migrate(stack.environment()["RELIEF_POSTGRES_URL"], "ledger", MIGRATIONS)


async def test_a_role_that_serves_needs_nothing_more(stack: Stack) -> None:
    await migrate(access(stack).postgres("ledger"), "ledger", MIGRATIONS)


async def test_a_right_that_is_missing_while_it_runs(stack: Stack) -> None:
    pool = postgres_store.connect(access(stack).postgres("ledger"), "ledger")
    await pool.open()
    try:
        for statement in ("SELECT * FROM payments.payment", "DELETE FROM posting", "CREATE TABLE mine (n int)"):
            with pytest.raises(Stop, match="permission denied"):
                async with transaction(pool) as db:
                    await db.execute(statement)
    finally:
        await pool.close()


async def test_a_password_that_is_refused_while_it_runs(stack: Stack, wrong: Path) -> None:
    pool = postgres_store.connect(access(stack, wrong).postgres("ledger"), "ledger")
    pool.timeout = 1.0
    await pool.open()
    try:
        with pytest.raises(Stop, match="password authentication failed") as refused:
            async with transaction(pool):
                pass
        assert "a wrong one" not in str(refused.value)
    finally:
        await pool.close()


async def test_redis_refuses_while_it_runs(stack: Stack, wrong: Path) -> None:
    for told, service, sentence in (
        (access(stack, wrong), "intake", "password"),
        (access(stack), "eligibility", "no permissions"),
    ):
        redis = redis_store.connect(told.redis(service))
        store: RedisStore[bytes] = RedisStore(redis, "intake", bytes, bytes)
        try:
            with pytest.raises(Stop, match=sentence):
                await store.mark(PLACE)
            with pytest.raises(Stop, match=sentence):
                await store.check_policy()
            with pytest.raises(Stop, match=sentence):
                await store.restart(PLACE, 1, None)
            assert sentence in (await store.check() or "") or service == "eligibility"
        finally:
            await redis.aclose()


async def test_a_limiter_tells_at_start_and_never_stands_in_the_way_later(stack: Stack) -> None:
    url = access(stack).redis("holdover")
    own, foreign = Limiter(url, "holdover"), Limiter(url, "intake")
    try:
        await own.check()
        assert await own.wait_seconds(parse("1/second"), "a") == 0
        with pytest.raises(Stop, match="no permissions"):
            await foreign.check()
        assert await foreign.wait_seconds(parse("1/second"), "a") == 0
    finally:
        await own.close()
        await foreign.close()
