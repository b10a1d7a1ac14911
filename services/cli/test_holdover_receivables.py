"""`relief holdover receivables` against the served API on a real database, and a saved answer as an order."""

import asyncio
import csv
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer
import uvicorn
from aiokafka.structs import TopicPartition
from fastapi import FastAPI
from typer.testing import CliRunner

from services.cli.holdover import register, show_receivables
from services.cli.installation import Installation
from services.cli.terminal import CommandError
from services.holdover import api, receivables_api
from services.holdover.app import MIGRATIONS, SCHEMA
from services.holdover.cases import POWER, Logs, public_keys, signer
from services.holdover.domain.enterprise import Held
from services.holdover.store.rows import HoldoverRows
from services.holdover.store.test_rows import commit
from shared import problems
from shared.contracts import topics
from shared.gate_cases import development_gate
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import PostgresStore, connect, migrate

pytestmark = pytest.mark.integration
_numbers = count()


async def write(database: str) -> None:
    """One account in holdover."""
    logs = Logs()
    await migrate(database, SCHEMA, MIGRATIONS)
    async with connect(database, SCHEMA) as pool:
        store: PostgresStore[Held] = PostgresStore(pool, SCHEMA, HoldoverRows())
        for topic in (topics.FACTS, topics.DECISIONS):
            await store.restart(TopicPartition(topic, 3), 0, None)
        await commit(store, [*logs.day(date(2020, 2, 10)), logs.applied("a1"), logs.bill("b1", 123_456)])
        await commit(store, [logs.decided("a1"), logs.paid("p1", "b1", 3_456, date(2020, 3, 1))])


@pytest.fixture
def found(database: str, secrets: Path, redis_url: str) -> Iterator[Installation]:
    asyncio.run(write(database))
    pool = connect(database, SCHEMA)
    gate = development_gate(secrets, redis_url, f"command-{next(_numbers)}")

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield
        await gate.close()

    app = FastAPI(lifespan=opened)
    problems.install(app)
    app.include_router(api.routes(pool, gate, signer()))
    app.include_router(receivables_api.routes(pool, gate))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    host, port = server.servers[0].sockets[0].getsockname()
    yield Installation(KafkaAccess(""), {"holdover": f"http://{host}:{port}"}, secrets)
    server.should_exit = True
    thread.join()


def test_what_a_supplier_is_owed(found: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_receivables(found, POWER.supplier_id, tmp_path / "owed.csv", as_json=True)
    owed = json.loads(capsys.readouterr().out)
    assert [(one["utility"], one["deferred_fen"], one["open_fen"]) for one in owed["totals"]] == [
        ("electricity", 123_456, 120_000)
    ]
    with (tmp_path / "owed.csv").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert (line["account_no"], line["open_fen"], line["as_of"]) == (POWER.account_no, "120000", "2020-02-10")
    assert [path.name for path in tmp_path.iterdir()] == ["owed.csv"]


def test_sums_are_shown_in_yuan(found: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    show_receivables(found, POWER.supplier_id, None, as_json=False)
    shown = capsys.readouterr().out
    assert "1,200.00" in shown
    assert "as of 2020-02-10" in shown
    show_receivables(found, "[red]nobody", None, as_json=False)
    assert "Nothing of [red]nobody was ever deferred." in capsys.readouterr().out


def test_what_goes_wrong_leaves_no_file(found: Installation, tmp_path: Path) -> None:
    (tmp_path / "owed.csv").write_text("before")
    for _ in range(10):
        show_receivables(found, POWER.supplier_id, tmp_path / "owed.csv", as_json=True)
    before = (tmp_path / "owed.csv").read_text()
    with pytest.raises(CommandError, match="429"):
        show_receivables(found, POWER.supplier_id, tmp_path / "owed.csv", as_json=True)
    assert [path.name for path in tmp_path.iterdir()] == ["owed.csv"]
    assert (tmp_path / "owed.csv").read_text() == before
    with pytest.raises(CommandError, match="is a directory"):
        show_receivables(found, POWER.supplier_id, tmp_path, as_json=True)
    with pytest.raises(CommandError, match="does not run"):
        show_receivables(Installation(KafkaAccess(""), {}, found.secrets), POWER.supplier_id, None, as_json=True)


def test_a_saved_answer_is_an_order_that_can_be_checked(found: Installation, tmp_path: Path) -> None:
    answer: dict[str, Any] = found.get(
        "holdover", "/v1/protection", supplier_id=POWER.supplier_id, account_no=POWER.account_no
    )
    saved, keys = tmp_path / "answer.json", tmp_path / "keys"
    keys.write_text(public_keys())
    app = typer.Typer()
    register(app)
    asked = ["holdover", "verify", str(saved), "--keys", str(keys), "--on", "2020-05-06"]
    saved.write_text(json.dumps(answer))
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "valid")
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert (told["valid"], told["orders"], told["order"]["account_no"]) == (True, 1, POWER.account_no)
    # Of two orders one was changed: the answer as a whole does not hold.
    forged = json.loads(json.dumps(answer["accounts"][0]))
    forged["order"]["account_no"] = "0002"
    saved.write_text(json.dumps(answer | {"accounts": [*answer["accounts"], forged]}))
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (1, "not valid")
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert (told["valid"], told["orders"], told["order"]["account_no"]) == (False, 2, "0002")
