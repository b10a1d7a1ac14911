"""A service that cannot start says why, in one sentence that names the setting, the file or the address."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.holdover.app import build
from services.holdover.settings import Settings
from shared.contracts import topics
from shared.devkeys import write_development_keys

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_development_keys(tmp_path)
    return tmp_path


def start(port: int, keys: Path, **settings: str | None) -> subprocess.CompletedProcess[str]:
    told = {
        "KAFKA_BOOTSTRAP": NOBODY_LISTENS,
        "POSTGRES_URL": f"postgresql://relief@{NOBODY_LISTENS}/relief",
        "REDIS_URL": f"redis://{NOBODY_LISTENS}/0",
        "HTTP_PORT": str(port),
        "SECRETS_DIR": str(keys),
    } | settings
    environment = {f"RELIEF_{name}": value for name, value in told.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-m", "services.holdover.app"],
        env={"PATH": os.defpath} | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("relief holdover does not start: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_missing_and_a_wrong_setting(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys, POSTGRES_URL=None, REMIND_DAYS="40"))
    assert "RELIEF_POSTGRES_URL" in sentence
    assert "RELIEF_REMIND_DAYS" in sentence


def test_a_missing_key_file(port: int, tmp_path: Path) -> None:
    assert str(tmp_path / "holdover.private.jwks.json") in refused(start(port, tmp_path))


def test_no_database(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys))
    assert '"127.0.0.1", port 1' in sentence
    assert "RELIEF_POSTGRES_URL" in sentence


def test_both_inputs_stand_on_one_store(keys: Path) -> None:
    """One lock per partition is what keeps their batches apart."""
    service = build(
        Settings(
            kafka_bootstrap=NOBODY_LISTENS,
            http_port=1,
            secrets_dir=keys,
            postgres_url="postgresql://nobody/none",
            redis_url=f"redis://{NOBODY_LISTENS}/0",
        )
    )
    facts, decisions = service.inputs
    assert (facts.topics, decisions.topics) == ((topics.FACTS,), (topics.DECISIONS,))
    assert facts.backing is decisions.backing
    assert facts.group != decisions.group
    assert topics.topics()[topics.FACTS].partitions == topics.topics()[topics.DECISIONS].partitions
