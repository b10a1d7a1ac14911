"""A real Redis of this test run's own, and development keys."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.redis_server import binary
from shared.devkeys import write_development_keys


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of development keys."""
    directory = tmp_path_factory.mktemp("eligibility") / "secrets"
    write_development_keys(directory)
    return directory


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
