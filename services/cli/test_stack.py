"""The commands for the local stack, as a user types them."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from deploy.local.stack import ROOT, Stack
from deploy.local.testing import environ, eventually, processes_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

COMMAND = "import typer; from services.cli.stack import register; app = typer.Typer(); register(app); app()"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    Stack(tmp_path, (), environ=environ()).down(wipe=True)
    # A guard looks five times a second whether its work is over.
    eventually(lambda: processes_of(tmp_path) == [], 5)


def relief(state: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *words, "--state", str(state)]
    return subprocess.run(command, env=environ(**more), cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_commands_start_show_and_stop_the_servers(state: Path) -> None:
    told = relief(state, "status", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout) == {"kafka": None, "redis": None, "postgres": None, "services": {}}
    assert (done := relief(state, "up", "--servers-only")).returncode == 0, done.stderr
    assert "already up" in relief(state, "up", "--servers-only").stderr
    told = relief(state, "status", "--json")
    assert told.returncode == 0
    shown = json.loads(told.stdout)
    assert list(shown) == ["kafka", "redis", "postgres", "services"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", shown["kafka"])
    assert shown["redis"].startswith("redis://127.0.0.1:")
    assert shown["postgres"].startswith("postgresql://relief@127.0.0.1:")
    assert "ready to accept connections" in relief(state, "logs", "postgres").stdout
    assert "there is no log of nonsense" in relief(state, "logs", "nonsense").stderr
    assert (healthy := relief(state, "doctor")).returncode == 0, healthy.stdout

    Stack(state, ()).kill_service("redis", restart=False)
    ill = relief(state, "doctor")
    assert ill.returncode == 1
    assert "redis does not answer" in ill.stdout
    assert relief(state, "down").returncode == 0
    assert processes_of(state) == []


def test_without_java_one_sentence_says_what_to_install(state: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    told = relief(state, "up", "--servers-only", PATH=str(tmp_path / "bin"), JAVA_HOME="")
    assert told.returncode == 1
    assert told.stderr.startswith("error: Kafka needs Java 17 or newer and there is no java on the PATH")
    assert "apt-get install default-jre-headless" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert processes_of(state) == []


def test_an_interrupted_up_says_so_and_leaves_nothing(state: Path) -> None:
    # Whoever runs the tests in the background may have had the signal ignored, and children inherit that.
    listening = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {COMMAND}"
    command = [sys.executable, "-c", listening, "up", "--servers-only", "--state", str(state)]
    up = subprocess.Popen(command, cwd=ROOT, env=environ(), stderr=subprocess.PIPE, text=True)
    eventually((state / "run" / "redis.json").exists)
    up.send_signal(signal.SIGINT)
    _, told = up.communicate()
    assert (up.returncode, told) == (130, "interrupted\n")
    assert processes_of(state) == []


def test_doctor_says_what_is_wrong_with_topics_groups_and_redis(state: Path) -> None:
    stack = Stack(state, (), prefer_defaults=False, environ=environ())
    stack.up(stay=False)
    status = stack.status()
    assert status.kafka is not None
    assert status.redis is not None
    asyncio.run(_spoil(status.kafka))
    with redis.Redis.from_url(status.redis) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")

    told = relief(state, "doctor")
    assert told.returncode == 1
    assert "Topic relief.rejected.v1 is missing" in told.stdout
    assert "Topic relief.decisions.v1 has 3 partitions and 12 are declared" in told.stdout
    assert "Consumer group eligibility has 3 records waiting and no member" in told.stdout
    assert "maxmemory-policy allkeys-lru" in told.stdout
    assert len(told.stdout.splitlines()) == 4

    refused = relief(state, "up", "--servers-only")
    assert refused.returncode == 1
    assert "relief.decisions.v1 has 3 partitions" in refused.stderr
    assert stack.status().all_ready, "an up that fails leaves alone what ran before"


async def _spoil(bootstrap: str) -> None:
    """Five facts, two of them read by a group without members; one topic gone, one with too few partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for _ in range(5):
        await producer.send_and_wait("relief.facts.v1", b"{}", partition=0)
    await producer.stop()
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="eligibility", enable_auto_commit=False)
    await reader.start()
    facts = TopicPartition("relief.facts.v1", 0)
    reader.assign([facts])
    await reader.commit({facts: 2})
    await reader.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_topics(["relief.rejected.v1", "relief.decisions.v1"])
    while "relief.decisions.v1" in await admin.list_topics():  # noqa: ASYNC110  the broker tells only when asked
        await asyncio.sleep(0.05)
    await admin.create_topics([NewTopic("relief.decisions.v1", 3, 1)])
    await admin.close()
