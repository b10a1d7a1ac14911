"""A Kafka that is not the stack's own and asks who is there: what `relief up`, `status` and `doctor` make of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import doctor, kafka_server
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from deploy.local.testing import environ
from services.cli.installation import AUTHORITIES
from services.cli.log import partition_numbers
from services.cli.terminal import CommandError
from shared.contracts.topics import FACTS
from tests.integration.secured import Secured

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def elsewhere(stack: Stack, kafka: Secured) -> dict[str, str]:
    """The variables of an installation on servers that run already."""
    known = stack.environment()
    return {
        "RELIEF_REDIS_URL": known["RELIEF_REDIS_URL"],
        "RELIEF_POSTGRES_URL": known["RELIEF_POSTGRES_URL"],
        "RELIEF_REDIS_PASSWORDS_DIR": known["RELIEF_REDIS_PASSWORDS_DIR"],
        "RELIEF_POSTGRES_PASSWORDS_DIR": known["RELIEF_POSTGRES_PASSWORDS_DIR"],
        "RELIEF_KAFKA_BOOTSTRAP": kafka.as_user("cli").bootstrap,
        "RELIEF_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "RELIEF_KAFKA_PASSWORDS_DIR": str(kafka_server.passwords_dir(kafka.state)),
    }


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "state"
    yield state
    Stack(state, (), environ=environ()).down(wipe=True)


async def test_up_logs_in_as_the_operator_and_services_are_told_what_the_environment_says(
    state: Path, elsewhere: dict[str, str]
) -> None:
    stack = Stack(state, (), prefer_defaults=False, environ=environ(**elsewhere))
    stack.up(stay=False)
    assert stack.status().kafka == elsewhere["RELIEF_KAFKA_BOOTSTRAP"]
    told = stack.environment("ledger")
    assert {name: told[name] for name in elsewhere} == elsewhere
    assert stack.kafka().user == "cli"
    assert await partition_numbers(stack.kafka(), [FACTS])
    with pytest.raises(CommandError, match="There is no topic"):
        await partition_numbers(stack.kafka(AUTHORITIES), [FACTS])


def test_a_wrong_password_is_told_by_up_and_by_doctor(state: Path, elsewhere: dict[str, str]) -> None:
    wrong = state.parent / "passwords"
    wrong.mkdir()
    (wrong / "cli.password").write_text("guessed\n")
    guessing = elsewhere | {"RELIEF_KAFKA_PASSWORDS_DIR": str(wrong)}
    with pytest.raises(StackError, match="does not let cli in"):
        Stack(state, (), prefer_defaults=False, environ=environ(**guessing)).up(stay=False)
    Stack(state, (), prefer_defaults=False, environ=environ(**elsewhere)).up(stay=False)
    stack = Stack(state, (), environ=environ(**guessing))
    assert stack.status().kafka is None
    assert any("does not let cli in" in found.sentence for found in doctor.examine(stack))
