"""One installation for the tests of a module, each with a region of its own; a new one where a test spoilt it."""

from collections.abc import Generator, Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from deploy.local.stack import DEFAULT_POLICY_PACK
from deploy.local.testing import environ
from services.cli.installation import run
from services.cli.operate import begin
from tests.integration.running import Running, bring_up
from tests.integration.secured import Secured, secured


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker of its own for what may be read and written, with every topic and every user."""
    with secured(tmp_path_factory.mktemp("secured") / "kafka") as found:
        yield found


FAILED = pytest.StashKey[bool]()


class Site:
    """Starting takes longer than most tests, and the regions of two tests share nothing but the accounts."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._numbers = directory, count(1)
        self._running: Running | None = None

    def running(self) -> Running:
        if self._running is None:
            stack = bring_up(self._directory / str(next(self._numbers)), environ())
            self._running = Running(stack)
            run(begin(self._running.kafka, DEFAULT_POLICY_PACK, date(2020, 1, 31)))
        return self._running

    def clear(self) -> None:
        if self._running is not None:
            self._running.stack.down(wipe=True)
            self._running = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        yield site
    finally:
        site.clear()


@pytest.fixture
def running(site: Site, request: pytest.FixtureRequest) -> Iterator[Running]:
    running = site.running()
    yield running
    if running.spoilt or request.node.stash.get(FAILED, True):
        site.clear()
