"""What tests of every package share."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from deploy.local.testing import environ


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Redis and PostgreSQL for this whole test run, on ports of their own, with every topic; no services.

    The addresses are in `stack.environment()`. Everybody uses the same servers: name groups, topics, keys and schemas
    of your own, and leave the servers running.
    """
    stack = Stack(tmp_path_factory.mktemp("stack"), (), prefer_defaults=False, environ=environ())
    stack.up(stay=False)
    try:
        yield stack
    finally:
        stack.down(wipe=True)
