"""What an operator does with rejects and with derived state: the commands, on real servers."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.cli.installation import run
from services.cli.log import Line, read
from shared.contracts.topics import DECISIONS, FACTS, REJECTED, TAX
from tests.integration.region import expected, simulate
from tests.integration.running import Running
from tests.integration.test_bad_input import USCC, registration, text

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def relief(running: Running, *words: str, fails: bool = False) -> Result:
    result = CliRunner().invoke(app, [*words, "--state", str(running.stack.state)])
    assert bool(result.exit_code) is fails, result.output
    return result


def rejected(running: Running, *words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(relief(running, "rejected", "list", "--json", *words).stdout)
    return listed


def told(running: Running, topic: str) -> tuple[dict[str, str], int]:
    """Digests by id, and how many records; a record told again has to be as the first."""

    async def collect() -> tuple[dict[str, str], int]:
        found: dict[str, str] = {}
        records = 0
        async for record in read(running.kafka, topic):
            value = record.value or b""
            records += 1
            digest = hashlib.sha256(value).hexdigest()
            name = f"{record.partition}/{json.loads(value)['id']}"
            assert found.setdefault(name, digest) == digest, name
        return found, records

    return run(collect())


def test_a_reject_is_found_shown_and_sent_again_repaired(running: Running, tmp_path: Path) -> None:
    wrong = text(registration("operator-1", industry="space_travel"))
    running.send_records(TAX, [Line(USCC.encode(), wrong)])
    running.settle("intake")
    (mine,) = [one for one in rejected(running, "--topic", TAX) if one["code"] == "UNKNOWN_INDUSTRY"]
    assert rejected(running, "--code", "TOMBSTONE") == []
    assert "space_travel" not in relief(running, "rejected", "list").stdout.replace(mine["message"], "")

    shown = json.loads(relief(running, "rejected", "show", mine["position"], "--json").stdout)
    assert shown["content"].encode() == wrong

    relief(running, "rejected", "replay", mine["position"])
    running.settle("intake")
    again = [one for one in rejected(running) if one["code"] == "UNKNOWN_INDUSTRY"]
    assert len(again) == 2, "as it was, it is rejected again, at its new position"

    repaired = tmp_path / "repaired.json"
    repaired.write_bytes(text(registration("operator-1", industry="agriculture")))
    relief(running, "rejected", "replay", mine["position"], "--with", str(repaired))
    running.settle("eligibility")
    assert running.found.get("eligibility", f"/v1/enterprises/{USCC}") is not None
    assert len([one for one in rejected(running) if one["code"] == "UNKNOWN_INDUSTRY"]) == 2


def test_what_cannot_be_sent_again_is_one_sentence(running: Running, tmp_path: Path) -> None:
    nowhere = relief(running, "rejected", "show", "upstream.tax.v1/0/999999", fails=True)
    assert "Nothing was rejected at upstream.tax.v1/0/999999" in nowhere.stderr
    running.send_records(TAX, [Line(USCC.encode(), b"{")])
    running.settle("intake")
    position = next(one["position"] for one in rejected(running) if one["code"] == "NOT_JSON")
    (tmp_path / "no.json").write_bytes(b"[1]")
    refused = relief(running, "rejected", "replay", position, "--with", str(tmp_path / "no.json"), fails=True)
    assert "no event in structured mode" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("service", ["eligibility", "intake"])
def test_a_service_derives_its_state_again_and_tells_the_same(running: Running, service: str, tmp_path: Path) -> None:
    region = simulate(12, 4242 + len(service), tmp_path)
    running.send(region)
    running.settle()
    before = {topic: told(running, topic) for topic in (FACTS, DECISIONS, REJECTED)}
    tells = FACTS if service == "intake" else DECISIONS
    assert before[tells][0], expected(region)
    done = json.loads(relief(running, "rebuild", service, "--json").stdout)
    assert done["service"] == service
    assert done["records"] >= (before[FACTS][1] if service == "eligibility" else len(region))
    running.settle()
    after = {topic: told(running, topic) for topic in before}
    assert {topic: found for topic, (found, _) in after.items()} == {t: found for t, (found, _) in before.items()}
    assert after[tells][1] >= before[tells][1] + len(before[tells][0]), "nothing was derived again"
    relief(running, "reconcile")


@pytest.mark.parametrize("service", ["payments", "holdover", "ledger", "nonsense"])
def test_what_is_not_derived_is_not_dropped(running: Running, service: str) -> None:
    refused = relief(running, "rebuild", service, fails=True)
    assert refused.stderr.count("\n") == 1
