"""The ledger of a running installation, exported by the command and checked by programs that know nothing of it."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.cli.log import Line
from services.ledger.cases import EXEMPTIONS, REFUNDS, enterprise, lives
from services.ledger.domain.chart import CHART
from shared.streaming.records import Record
from tests.integration.region import simulate
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
# Their cause is no decision of the region's: the ledger's watermarks are by source.
OWN_SOURCE = "payments.commands.v1"


def whole_lives(enterprises: int) -> dict[str, list[Line]]:
    """Every event of the chart, as payments would tell it; of enterprises that no simulated region has."""
    told: dict[str, list[Record]] = {EXEMPTIONS: [], REFUNDS: []}
    for number in range(enterprises):
        for records in lives(enterprise(4_720_000 + number), date(2020, 2, 1 + number % 28), 0):
            told[records[0].topic] += records
    return {topic: [_caused(record, place) for place, record in enumerate(records)] for topic, records in told.items()}


def _caused(record: Record, place: int) -> Line:
    event = json.loads(record.value or b"")
    event["data"]["origin"] = {"topic": OWN_SOURCE, "partition": 0, "offset": place, "index": 0}
    return Line(record.key, json.dumps(event).encode())


def relief(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_program_finds_the_ledger_right(running: Running, tmp_path: Path) -> None:
    told = whole_lives(60)
    for topic, records in told.items():
        running.send_records(topic, records)
    running.send(simulate(20, 720, tmp_path / "region"))
    running.settle()
    # Not the region's money: nobody decided it.
    running.spoilt = True
    balance = running.found.get("ledger", "/v1/trial-balance")
    assert balance["postings"] > sum(map(len, told.values()))
    state = ("--state", running.stack.state)
    files = {form: tmp_path / form for form in ("csv", "hledger", "beancount")}
    for form, path in files.items():
        done = relief("export", "--format", form, "--out", path, "--json", *state)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["at_seq"] == balance["postings"]

    done = relief("ledger", "verify", files["csv"])
    assert done.exit_code == 0, done.stdout
    assert done.stdout.startswith(f"{balance['postings']:,} postings in ")
    written = files["csv"].read_text("ascii")
    assert set(re.findall(r",(relief\.[a-z_.]+\.v1),", written)) == set(CHART)
    accounts = {one["account"]: f"account,{one['account']},{one['debit_fen']},{one['credit_fen']}\n"
                for one in balance["accounts"]}  # fmt: skip
    assert "".join(accounts.values()) in written

    check = [str(Path(sys.executable).with_name("bean-check")), str(files["beancount"])]
    assert subprocess.run(check, capture_output=True, text=True, check=False).stderr == ""
    if shutil.which("hledger") is None:
        pytest.skip("hledger is not installed: apt-get install hledger")
    check = ["hledger", "-f", str(files["hledger"]), "check", "-s", "ordereddates"]
    assert subprocess.run(check, capture_output=True, text=True, check=False).stderr == ""
