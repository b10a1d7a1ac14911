"""Keys, a fold that seals with them, and a real Redis of this test run's own."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.redis_server import binary
from services.intake.api_cases import Desk, open_desk
from services.intake.app import sealing
from services.intake.cases import Partition
from services.intake.handlers import IntakeFold
from services.intake.settings import Settings
from shared.devkeys import write_development_keys


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of development keys."""
    directory = tmp_path_factory.mktemp("intake") / "secrets"
    write_development_keys(directory)
    return directory


@pytest.fixture(scope="session")
def fold(secrets: Path) -> IntakeFold:
    settings = Settings(kafka_bootstrap="-", http_port=1, secrets_dir=secrets, redis_url="-")
    return IntakeFold(sealing(settings))


@pytest.fixture
def partition(fold: IntakeFold) -> Partition:
    """An input partition where nothing came in yet."""
    return Partition(fold)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "socket"
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            deadline = time.monotonic() + 20
            while not path.exists():
                assert server.poll() is None
                assert time.monotonic() < deadline, "Redis did not start in twenty seconds"
                time.sleep(0.02)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
async def desk(redis_url: str, secrets: Path) -> AsyncIterator[Desk]:
    async with open_desk(redis_url, secrets) as opened:
        yield opened
