"""Some seconds of ten times too much; `make overload` has two minutes of it."""

from pathlib import Path

import pytest

from tests.faults.matrix.ground import Needs, prepare
from tests.faults.overload.trial import Wanted, tried

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]


def test_what_is_too_much_is_shed_or_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    ground = prepare(tmp_path / "ground", 1, Needs())
    try:
        figures = tried(ground.running, tmp_path, Wanted(seconds=6, most=12_000, calibrated_by=60, settle_seconds=240))
    finally:
        ground.close()
    assert not figures.broken
