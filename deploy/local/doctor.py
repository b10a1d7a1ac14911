"""What is wrong with an installation, in sentences."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from deploy.local import broker_findings, fetch_kafka, kafka_server, ports, postgres_server, redis_server, services
from deploy.local.errors import NotReady, StackError
from deploy.local.record import Record, load
from deploy.local.stack import Stack
from deploy.local.status import ServiceStatus, Status

DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence. A harmless one is worth knowing and nothing is wrong."""

    sentence: str
    harmless: bool = False


def examine(stack: Stack) -> list[Finding]:
    """Everything worth telling about the stack and the machine; takes seconds. Changes nothing."""
    try:
        record = load(stack.state)
    except StackError as error:
        return [Finding(str(error))]
    findings = [*_programs(stack, record), *_disk(stack.state), *_keys(stack.state / "secrets")]
    if not record.running:
        findings.append(Finding(f"The stack in {stack.state} is not up: `relief up` starts it.", harmless=True))
        return [*findings, *_default_ports(record)]
    status = stack.status()
    return [*findings, *_servers(stack, status, record), *_services(status), *_contents(stack, status)]


def _programs(stack: Stack, record: Record) -> Iterator[Finding]:
    """Java, Maven and what the wheels carry, as far as they are needed."""
    for server, variable in stack_variables().items():
        if server in record.external or stack.environ.get(variable):
            continue
        try:
            match server:
                case kafka_server.PORT:
                    yield from _kafka_programs()
                case redis_server.PORT:
                    redis_server.binary()
                case _:
                    postgres_server.wheel_binaries()
        except StackError as error:
            yield Finding(_sentence(str(error)))


def stack_variables() -> dict[str, str]:
    """The variables that name external servers, by server."""
    return {one.PORT: one.VARIABLE for one in (kafka_server, redis_server, postgres_server)}


def _kafka_programs() -> Iterator[Finding]:
    fetch_kafka.find_java()
    if not fetch_kafka.fetched():
        fetch_kafka.find_maven()
        yield Finding("Kafka's jars are not fetched yet: run `make setup`, or let `relief up` do it.")


def _disk(state: Path) -> Iterator[Finding]:
    there = next(directory for directory in (state, *state.parents) if directory.is_dir())
    free = shutil.disk_usage(there).free
    if free < DISK_BYTES:
        yield Finding(
            f"The disk of {there} has {free // 1024**2} MB left, less than {DISK_BYTES // 1024**2} MB: "
            "free some, or use another --state."
        )


def _keys(directory: Path) -> Iterator[Finding]:
    from shared.keyfiles import open_to_others

    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        # Of a JSON Web Key, `d` and `k` are the secret parts.
        secret = path.suffix in (".key", ".password") or any(part in path.read_bytes() for part in (b'"d"', b'"k"'))
        sentence = open_to_others(path) if secret else None
        if sentence is not None:
            yield Finding(sentence)


def _default_ports(record: Record) -> Iterator[Finding]:
    wanted = {"kafka": 9092, "redis": 6379, "postgres": 5432}
    wanted |= {name: one.port for name, one in services.read().items() if one.port is not None}
    for name, port in wanted.items():
        if name not in record.external and not ports.is_free(port):
            yield Finding(
                f"Port {port} of {name} is taken by another program: `relief up` will take a free one.", harmless=True
            )


def _servers(stack: Stack, status: Status, record: Record) -> Iterator[Finding]:
    for name, variable in stack_variables().items():
        if getattr(status, name) is None:
            if name == kafka_server.PORT and name in record.external and (why := _refusal(stack)) is not None:
                yield Finding(why)
                continue
            here = f"`relief up` starts it and `relief logs {name}` shows why it ended"
            there = f"{variable} named it; start it there"
            yield Finding(f"{name} does not answer: {there if name in record.external else here}.")


def _refusal(stack: Stack) -> str | None:
    """Why the user's own Kafka does not let us in, if that is what is wrong."""
    try:
        kafka_server.check_access(stack.kafka())
    except NotReady:
        return None
    except StackError as error:
        return _sentence(str(error))
    return None


def _services(status: Status) -> Iterator[Finding]:
    for name, service in status.services.items():
        if service.ready:
            continue
        if service.pid is None:
            yield Finding(f"{name} does not run: `relief up` starts it and `relief logs {name}` shows why it ended.")
        else:
            yield Finding(f"{name} runs but is not ready: {_why_not_ready(service)}; see `relief logs {name}`.")


def _why_not_ready(service: ServiceStatus) -> str:
    try:
        answer = httpx.get(f"{service.url}/readyz", timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return f"{service.url}/readyz gives no answer ({type(error).__name__})"
    return f"{service.url}/readyz says {answer.status_code} {' '.join(answer.text.split())[:300]}"


def _contents(stack: Stack, status: Status) -> Iterator[Finding]:
    if status.kafka is not None:
        for sentence in asyncio.run(broker_findings.examine(stack.kafka())):
            yield Finding(sentence)
    if status.redis is not None:
        try:
            policy = redis_server.eviction_policy(stack.environment()[redis_server.VARIABLE])
        except redis.RedisError as error:
            yield Finding(f"Redis does not tell its maxmemory-policy ({error}): make sure that it is noeviction.")
            return
        if policy != "noeviction":
            yield Finding(
                f"Redis at {status.redis} has maxmemory-policy {policy}, and one evicted key loses state: "
                "set `maxmemory-policy noeviction`."
            )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
