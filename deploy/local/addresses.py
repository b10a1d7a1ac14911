"""Where the stack's servers are, and what a program is told to reach them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local import kafka_server, postgres_server, redis_server
from deploy.local.errors import StackError
from deploy.local.record import Record
from shared.streaming.errors import Stop
from shared.streaming.kafka_access import PREFIX, KafkaAccess, from_environment

SERVERS = {
    kafka_server.PORT: kafka_server.VARIABLE,
    redis_server.PORT: redis_server.VARIABLE,
    postgres_server.PORT: postgres_server.VARIABLE,
}
_ADDRESS: dict[str, Callable[[Mapping[str, int]], str]] = {
    kafka_server.PORT: kafka_server.address,
    redis_server.PORT: redis_server.url,
    postgres_server.PORT: postgres_server.url,
}


def address(state: Path, record: Record, server: str) -> str:
    """Of one server, ours or the user's own. Raises StackError before the first `up`."""
    if server in record.external:
        return record.external[server]
    if server not in record.ports:
        raise StackError(f"the stack in {state} has no {server} yet: run `relief up`")
    return _ADDRESS[server](record.ports)


def variables(state: Path, record: Record, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the address of each server; of our own Kafka the door that asks for no password."""
    found = dict(environ)
    if kafka_server.PORT not in record.external:
        for name in [name for name in found if name.startswith(PREFIX)]:
            del found[name]  # it was meant for another broker
    return found | {variable: address(state, record, server) for server, variable in SERVERS.items()}


def for_services(state: Path, record: Record) -> dict[str, str]:
    """What services are told beside: how each logs in at our own Kafka, by its own name. Of the user's own, nothing."""
    if kafka_server.PORT in record.external or kafka_server.LOGIN_PORT not in record.ports:
        return {}
    return {
        kafka_server.VARIABLE: kafka_server.login_address(record.ports),
        f"{PREFIX}SECURITY": "SASL_PLAINTEXT",
        f"{PREFIX}PASSWORDS_DIR": str(kafka_server.passwords(state)),
    }


def kafka(state: Path, record: Record, environ: Mapping[str, str], user: str) -> KafkaAccess:
    """For a command: by the door of our own Kafka, or as `environ` says of the user's. Raises StackError."""
    where = address(state, record, kafka_server.PORT)
    if kafka_server.PORT not in record.external:
        return KafkaAccess(where)
    try:
        return from_environment(environ, user, where)
    except Stop as error:
        raise StackError(str(error)) from error
