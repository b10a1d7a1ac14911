"""A few of the fault matrix on one installation; `make faults` has all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.matrix.ground import Ground, Needs, prepare
from tests.faults.matrix.trial import tried

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
SHORT = (
    "eligibility-killed-after-publish",
    "payments-killed-relay-after-publish",
    "redis-lost-last-writes",
    "postgres-commits-unanswered",
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = prepare(tmp_path_factory.mktemp("ground") / "one", 1, Needs(linked=True))
    try:
        yield ground
    finally:
        ground.close()


@pytest.mark.parametrize("fault", SHORT)
def test_nothing_is_lost_repeated_or_wrong(ground: Ground, fault: str, tmp_path: Path) -> None:
    trial = tried(ground, fault, 20, 1, tmp_path / "sent")
    assert trial.counts.clean, f"{trial.counts}\nagain: {trial.command}"
