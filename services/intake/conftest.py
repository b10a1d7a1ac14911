"""A fold that seals with the development keys, and the API over a real Redis."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.intake.api_cases import Desk, open_desk
from services.intake.app import sealing
from services.intake.cases import Partition
from services.intake.handlers import IntakeFold
from services.intake.settings import Settings


@pytest.fixture(scope="session")
def fold(secrets: Path) -> IntakeFold:
    settings = Settings(kafka_bootstrap="-", http_port=1, secrets_dir=secrets, redis_url="-")
    return IntakeFold(sealing(settings))


@pytest.fixture
def partition(fold: IntakeFold) -> Partition:
    """An input partition where nothing came in yet."""
    return Partition(fold)


@pytest.fixture
async def desk(redis_url: str, secrets: Path) -> AsyncIterator[Desk]:
    async with open_desk(redis_url, secrets) as opened:
        yield opened
