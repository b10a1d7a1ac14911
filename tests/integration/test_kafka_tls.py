"""Kafka behind a certificate: a service trusts the authority it was told, and no other."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from deploy.local.ports import choose
from deploy.local.stack import ROOT, Stack
from shared.contracts.topics import FACTS
from shared.streaming.admission import check_admitted
from shared.streaming.errors import Retry, Stop
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output
from tests.integration.secured import Secured

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_a_client_that_knows_the_authority_publishes(kafka: Secured) -> None:
    access = kafka.encrypted("intake", kafka.ca)
    await check_admitted(access)
    publisher = Publisher(access, "test-tls")
    await publisher.publish([Output(FACTS, 0, b"k", b"{}")])
    await publisher.stop()


async def test_it_has_no_more_rights_than_elsewhere(kafka: Secured) -> None:
    publisher = Publisher(kafka.encrypted("ledger", kafka.ca), "test-tls")
    with pytest.raises(Stop, match="does not let ledger publish"):
        await publisher.publish([Output(FACTS, 0, b"k", b"{}")])
    await publisher.stop()


async def test_a_broker_of_another_authority_or_name_is_not_trusted(kafka: Secured) -> None:
    for access, why in (
        (kafka.encrypted("intake", kafka.stranger), "certificate"),
        (kafka.encrypted("intake", None), "certificate"),
        (kafka.encrypted("intake", kafka.ca, host="localhost"), "localhost"),
    ):
        with pytest.raises(Stop, match="is not trusted") as refused:
            await check_admitted(access)
        assert why in str(refused.value)


async def test_speaking_openly_to_it_is_refused(kafka: Secured) -> None:
    with pytest.raises(Retry, match="SASL_PLAINTEXT"):
        await check_admitted(kafka.encrypted("intake", None, "SASL_PLAINTEXT"))


def start(stack: Stack, kafka: Secured, changed: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Intake, on the stack's other servers, and with this Kafka."""
    environment = {**os.environ, **stack.environment("intake"), "RELIEF_HTTP_PORT": str(choose([], set()))}
    environment |= {
        "RELIEF_KAFKA_BOOTSTRAP": kafka.encrypted("intake", kafka.ca).bootstrap,
        "RELIEF_KAFKA_SECURITY": "SASL_SSL",
        "RELIEF_KAFKA_PASSWORD_FILE": str(kafka.state / "secrets" / "kafka" / "intake.password"),
        **changed,
    }
    environment.pop("RELIEF_KAFKA_PASSWORDS_DIR")
    return subprocess.Popen(
        [sys.executable, "-m", "services.intake.app"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_service_starts_with_the_right_authority_and_says_so_of_the_wrong_one(stack: Stack, kafka: Secured) -> None:
    with start(stack, kafka, {"RELIEF_KAFKA_CA_FILE": str(kafka.stranger)}) as refused:
        _, told = refused.communicate(timeout=120)
    assert refused.returncode == 1
    assert told.startswith("relief intake does not start: ")
    assert "is not trusted" in told
    assert told.strip().count("\n") == 0
    with start(stack, kafka, {"RELIEF_KAFKA_CA_FILE": str(kafka.ca)}) as accepted:
        assert accepted.stdout is not None
        try:
            started = any('"event": "started"' in line for line in accepted.stdout)
        finally:
            accepted.terminate()
    assert started
