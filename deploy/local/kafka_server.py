"""A single Kafka node, broker and controller in one, set for a small machine."""

import asyncio
import base64
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
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
# `kafka` is the development door: who reaches it on this machine may do everything, without a password. Services do
# not use it: they log in at `kafka-login`. A real cluster has no such door.
PORT, LOGIN_PORT, CONTROLLER_PORT = "kafka", "kafka-login", "kafka-controller"
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
LOG_SETTINGS = Path(__file__).parent / "kafka" / "log4j2.xml"
# Intake must be able to read, and to reject, a record of 2 MB.
MESSAGE_BYTES = 4 * 1024 * 1024
# Two cores at most, mostly shared with the services: the serial collector leaves them more than the parallel ones.
JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
ARCHIVE = fetch_kafka.LIBRARIES / "classes.jsa"


def unit(state: Path, external: KafkaAccess | None) -> Unit:
    """The stack's Kafka, or the user's own."""

    def prepare(ports: Mapping[str, int]) -> Program:
        directory = state / "kafka"
        directory.mkdir(exist_ok=True)
        replace_text(directory / "server.properties", properties(ports))
        java = [str(fetch_kafka.find_java()), *JVM, f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}"]
        java += ["-cp", f"{fetch_kafka.LIBRARIES}/*"]
        if ARCHIVE.is_file():
            java.insert(1, f"-XX:SharedArchiveFile={ARCHIVE}")
        _format(java, directory)
        return Program(PORT, (*java, "kafka.Kafka", "server.properties"), _environment(), directory, stop_seconds=20)

    def check(ports: Mapping[str, int]) -> None:
        check_access(external or KafkaAccess(address(ports)))

    ports = {PORT: 9092, LOGIN_PORT: 9094, CONTROLLER_PORT: 9093}
    return Unit(PORT, ports, prepare, check, None if external is None else external.bootstrap)


def address(ports: Mapping[str, int]) -> str:
    """The bootstrap address of the stack's Kafka."""
    return f"{HOST}:{ports[PORT]}"


def login_address(ports: Mapping[str, int]) -> str:
    """The bootstrap address where users log in and have their own rights and no more."""
    return f"{HOST}:{ports[LOGIN_PORT]}"


def passwords(state: Path) -> Path:
    """The directory where each user's is, as USER.password."""
    return state / "secrets" / "kafka"


def properties(ports: Mapping[str, int]) -> str:
    """server.properties; the data goes where Kafka is started."""
    client, login, controller = address(ports), login_address(ports), f"{HOST}:{ports[CONTROLLER_PORT]}"
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://{client},LOGIN://{login},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client},LOGIN://{login}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.login.{MECHANISM.lower()}.sasl.jaas.config": f"{SCRAM_MODULE} required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Who comes by the door, and the broker itself.
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # Static voters: a dynamic quorum writes the controller's port into the log, and ours may change.
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "log.retention.ms": -1,
        "message.max.bytes": MESSAGE_BYTES,
        "replica.fetch.max.bytes": MESSAGE_BYTES,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def check_access(kafka: KafkaAccess) -> None:
    """Raises NotReady unless a broker answers there with its cluster, and StackError when it never will: the address is
    no host:port, or it does not let us in.
    """
    try:
        asyncio.run(_check(kafka))
    except ValueError as error:
        raise StackError(f"{VARIABLE} is no Kafka address ({error}); it looks like host:9092") from error
    except Stop as error:
        raise StackError(str(error)) from error
    except (OSError, KafkaError, Retry) as error:
        raise NotReady(str(error)) from error


async def _check(kafka: KafkaAccess) -> None:
    host, _, port = kafka.bootstrap.split(",")[0].rpartition(":")
    # Asked first: aiokafka logs a refused connection at length.
    _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
    writer.close()
    if kafka.security != "PLAINTEXT":
        await check_admitted(kafka)
    client = AIOKafkaAdminClient(**kafka.client(), request_timeout_ms=3000)
    try:
        await client.start()
        cluster = await client.describe_cluster()
    finally:
        await client.close()
    if not cluster["brokers"]:
        raise NotReady("no broker has joined the cluster yet")


def _format(java: list[str], directory: Path) -> None:
    # Written last by the storage tool.
    if (directory / "data" / "meta.properties").is_file():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
    # A leading dash would be taken for an option.
    arguments = ["format", "--cluster-id", f"R{cluster[1:]}", "--config", "server.properties"]
    tool = Program("kafka-format", (*java, "kafka.tools.StorageTool", *arguments), _environment(), directory)
    run_once(tool, directory)


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}
