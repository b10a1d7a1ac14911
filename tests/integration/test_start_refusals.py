"""A service that cannot work does not start: exit status 1, and one sentence that names what to put right."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.ports import HOST, choose
from deploy.local.stack import ROOT, Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

POLICY = Path("services", "eligibility", "policy", "xinjiang-2020")


def refusal(stack: Stack, service: str, changed: Mapping[str, str | None], directory: Path = ROOT) -> str:
    """Starts the service as the stack would, with some variables changed (None: unset); what it says."""
    environment = {**os.environ, **stack.environment(service), "RELIEF_HTTP_PORT": str(choose([], set()))}
    environment |= {name: value for name, value in changed.items() if value is not None}
    environment = {name: value for name, value in environment.items() if changed.get(name, "") is not None}
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}.app"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    sentence = done.stderr.strip()
    assert "\n" not in sentence, f"more than a sentence:\n{sentence}"
    assert sentence.startswith(f"relief {service} does not start: ")
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("service", ["intake", "eligibility", "payments", "ledger"])
def test_without_kafka(stack: Stack, service: str) -> None:
    sentence = refusal(stack, service, {"RELIEF_KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    assert "127.0.0.1:1" in sentence
    assert "RELIEF_KAFKA_BOOTSTRAP" in sentence


@pytest.mark.parametrize("service", ["intake", "eligibility"])
def test_without_redis(stack: Stack, service: str) -> None:
    sentence = refusal(stack, service, {"RELIEF_REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert "127.0.0.1:1" in sentence
    assert "RELIEF_REDIS_URL" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("service", ["payments", "ledger"])
def test_without_postgres(stack: Stack, service: str) -> None:
    sentence = refusal(stack, service, {"RELIEF_POSTGRES_URL": "postgresql://relief:secret@127.0.0.1:1/relief"})
    assert "127.0.0.1" in sentence
    assert "RELIEF_POSTGRES_URL" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [
        ("intake", "RELIEF_CLOCK", "sometimes"),
        ("intake", "RELIEF_KAFKA_BOOTSTRAP", "nonsense"),
        ("eligibility", "RELIEF_REDIS_URL", None),
        ("eligibility", "RELIEF_REDIS_URL", "nonsense"),
        ("payments", "RELIEF_POSTGRES_URL", "nonsense"),
        ("payments", "RELIEF_KAFKA_BOOTSTRAP", None),
        ("ledger", "RELIEF_HTTP_PORT", "eighty"),
        ("ledger", "RELIEF_LOG_LEVEL", "loud"),
    ],
)
def test_with_a_wrong_setting(stack: Stack, service: str, name: str, value: str | None) -> None:
    assert name in refusal(stack, service, {name: value})


def test_with_a_key_file_missing(stack: Stack, tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(stack, "payments", {"RELIEF_SECRETS_DIR": str(tmp_path)})


def test_with_its_port_taken(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = refusal(stack, "eligibility", {"RELIEF_HTTP_PORT": port})
    assert port in sentence
    assert "RELIEF_HTTP_PORT" in sentence


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The services in a directory of their own, to break something in."""
    for package in ("services", "shared"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(lambda text: text + "\n  - ]", "refund.yaml", id="no YAML"),
        pytest.param(lambda text: text.replace("reference_year:", "reference_yaer:"), "reference_y", id="a wrong key"),
        pytest.param(lambda text: text.replace("2019", "soon"), "reference_year", id="a wrong value"),
        pytest.param(lambda _: None, "refund.yaml", id="a missing file"),
    ],
)
def test_with_a_broken_policy_file(stack: Stack, copy: Path, spoil: Callable[[str], str | None], named: str) -> None:
    file = copy / POLICY / "refund.yaml"
    spoilt = spoil(file.read_text("utf-8"))
    if spoilt is None:
        file.unlink()
    else:
        file.write_text(spoilt, "utf-8")
    sentence = refusal(stack, "eligibility", {}, copy)
    assert "refund.yaml" in sentence
    assert "xinjiang-2020" in sentence
    assert named in sentence
