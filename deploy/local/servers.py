"""The servers of a stack: which there are, how each is brought up, and where they answer."""

from collections.abc import Mapping
from pathlib import Path

from deploy.kafka.acl import OVERSEER
from deploy.local import kafka_server, postgres_server, redis_server
from deploy.local.errors import StackError
from deploy.local.program import Unit
from deploy.local.record import Record
from shared.streaming.errors import Stop
from shared.streaming.kafka_access import PREFIX, KafkaAccess, from_environment

# By server, the variable that names the user's own and that services get.
SERVERS = {
    kafka_server.PORT: kafka_server.VARIABLE,
    redis_server.PORT: redis_server.VARIABLE,
    postgres_server.PORT: postgres_server.VARIABLE,
}


def programs(record: Record) -> list[str]:
    """The names of the servers as programs; Kafka is one for each broker."""
    external = kafka_server.PORT in record.external
    brokers = kafka_server.programs(1 if external else record.brokers)
    return [*brokers, *(name for name in SERVERS if name != kafka_server.PORT)]


def unit(state: Path, record: Record, name: str, environ: Mapping[str, str]) -> Unit:
    """One of `programs`. What it is given later are its own ports; the other brokers' are read from the record."""
    external = record.external.get(name)
    match name:
        case redis_server.PORT:
            return redis_server.unit(state, external)
        case postgres_server.PORT:
            annex = None if record.annex is None else Path(record.annex)
            return postgres_server.unit(state, external, annex)
    node = kafka_server.programs(record.brokers).index(name) + 1
    own = None if external is None else kafka(state, record, environ)
    return kafka_server.unit(state, own, node, record.brokers, record.ports)


def address(state: Path, record: Record, server: str) -> str:
    """Where a server answers, ours or the user's own. Raises StackError before the first `up`."""
    if server in record.external:
        return record.external[server]
    if server not in record.ports:
        raise StackError(f"the stack in {state} has no {server} yet: run `relief up`")
    match server:
        case kafka_server.PORT:
            return kafka_server.address(record.ports, record.brokers)
        case redis_server.PORT:
            return redis_server.url(record.ports)
    return postgres_server.url(record.ports)


def variables(state: Path, record: Record, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the address of each server; of our own Kafka the door that asks for no password, and of our other
    servers where the passwords are.
    """
    found = dict(environ)
    if kafka_server.PORT not in record.external:
        for name in [name for name in found if name.startswith(PREFIX)]:
            del found[name]  # it was meant for another broker
    for own in (redis_server, postgres_server):
        if own.PORT not in record.external:
            found[own.PASSWORDS] = str(own.passwords_dir(state))
    return found | {variable: address(state, record, server) for server, variable in SERVERS.items()}


def for_services(state: Path, record: Record) -> dict[str, str]:
    """What services are told beside: how each logs in at our own Kafka, by its own name. Of the user's own, nothing."""
    if kafka_server.PORT in record.external or kafka_server.login_port(1) not in record.ports:
        return {}
    return {
        kafka_server.VARIABLE: kafka_server.login_address(record.ports, record.brokers),
        f"{PREFIX}SECURITY": "SASL_PLAINTEXT",
        f"{PREFIX}PASSWORDS_DIR": str(kafka_server.passwords_dir(state)),
    }


def kafka(state: Path, record: Record, environ: Mapping[str, str], user: str = OVERSEER) -> KafkaAccess:
    """For a command: by the door of our own Kafka, or as `environ` says of the user's. Raises StackError."""
    where = address(state, record, kafka_server.PORT)
    if kafka_server.PORT not in record.external:
        return KafkaAccess(where)
    try:
        return from_environment(environ, user, where)
    except Stop as error:
        raise StackError(str(error)) from error


def note_brokers(state: Path, record: Record, wanted: int | None) -> None:
    """Into the record how many brokers there are to be. Raises StackError: it cannot be changed, or is no such number.

    Changed it cannot be because topics hold each record as often as there were brokers when they were made.
    """
    if wanted is None or wanted == record.brokers:
        return
    if wanted not in kafka_server.SIZES:
        raise StackError(f"a stack has {' or '.join(map(str, kafka_server.SIZES))} brokers, not {wanted}")
    if kafka_server.PORT in record.ports:
        raise StackError(f"the stack in {state} has {record.brokers} broker(s): `relief down --wipe` it for {wanted}")
    record.brokers = wanted
