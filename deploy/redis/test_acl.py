"""What each user may do in a real Redis with our ACL file, tried there; what is expected is written here once more."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from deploy.local.redis_server import binary
from deploy.local.stack import Stack
from deploy.local.testing import eventually
from deploy.redis.acl import acl_file

# The library would try a refused password again, with pauses.
ONCE: Final = Retry(NoBackoff(), 0)
PASSWORDS: Final = {
    "intake": "of intake",
    "eligibility": "of eligibility",
    "payments": "of payments",
    "holdover": "of holdover",
    "ledger": "of ledger",
    "operator": "of operator",
}
SERVICES: Final = ("intake", "eligibility", "payments", "holdover", "ledger")
# As the services make them.
KEYS: Final = {
    "intake": (
        "relief:intake:upstream.tax.v1:0",
        "relief:intake:submission:0af1",
        "relief:relief-intake-status:relief.decisions.v1:3",
        "relief-limits:intake:{LIMITER/principal:a/30/1/minute}",
        "relief-limits:intake:{LIMITER/principal:a/30/1/minute}/-1",
    ),
    "eligibility": (
        "relief:eligibility:relief.facts.v1:11",
        "relief-limits:eligibility:{LIMITER/address:a/9/1/second}",
    ),
    "payments": ("relief-limits:payments:{LIMITER/principal:b/1200/1/minute}",),
    "holdover": ("relief-limits:holdover:{LIMITER/principal:b/30/1/minute}",),
    "ledger": ("relief-limits:ledger:{LIMITER/principal:b/1200/1/minute}",),
    "nobody": (
        *("relief:payments:x", "relief:intakes:x", "relief:intake", "relief:holdover:x", "relief:relief-intake:x"),
        *("relief-limits:payment:x", "relief-limits:intake2:x", "LIMITS:intake", "x", ""),
    ),
}
OPERATORS: Final = {
    *("relief:intake:upstream.tax.v1:0", "relief:relief-intake-status:relief.decisions.v1:3"),
    "relief:eligibility:relief.facts.v1:11",
}
STATES: Final = {"hget", "hmget", "hset", "del"}
LIMITS: Final = {"get", "set", "exists", "incrby", "pttl", "rename"}
ALWAYS: Final = {"ping", "info", "evalsha", "script"}
COMMANDS: Final = {
    "intake": STATES | LIMITS | ALWAYS,
    "eligibility": STATES | LIMITS | ALWAYS,
    "payments": LIMITS | ALWAYS,
    "holdover": LIMITS | ALWAYS,
    "ledger": LIMITS | ALWAYS,
    "operator": {"ping", "hmget", "unlink"},
}
# Open to whoever has not even logged in.
OPEN: Final = {"auth", "hello", "reset", "quit"}
PARTS: Final = (
    *("CONFIG GET *", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "CONFIG RESETSTAT", "ACL LIST", "ACL WHOAMI"),
    *("ACL SETUSER intake on", "ACL GETUSER default", "CLIENT LIST", "CLIENT KILL ID 1", "CLIENT PAUSE 1"),
    *("SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT EXISTS a", "DEBUG SLEEP 0", "SLOWLOG GET", "MEMORY STATS", "MODULE LIST"),
)
READS: Final = {"hget": ("@next",), "hmget": ("@next",), "get": (), "exists": (), "pttl": ()}
WRITES: Final = {"hset": ("f", "v"), "set": ("v",), "del": (), "unlink": (), "incrby": ("1",)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the test's own, as a deployment's: nobody gets in without a name. Its socket."""
    folder = tmp_path_factory.mktemp("redis")
    admin = "user admin on >of_admin ~* &* +@all\n"
    (folder / "users.acl").write_text(acl_file(PASSWORDS, open_default=False) + admin)
    path = folder / "socket"
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen([*command, "--aclfile", "users.acl"], stdout=subprocess.DEVNULL) as process:
        eventually(path.exists, 20)
        yield str(path)
        process.terminate()


def client(server: str, user: str | None, password: str | None) -> "redis.Redis":
    return redis.Redis(unix_socket_path=server, username=user, password=password, decode_responses=True, retry=ONCE)


@pytest.fixture(scope="module")
def admin(server: str) -> "redis.Redis":
    return client(server, "admin", "of_admin")


@pytest.fixture(params=PASSWORDS)
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mine(server: str, user: str) -> "redis.Redis":
    return client(server, user, PASSWORDS[user])


def denied(mine: "redis.Redis", *words: str) -> bool:
    """Whether a right is missing for it; another error is none of that."""
    try:
        mine.execute_command(*words)  # type: ignore[no-untyped-call]  # of the library
    except redis.ResponseError as error:
        # The latter: of EXEC, in which the former is told.
        return isinstance(error, NoPermissionError) or "NOPERM" in str(error)
    return False


def open_to(user: str) -> set[str]:
    return OPERATORS if user == "operator" else set(KEYS[user])


def test_every_key_is_open_to_its_user_alone(mine: "redis.Redis", user: str) -> None:
    wrong = [
        f"{user} {'cannot' if may else 'can'} {command} {key!r}"
        for keys in KEYS.values()
        for key in keys
        for command, rest in (READS | WRITES).items()
        if (may := key in open_to(user) and command in COMMANDS[user]) == denied(mine, command, key, *rest)
    ]
    assert not wrong


@pytest.mark.parametrize("user", SERVICES)
def test_a_key_is_not_taken_over_by_its_name(mine: "redis.Redis", user: str) -> None:
    for owner, keys in KEYS.items():
        for key in keys:
            own = KEYS[user][0]
            assert denied(mine, "rename", own, key) == denied(mine, "rename", key, own) == (owner != user)


@pytest.mark.parametrize("user", SERVICES)
def test_a_script_gets_at_no_more_than_whoever_runs_it(mine: "redis.Redis", user: str) -> None:
    foreign = [key for owner, keys in KEYS.items() if owner != user for key in keys]
    read = mine.script_load("return redis.call('GET', ARGV[1])")
    flush = mine.script_load("return redis.call('FLUSHALL')")
    for key in foreign:
        with pytest.raises(redis.ResponseError, match="can't access at least one of the keys"):
            mine.evalsha(read, 0, key)
        assert denied(mine, "evalsha", read, "1", key, key)
    with pytest.raises(redis.ResponseError, match="can't run this command"):
        mine.evalsha(flush, 0)


def test_every_other_command_of_the_server_is_refused(mine: "redis.Redis", user: str, admin: "redis.Redis") -> None:
    told: dict[str, Any] = admin.command()
    arity = {name.lower(): int(about["arity"]) for name, about in told.items()}
    assert {"flushall", "keys", "scan", "debug", "config", "acl", "shutdown", "eval", "monitor"} <= arity.keys()
    own = min(open_to(user))
    passed = {
        name
        for name, words in arity.items()
        if name not in OPEN | COMMANDS[user] and not denied(mine, name, *[own] * (abs(words) - 1))
    }
    assert passed == set()
    assert [part for part in PARTS if not denied(mine, *part.split())] == []


@pytest.mark.parametrize("user", SERVICES)
def test_what_it_uses_is_allowed(mine: "redis.Redis", user: str, admin: "redis.Redis") -> None:
    admin.flushall()
    assert mine.ping()
    assert mine.info("memory")["maxmemory_policy"] == "noeviction"
    assert mine.set(KEYS[user][-1], "1") is True
    assert mine.get(KEYS[user][-1]) == "1"


@pytest.mark.parametrize("password", [None, "", "wrong", "of nobody"])
def test_no_or_a_wrong_password_lets_nobody_in(server: str, user: str, password: str | None) -> None:
    with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
        client(server, user, password).ping()
    for other, theirs in PASSWORDS.items():
        if other != user:
            with pytest.raises(redis.AuthenticationError):
                client(server, user, theirs).ping()


def test_without_a_name_nobody_gets_in(server: str) -> None:
    with pytest.raises(redis.AuthenticationError):
        client(server, None, None).ping()


def test_the_file_holds_no_password_and_every_user_needs_one() -> None:
    text = acl_file(PASSWORDS, open_default=False)
    assert not any(password in text for password in PASSWORDS.values())
    with pytest.raises(KeyError, match="intake"):
        acl_file({}, open_default=False)


@pytest.mark.integration
def test_the_local_stack_has_these_users_and_a_door_for_development(stack: Stack, user: str) -> None:
    told = stack.environment()
    file = Path(told["RELIEF_REDIS_PASSWORDS_DIR"], f"{user}.password")
    assert file.stat().st_mode & 0o077 == 0
    url = told["RELIEF_REDIS_URL"]
    with redis.Redis.from_url(url, retry=ONCE, username=user, password=file.read_text().strip()) as one:
        assert one.ping()
        assert denied(one, "keys", "*")
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis.from_url(url, retry=ONCE, username=user, password="wrong") as one,
    ):
        one.ping()
    with redis.Redis.from_url(url) as one:
        assert one.ping()
