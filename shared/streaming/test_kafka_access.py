"""What the environment says of reaching Kafka, and what becomes of it: no text ever holds the password."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka import KafkaBroker

from shared.observability import asyncapi
from shared.streaming.errors import Stop
from shared.streaming.kafka_access import KafkaAccess, access, from_environment

PASSWORD = "not-for-your-eyes"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "intake.password"
    file.write_text(f"{PASSWORD}\n")
    return file


def test_without_settings_nobody_logs_in() -> None:
    found = access("broker:9092", "intake")
    assert found == KafkaAccess("broker:9092")
    assert found.client() == {"bootstrap_servers": "broker:9092"}


def test_a_user_logs_in_with_the_password_of_its_file(password_file: Path) -> None:
    found = access("broker:9092", "intake", security="SASL_PLAINTEXT", password_file=password_file)
    assert found.client() == {
        "bootstrap_servers": "broker:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "intake",
        "sasl_plain_password": PASSWORD,
    }


def test_a_directory_of_passwords_serves_every_user(password_file: Path) -> None:
    found = access("b:1", "intake", security="SASL_PLAINTEXT", passwords_dir=password_file.parent)
    assert (found.user, found.password) == ("intake", PASSWORD)


def test_a_command_takes_the_same_variables(password_file: Path) -> None:
    environ = {
        "RELIEF_KAFKA_BOOTSTRAP": "b:1",
        "RELIEF_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "RELIEF_KAFKA_PASSWORDS_DIR": str(password_file.parent),
    }
    with pytest.raises(Stop, match=r"cli\.password"):
        from_environment(environ, "cli")
    found = from_environment(environ | {"RELIEF_KAFKA_USER": "intake"}, "cli")
    assert (found.bootstrap, found.user, found.password) == ("b:1", "intake", PASSWORD)
    assert from_environment(environ, "intake", "c:2").bootstrap == "c:2"


async def test_every_client_can_be_made_of_it(password_file: Path) -> None:
    found = access("127.0.0.1:1", "intake", security="SASL_PLAINTEXT", password_file=password_file)
    for kind in (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient):
        client = kind(**found.client())
        await (client.close() if kind is AIOKafkaAdminClient else client.stop())
    KafkaBroker(**found.broker(), logger=None)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"security": "TLS"}, "RELIEF_KAFKA_SECURITY"),
        ({"security": "sasl_ssl"}, "RELIEF_KAFKA_SECURITY"),
        ({"security": "SASL_PLAINTEXT"}, "RELIEF_KAFKA_PASSWORD_FILE"),
        ({"security": "SASL_PLAINTEXT", "password_file": Path("/nowhere/at/all")}, "/nowhere/at/all"),
        ({"security": "SASL_PLAINTEXT", "password_file": Path("/dev/null")}, "/dev/null"),
        ({"password_file": Path("/dev/null")}, "RELIEF_KAFKA_SECURITY"),
        ({"passwords_dir": Path("/dev")}, "RELIEF_KAFKA_SECURITY"),
        ({"ca_file": Path("/dev/null")}, "RELIEF_KAFKA_SECURITY"),
        ({"security": "SSL", "ca_file": Path("/nowhere/at/all")}, "RELIEF_KAFKA_CA_FILE"),
        ({"security": "SSL", "ca_file": Path(__file__)}, "RELIEF_KAFKA_CA_FILE"),
        ({"security": "SSL", "certificate_file": Path(__file__)}, "RELIEF_KAFKA_CERTIFICATE_FILE"),
        ({"security": "SSL", "key_file": Path(__file__)}, "RELIEF_KAFKA_KEY_FILE"),
    ],
)
def test_what_is_missing_unreadable_or_left_unused_is_told_in_a_sentence(settings: dict[str, Path], named: str) -> None:
    with pytest.raises(Stop) as refused:
        access("b:1", "intake", **settings)  # type: ignore[arg-type]  # of mixed types
    assert named in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_a_password_that_is_no_text_is_refused_without_being_told(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_bytes(b"\xff\xfe secret")
    with pytest.raises(Stop) as refused:
        access("b:1", "intake", security="SASL_SSL", password_file=file)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("security", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_the_password_is_in_no_text(security: str, password_file: Path) -> None:
    found = access("b:1", "intake", security=security, password_file=password_file)
    assert PASSWORD not in f"{found!r} {found}"
    broker = KafkaBroker(**found.broker(), logger=None)
    broker.subscriber("in", batch=True, group_id="g")
    document = asyncapi.document(broker, "t", "1")
    assert PASSWORD not in f"{document} {asyncapi.render(document)}"
    assert "securitySchemes" not in document.get("components", {})


async def test_a_client_that_fails_does_not_tell_the_password(
    password_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = access("127.0.0.1:1", "intake", security="SASL_PLAINTEXT", password_file=password_file)
    caplog.set_level("DEBUG")
    admin = AIOKafkaAdminClient(**found.client())
    with pytest.raises(Exception) as failed:  # noqa: PT011  # whatever it is
        await asyncio.wait_for(admin.start(), 20)
    await admin.close()
    assert PASSWORD not in f"{failed.value!r} {caplog.text}"
