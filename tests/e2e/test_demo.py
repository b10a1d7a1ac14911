"""The demo as a user runs it, on real servers: it balances, and decides what `relief decide` decides from the files."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.cli.decide import decide_lines
from services.cli.deciding import RejectedLine
from services.cli.installation import Installation, installation, run
from services.cli.log import read
from services.eligibility import packs
from services.simulator.upstream import write_upstream
from shared.contracts.decisions import DecisionMadeData
from shared.contracts.registry import decoder
from shared.contracts.topics import DECISIONS, ORDERS, UPSTREAM

pytestmark = pytest.mark.integration

ENTERPRISES, SEED = 60, 11
Key = tuple[str, str, str]


def relief(*words: str, state: Path, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """The command as a process; its stack takes free ports of its own."""
    # A process group of its own, so that a run that hangs can be ended with all it started.
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.app", *words, "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    state = tmp_path_factory.mktemp("demo") / "state"
    try:
        done = relief("demo", "--enterprises", str(ENTERPRISES), "--seed", str(SEED), "--keep", "--json", state=state)
        assert done.returncode == 0, done.stderr
        yield state, json.loads(done.stdout)
    finally:
        relief("down", "--wipe", state=state)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> dict[Key, dict[str, Any]]:
    """What the files alone imply."""
    out = tmp_path_factory.mktemp("files")
    write_upstream(ENTERPRISES, SEED, out)
    lines = [line for topic in UPSTREAM for line in (out / f"{topic}.jsonl").read_bytes().splitlines()]
    rejected: list[RejectedLine] = []
    found = decide_lines(lines, packs.named("xinjiang-2020"), None, rejected.append)
    return {(d["uscc"], d["measure"], d["key"]): _plain(d) for d in found}


def _plain(decision: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(decision, default=str))
    return loaded


def test_the_money_balances_and_every_corrupted_record_was_rejected(demo: tuple[Path, dict[str, Any]]) -> None:
    _, summary = demo
    assert summary["holds"]
    assert summary["differences"] == []
    assert summary["rejected"] == summary["corrupted"]
    assert sum(summary["rejected"].values()) > 0
    assert sum(account["balance_fen"] for account in summary["accounts"]) == 0
    assert summary["told_fen"]["exemption"] > 0


def test_deferred_sums_are_repaid_and_the_suppliers_books_agree_to_the_fen(demo: tuple[Path, dict[str, Any]]) -> None:
    state, summary = demo
    held = summary["suppliers"]
    assert summary["holdovers"]["equations"]
    assert (held["wrong"], held["agree"], held["cut_while_protected"]) == ([], True, 0)
    utilities = held["by_utility"].values()
    assert sum(one["completed"] for one in utilities) > 5
    assert sum(one["refused"] for one in utilities) > 0 < sum(one["allowed"] for one in utilities)
    assert sum(one["in_force"] + one["protected"] for one in utilities) == 0
    assert held["protected_once"] == sum(one["ever_protected"] for one in utilities) > 5
    for one in utilities:
        assert one["bills_fen"] + one["surplus_fen"] == one["paid_fen"] + one["open_fen"]

    async def ended() -> Counter[str]:
        """How each holdover ended, by what the topic told last of it."""
        last: dict[str, str] = {}
        async for record in read(installation(state).kafka, ORDERS):
            event = json.loads(record.value or b"")
            kind = event["type"].split(".")[2]
            if kind in ("opened", "completed", "defaulted", "withdrawn"):
                last[event["data"]["holdover_id"]] = kind
        return Counter(last.values())

    found = run(ended())
    assert found == {end: n for end in found if (n := sum(one[end] for one in utilities))}


def test_the_decisions_in_the_log_are_those_that_the_files_imply(
    demo: tuple[Path, dict[str, Any]], decided: dict[Key, dict[str, Any]]
) -> None:
    state, _ = demo

    async def latest() -> dict[Key, DecisionMadeData]:
        adapter = decoder(DECISIONS)
        found: dict[Key, DecisionMadeData] = {}
        async for record in read(installation(state).kafka, DECISIONS):
            data = adapter.validate_json(record.value or b"").data
            if isinstance(data, DecisionMadeData):
                key = (data.uscc, data.measure, data.key)
                if key not in found or found[key].revision < data.revision:
                    found[key] = data
        return found

    in_log = run(latest())
    told = {
        key: (data.outcome, data.amount_fen, str(data.effective_on), data.policy.sha256)
        for key, data in in_log.items()
        if not (data.measure == "contribution_return" and data.amount_fen == 0)
    }
    assert told == {
        key: (d["outcome"], d["amount_fen"], d["effective_on"], d["policy"]["sha256"]) for key, d in decided.items()
    }


def test_eligibility_explains_each_decision_as_the_files_do(
    demo: tuple[Path, dict[str, Any]], decided: dict[Key, dict[str, Any]]
) -> None:
    state, _ = demo
    found: Installation = installation(state)
    explained = {}
    for uscc in sorted({key[0] for key in decided}):
        for decision in found.get("eligibility", f"/v1/enterprises/{uscc}")["decisions"]:
            if decision["measure"] != "contribution_return" or decision["amount_fen"] > 0:
                fields = {name: value for name, value in decision.items() if name not in _ONLY_IN_THE_LOG}
                explained[uscc, decision["measure"], decision["key"]] = fields
    assert explained == decided


_ONLY_IN_THE_LOG = {"revision", "decision_id", "written"}


def test_reconcile_and_trace_tell_the_same_story(
    demo: tuple[Path, dict[str, Any]], decided: dict[Key, dict[str, Any]]
) -> None:
    state, summary = demo
    reconciled = relief("reconcile", "--json", state=state)
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr
    assert json.loads(reconciled.stdout)["told_fen"] == summary["told_fen"]
    uscc = next(key[0] for key, d in decided.items() if key[1] == "exemption" and d["amount_fen"] > 0)
    traced = relief("trace", uscc, "--json", state=state)
    assert traced.returncode == 0, traced.stderr
    story = json.loads(traced.stdout)
    waived = sum(d["amount_fen"] for key, d in decided.items() if key[:2] == (uscc, "exemption"))
    assert sum(exemption["amount_fen"] for exemption in story["money"]["exemptions"]) == waived
    posted = {posting["business_key"] for posting in story["postings"]}
    assert {
        exemption["exemption_id"] for exemption in story["money"]["exemptions"] if exemption["amount_fen"]
    } <= posted
