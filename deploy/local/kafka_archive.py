"""An archive of Kafka's classes as this machine's Java wants them: a broker starts in about half the time with it.

Made once, by running a broker to readiness. Java itself checks that an archive fits its version and the jars, and goes
on without one that does not.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.local import fetch_kafka, kafka_server, ports
from deploy.local.errors import NotReady, StackError
from deploy.local.program import LAUNCHER, Program, write_plan

START_SECONDS = 90.0
EXIT_SECONDS = 120.0


def make() -> None:
    """Makes the archive unless it is there. Raises StackError; the stack works without it."""
    if kafka_server.ARCHIVE.is_file():
        return
    with tempfile.TemporaryDirectory(prefix="kafka-archive.", dir=fetch_kafka.LIBRARIES.parent) as directory:
        fresh = Path(directory) / kafka_server.ARCHIVE.name
        unit = kafka_server.unit(Path(directory), None)
        client = ports.choose([], [])
        chosen = {kafka_server.PORT: client, kafka_server.controller_port(1): ports.choose([], [client])}
        program = unit.prepare(chosen)
        java, *rest = program.argv
        argv = (java, f"-XX:ArchiveClassesAtExit={fresh}", *rest)
        plan = Path(directory) / "broker.json"
        write_plan(plan, Program(unit.name, argv, program.environment, program.directory), parent=os.getpid())
        command = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:  # noqa: S603
            try:
                _wait_ready(broker, chosen[kafka_server.PORT])
                broker.terminate()
                broker.wait(EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                raise StackError("the broker did not write its archive of classes in time") from None
            finally:
                broker.kill()
        if not fresh.is_file():
            raise StackError("the broker wrote no archive of classes")
        fresh.replace(kafka_server.ARCHIVE)


def _wait_ready(broker: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while broker.poll() is None and time.monotonic() < deadline:
        if ports.is_open(port):
            try:
                return kafka_server.check_address(f"{ports.HOST}:{port}")
            except NotReady:
                pass
        time.sleep(0.2)
    raise StackError("the broker did not start to make its archive of classes")
