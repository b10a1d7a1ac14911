"""Each service in turn over HTTP, on a database and a Redis of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services import conftest as fixtures
from tests.faults.http_sites import SERVICES, Site

# The services' own, which pytest finds here by their names.
database, redis_url, secrets = fixtures.database, fixtures.redis_url, fixtures.secrets


@pytest.fixture(params=SERVICES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    database, redis_url, secrets = map(request.getfixturevalue, ("database", "redis_url", "secrets"))
    opened = Site(request.param, database, redis_url, secrets, tmp_path)
    yield opened
    opened.close()
