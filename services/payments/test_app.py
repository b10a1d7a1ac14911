"""A service that cannot start says why, in one sentence that names the setting, the file or the address."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from deploy.local.services import DEVELOPMENT_DEBTORS
from services.payments.app import build
from services.payments.settings import Settings
from shared.devkeys import write_development_keys
from shared.service import application

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_development_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def start(port: int, keys: Path, **settings: str | None) -> subprocess.CompletedProcess[str]:
    told = {
        "KAFKA_BOOTSTRAP": NOBODY_LISTENS,
        "POSTGRES_URL": f"postgresql://relief@{NOBODY_LISTENS}/relief",
        "HTTP_PORT": str(port),
        "SECRETS_DIR": str(keys),
        "BANK_DIR": str(keys.parent / "bank"),
        "DEBTORS": DEVELOPMENT_DEBTORS,
    } | settings
    environment = {f"RELIEF_{name}": value for name, value in told.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-m", "services.payments.app"],
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
    assert done.stderr.startswith("relief payments does not start: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_missing_and_a_wrong_setting(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys, POSTGRES_URL=None, HTTP_PORT="many", LOG_LEVEL="loud"))
    assert "RELIEF_POSTGRES_URL" in sentence
    assert "RELIEF_HTTP_PORT" in sentence
    assert "RELIEF_LOG_LEVEL" in sentence
    assert "many" not in sentence


def test_an_account_to_pay_from_that_no_bank_could_have(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys, DEBTORS='{"job_stabilisation": {"name": "Fund", "account_number": "a b"}}'))
    assert "RELIEF_DEBTORS" in sentence
    assert "a b" not in sentence


def test_a_missing_key_file(port: int, tmp_path: Path) -> None:
    assert str(tmp_path / "issuer.jwks.json") in refused(start(port, tmp_path))


def test_no_database(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys))
    assert '"127.0.0.1", port 1' in sentence
    assert "RELIEF_POSTGRES_URL" in sentence


def test_a_url_that_is_none(port: int, keys: Path) -> None:
    sentence = refused(start(port, keys, POSTGRES_URL="postgresql://relief:secret@host:port/relief"))
    assert "RELIEF_POSTGRES_URL" in sentence
    assert "secret" not in sentence


@pytest.mark.integration
def test_no_broker(port: int, keys: Path, database: str) -> None:
    sentence = refused(start(port, keys, POSTGRES_URL=database))
    assert NOBODY_LISTENS in sentence
    assert "RELIEF_KAFKA_BOOTSTRAP" in sentence


@pytest.mark.integration
def test_a_database_that_cannot_be_set_up(port: int, keys: Path, database: str) -> None:
    with psycopg.connect(database) as db:
        db.execute("CREATE SCHEMA payments CREATE TABLE inbox (mine int)")
    assert "RELIEF_POSTGRES_URL" in refused(start(port, keys, POSTGRES_URL=database))


async def test_the_events_page_and_probes_are_there(keys: Path) -> None:
    settings = Settings(
        kafka_bootstrap=NOBODY_LISTENS,
        http_port=1,
        secrets_dir=keys,
        postgres_url=f"postgresql://relief@{NOBODY_LISTENS}/relief",
        bank_dir=keys.parent / "bank",
        debtors=json.loads(DEVELOPMENT_DEBTORS),
    )
    # Without its lifespan: nothing is started.
    app = application(build(settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://payments") as client:
        assert (await client.get("/livez")).status_code == 200
        not_ready = await client.get("/readyz")
        assert not_ready.status_code == 503
        assert set(not_ready.json()["wrong"]) >= {"relief-payments", "store", "publisher"}
        channels = (await client.get("/asyncapi.json")).json()["channels"]
        assert {channel["address"] for channel in channels.values()} == {
            "relief.decisions.v1",
            "payments.commands.v1",
            "ledger.exemptions.v1",
            "ledger.refunds.v1",
        }
        assert "relief.refund.authorised.v1" in (await client.get("/asyncapi")).text
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/v1/totals", "/v1/enterprises/{uscc}/payments"} <= set(paths)
        assert "relief_money_fen_total" in (await client.get("/metrics")).text
