"""One Kafka node or three, each broker and controller in one, set for a small machine.

Three hold every record three times and go on without one of them: that is how an installation that matters runs.
"""

import asyncio
import base64
import contextlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local import fetch_kafka
from deploy.local.errors import NotReady, StackError
from deploy.local.files import replace_text
from deploy.local.ports import HOST
from deploy.local.program import Program, Unit
from deploy.local.run_once import run_once
from shared.streaming.admission import check_admitted
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import MECHANISM, KafkaAccess

VARIABLE = "RELIEF_KAFKA_BOOTSTRAP"
# The development door: who reaches it on this machine may do everything, without a password. It is for `relief status`,
# commands and tests; services do not use it, they log in at `login_port`. A real cluster has no such door.
PORT = "kafka"
# How many a stack may have: two would stand still without either of them.
SIZES = (1, 3)
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
LOG_SETTINGS = Path(__file__).parent / "kafka" / "log4j2.xml"
# Intake must be able to read, and to reject, a record of 2 MB.
MESSAGE_BYTES = 4 * 1024 * 1024
# Two cores at most, mostly shared with the services: the serial collector leaves them more than the parallel ones.
JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
ARCHIVE = fetch_kafka.LIBRARIES / "classes.jsa"


def program(node: int) -> str:
    """The name of a node, as a program and of its port: the first is `kafka`, the second `kafka-2`."""
    return PORT if node == 1 else f"{PORT}-{node}"


def controller_port(node: int) -> str:
    """The name of the port on which the nodes agree about who leads."""
    return f"{program(node)}-controller"


def login_port(node: int) -> str:
    """The name of the port where users log in, and have their own rights and no more."""
    return f"{program(node)}-login"


def programs(brokers: int) -> list[str]:
    """The names of all nodes, the first first."""
    return [program(node) for node in range(1, brokers + 1)]


def unit(
    state: Path, external: KafkaAccess | None, node: int = 1, brokers: int = 1, known: Mapping[str, int] | None = None
) -> Unit:
    """One node of the stack's Kafka, or the user's own.

    `known`: the chosen ports of all nodes, where there are several; read when the node is prepared.
    """
    name, login, controller = program(node), login_port(node), controller_port(node)

    def prepare(ports: Mapping[str, int]) -> Program:
        directory = state / name
        directory.mkdir(exist_ok=True)
        replace_text(directory / "server.properties", properties({**(known or {}), **ports}, node, brokers))
        java = [str(fetch_kafka.find_java()), *JVM, f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}"]
        java += ["-cp", f"{fetch_kafka.LIBRARIES}/*"]
        if ARCHIVE.is_file():
            java.insert(1, f"-XX:SharedArchiveFile={ARCHIVE}")
        _format(java, directory, state)
        return Program(name, (*java, "kafka.Kafka", "server.properties"), _environment(), directory, stop_seconds=20)

    def check(ports: Mapping[str, int]) -> None:
        if external is not None:
            check_access(external)
        else:
            check_access(KafkaAccess(f"{HOST}:{ports[name]}"), node)

    default = 9092 + 10 * (node - 1)
    ports = {name: default, controller: default + 1, login: default + 2}
    return Unit(name, ports, prepare, check, None if external is None else external.bootstrap)


def address(ports: Mapping[str, int], brokers: int = 1) -> str:
    """The bootstrap address of the stack's Kafka: every node, for any of them may be away."""
    return ",".join(f"{HOST}:{ports[name]}" for name in programs(brokers))


def login_address(ports: Mapping[str, int], brokers: int = 1) -> str:
    """The bootstrap address where users log in."""
    return ",".join(f"{HOST}:{ports[login_port(node)]}" for node in range(1, brokers + 1))


def passwords_dir(state: Path) -> Path:
    """The directory where each user's is, as USER.password."""
    return state / "secrets" / "kafka"


def properties(ports: Mapping[str, int], node: int = 1, brokers: int = 1) -> str:
    """server.properties of one node; the data goes where Kafka is started. `ports` are those of all nodes."""
    door, login, controller = (f"{HOST}:{ports[name(node)]}" for name in (program, login_port, controller_port))
    voters = ",".join(f"{one}@{HOST}:{ports[controller_port(one)]}" for one in range(1, brokers + 1))
    in_sync = 2 if brokers > 1 else 1
    values = {
        "process.roles": "broker,controller",
        "node.id": node,
        "listeners": f"PLAINTEXT://{door},LOGIN://{login},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{door},LOGIN://{login}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.login.{MECHANISM.lower()}.sasl.jaas.config": f"{SCRAM_MODULE} required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Who comes by the door, and the brokers themselves.
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # Static voters: a dynamic quorum writes the controller's port into the log, and ours may change.
        "controller.quorum.voters": voters,
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "log.retention.ms": -1,
        "message.max.bytes": MESSAGE_BYTES,
        "replica.fetch.max.bytes": MESSAGE_BYTES,
        "group.initial.rebalance.delay.ms": 0,
        # Also of Kafka's own topics. What is acknowledged is on two disks at least.
        "default.replication.factor": brokers,
        "min.insync.replicas": in_sync,
        "unclean.leader.election.enable": "false",
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": brokers,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": brokers,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": brokers,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def check_access(kafka: KafkaAccess, node: int | None = None) -> None:
    """Raises NotReady unless a broker answers there with its cluster, and StackError when it never will: the address is
    no host:port, or it does not let us in.

    node: not ready either until that one has joined.
    """
    try:
        asyncio.run(_check(kafka, node))
    except ValueError as error:
        raise StackError(f"{VARIABLE} is no Kafka address ({error}); it looks like host:9092") from error
    except Stop as error:
        raise StackError(str(error)) from error
    except (OSError, KafkaError, Retry) as error:
        raise NotReady(str(error)) from error


async def _check(kafka: KafkaAccess, node: int | None) -> None:
    listening = replace(kafka, bootstrap=await _listening(kafka.bootstrap))
    if kafka.security != "PLAINTEXT":
        await check_admitted(listening)
    # Whoever listens is asked. The admin client asks one by chance, also one that died and is missed by nobody yet.
    client = AIOKafkaClient(**listening.client(), request_timeout_ms=3000)
    try:
        await client.bootstrap()
        joined = {broker.nodeId for broker in client.cluster.brokers()}
    finally:
        await client.close()
    if not joined or (node is not None and node not in joined):
        raise NotReady("the broker has not joined the cluster yet")


async def _listening(bootstrap: str) -> str:
    """One of the addresses where somebody listens: aiokafka logs a refused connection at length."""
    refusal: OSError | None = None
    for one in bootstrap.split(","):
        host, _, port = one.rpartition(":")
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
        except OSError as error:  # a timeout is one too
            refusal = error
            continue
        writer.close()
        return one
    raise refusal or ValueError("it is empty")


def _format(java: list[str], directory: Path, state: Path) -> None:
    # Written last by the storage tool.
    if (directory / "data" / "meta.properties").is_file():
        return
    arguments = ["format", "--cluster-id", _cluster_id(state), "--config", "server.properties"]
    tool = Program("kafka-format", (*java, "kafka.tools.StorageTool", *arguments), _environment(), directory)
    run_once(tool, directory)


def _cluster_id(state: Path) -> str:
    """Drawn once for all nodes of a stack, which may be made at the same time."""
    path = state / "kafka-cluster"
    if not path.exists():
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        fresh = state / f"kafka-cluster.{uuid.uuid4().hex}"
        # A leading dash would be taken for an option.
        fresh.write_text(f"R{drawn[1:]}", "utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text("utf-8")


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}
