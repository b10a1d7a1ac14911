"""A policy pack takes effect by being in the log: what came before is decided anew, what comes after by it at once."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.decide import decide_lines
from services.cli.deciding import RejectedLine
from services.eligibility import packs
from shared.contracts.topics import PACKS
from tests.integration.outcome import decided, told
from tests.integration.region import Standing, Upstream, enterprises_of, halves, simulate
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def implied(region: list[Upstream], pack: str) -> Standing:
    """What the region's lines imply under a pack, by the services' own steps without a broker."""
    rejected: list[RejectedLine] = []
    found = decide_lines([one.line for one in region], packs.named(pack), None, rejected.append)
    return {(d["uscc"], d["measure"], d["key"]): (d["outcome"], d["amount_fen"]) for d in found}


def activate(running: Running, pack: str) -> None:
    result = CliRunner().invoke(app, ["policy", "activate", pack, "--state", str(running.stack.state)])
    assert result.exit_code == 0, result.output


def in_force(running: Running, region: list[Upstream]) -> Standing:
    return {
        key: value for key, value in decided(running, enterprises_of(region)).items() if not _is_nothing(key, value)
    }


def _is_nothing(key: tuple[str, str, str], value: tuple[str, int]) -> bool:
    return key[1] == "contribution_return" and value[1] == 0


def test_another_pack_decides_everything_anew_and_the_first_one_restores_it(running: Running, tmp_path: Path) -> None:
    region = simulate(40, 301, tmp_path / "region")
    first, last = halves(region)
    running.send(first)
    running.settle()
    activate(running, "xinjiang-2020-extended")
    running.send(last)
    running.settle()
    extended = implied(region, "xinjiang-2020-extended")
    assert in_force(running, region) == extended
    assert extended != implied(region, "xinjiang-2020")
    activate(running, "xinjiang-2020")
    running.settle()
    assert in_force(running, region) == implied(region, "xinjiang-2020")


def test_a_pack_that_does_not_ship_is_kept_in_the_log_and_found_by_its_hash(running: Running, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(packs.INSTALLED / "xinjiang-2020", mine, ignore=shutil.ignore_patterns("cases"))
    refund = mine / "refund.yaml"
    refund.write_text(refund.read_text("utf-8").replace("value: 5000}", "value: 5500}"), "utf-8")
    region = simulate(20, 302, tmp_path / "region")
    activate(running, str(mine))
    running.send(region)
    running.settle()
    assert in_force(running, region) == implied(region, str(mine))
    kept = told(running, PACKS).events
    assert packs.load(mine).ref.sha256 in kept
    activate(running, "xinjiang-2020")
    running.settle()
    assert in_force(running, region) == implied(region, "xinjiang-2020")
