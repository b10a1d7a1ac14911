"""The servers of a stack: which there are, how each is brought up, and where they answer."""

from pathlib import Path

from deploy.local import kafka_server, postgres_server, redis_server
from deploy.local.errors import StackError
from deploy.local.program import Unit
from deploy.local.record import Record

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


def unit(state: Path, record: Record, name: str) -> Unit:
    """One of `programs`. What it is given later are its own ports; the other brokers' are read from the record."""
    external = record.external.get(name)
    match name:
        case redis_server.PORT:
            return redis_server.unit(state, external)
        case postgres_server.PORT:
            annex = None if record.annex is None else Path(record.annex)
            return postgres_server.unit(state, external, annex)
    node = kafka_server.programs(record.brokers).index(name) + 1
    return kafka_server.unit(state, external, node, record.brokers, record.ports)


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
