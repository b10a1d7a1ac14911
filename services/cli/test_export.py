"""`relief export` from a ledger that answers over HTTP and goes on posting, and what comes of it when it does not."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which
from typing import Any

import psycopg
import pytest
import typer
import uvicorn
from aiokafka.structs import TopicPartition
from fastapi import FastAPI, Request, Response
from typer.testing import CliRunner

from services.cli.export import Format, register, write_export
from services.cli.installation import Installation
from services.cli.terminal import CommandError
from services.ledger import api
from services.ledger.app import MIGRATIONS, SCHEMA
from services.ledger.cases import take
from services.ledger.domain.posting import Posted
from services.ledger.exports.journal import journal
from services.ledger.exports.verify import heads_of, lines_of, verify
from services.ledger.journal_cases import batches, journalled
from services.ledger.store.rows import PostingRows
from shared import problems
from shared.gate_cases import development_gate
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import PostgresStore, connect, migrate
from shared.streaming.records import Record

pytestmark = pytest.mark.integration
BEFORE, AFTER = batches()[:6], batches()[6:]
STATEMENT, ENTRIES = journalled(record for batch in BEFORE for record in batch)


async def post(database: str, taken: Sequence[list[Record]]) -> None:
    async with connect(database, SCHEMA) as pool:
        store: PostgresStore[Posted] = PostgresStore(pool, SCHEMA, PostingRows())
        for batch in taken:
            where = TopicPartition(batch[0].topic, batch[0].partition)
            if await store.mark(where) is None:
                await store.restart(where, 0, None)
            assert await take(store, batch)


class Served:
    """The ledger's API at `url`; every further page finds the ledger grown by one batch."""

    def __init__(self, database: str, secrets: Path) -> None:
        self.growing: list[list[Record]] = []
        self.asked: list[str] = []
        self.pool = connect(database, SCHEMA)

        @asynccontextmanager
        async def opened(_: FastAPI) -> AsyncIterator[None]:
            async with self.pool:
                yield

        app = FastAPI(lifespan=opened)
        problems.install(app)
        app.include_router(api.routes(self.pool, development_gate(secrets)))

        @app.middleware("http")
        async def grow(request: Request, answer: Any) -> Response:
            self.asked.append(request.url.path)
            response: Response = await answer(request)
            if self.growing:
                await post(database, [self.growing.pop(0)])
            return response

        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> "Served":
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def url(self) -> str:
        host, port = self._server.servers[0].sockets[0].getsockname()
        return f"http://{host}:{port}"


@pytest.fixture
def served(database: str, secrets: Path) -> Iterator[Served]:
    asyncio.run(migrate(database, SCHEMA, MIGRATIONS))
    asyncio.run(post(database, BEFORE))
    with Served(database, secrets) as served:
        yield served


@pytest.fixture
def found(served: Served, secrets: Path) -> Installation:
    return Installation(KafkaAccess(""), {"ledger": served.url}, secrets)


def test_a_ledger_that_goes_on_posting_is_exported_as_it_was(
    found: Installation, served: Served, tmp_path: Path
) -> None:
    served.growing = list(AFTER)
    path = tmp_path / "ledger.csv"
    assert write_export(found, Format.csv, path, None, page=7) == STATEMENT
    assert not served.growing
    assert path.read_text("ascii") == "".join(journal(STATEMENT, ENTRIES))
    # And now that it has grown, up to the same number again, and whole.
    again = tmp_path / "again.csv"
    assert write_export(found, Format.csv, again, len(ENTRIES), page=5000) == STATEMENT
    assert again.read_bytes() == path.read_bytes()
    whole = tmp_path / "whole.csv"
    assert write_export(found, Format.csv, whole, None).at_seq == sum(map(len, batches()))
    with path.open("rb") as earlier, whole.open("rb") as file:
        assert verify(lines_of(file), heads_of(lines_of(earlier))).findings == ()


@pytest.mark.parametrize("form", [Format.hledger, Format.beancount])
def test_the_other_programs_take_it(found: Installation, served: Served, tmp_path: Path, form: Format) -> None:
    if form is Format.hledger and which("hledger") is None:
        pytest.skip("hledger is not installed: apt-get install hledger")
    served.growing = list(AFTER)
    path = tmp_path / "ledger"
    write_export(found, form, path, None, page=7)
    check = {
        Format.hledger: ["hledger", "-f", str(path), "check", "-s", "ordereddates"],
        Format.beancount: [str(Path(sys.executable).with_name("bean-check")), str(path)],
    }
    done = subprocess.run(check[form], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text("ascii").count("\n2020-") >= len(ENTRIES)
    assert list(tmp_path.iterdir()) == [path]


def refused(found: Installation, path: Path, form: Format = Format.csv, at_seq: int | None = None) -> str:
    """The sentence; what was at `path` before is there still, and nothing beside it."""
    path.write_text("kept")
    with pytest.raises(CommandError) as raised:
        write_export(found, form, path, at_seq)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "kept"
    return str(raised.value)


def test_without_a_stack_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    for words, sentence in (
        (["--out", str(tmp_path)], f"{tmp_path} is a directory; name a file in it."),
        (["--out", str(tmp_path / "no" / "x")], f"There is no directory {tmp_path / 'no'}; make it, or name another."),
        (["--out", str(tmp_path / "x"), "--state", str(tmp_path / "state")], "start it with `relief up`."),
    ):
        done = CliRunner().invoke(app, ["--format", "csv", *words])
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.endswith(f"{sentence}\n")
        assert done.stderr.count("\n") == 1


def test_what_was_not_posted_yet_is_not_exported(found: Installation, tmp_path: Path) -> None:
    sentence = refused(found, tmp_path / "ledger.csv", at_seq=len(ENTRIES) + 1)
    assert sentence == "The ledger answers 422: The ledger has 57 postings; ask for at_seq up to 57."


def test_a_ledger_that_is_not_there_gets_a_sentence(served: Served, secrets: Path, tmp_path: Path) -> None:
    nowhere = Installation(KafkaAccess(""), {}, secrets)
    assert refused(nowhere, tmp_path / "x") == "The service ledger does not run; see `relief status`."
    closed = Installation(KafkaAccess(""), {"ledger": "http://127.0.0.1:1"}, secrets)
    assert "does not answer" in refused(closed, tmp_path / "x")
    other = Installation(KafkaAccess(""), {"ledger": f"{served.url}/elsewhere"}, secrets)
    assert refused(other, tmp_path / "x").startswith("The ledger answers 404: ")


@pytest.mark.parametrize("form", list(Format))
def test_rows_that_somebody_changed_are_found(
    found: Installation, tmp_path: Path, form: Format, superuser_database: str
) -> None:
    """By one who may do everything: the sums that the database keeps beside the rows speak against him."""
    with psycopg.connect(superuser_database) as db:
        db.execute("ALTER TABLE ledger.posting DISABLE TRIGGER USER")
        db.execute("UPDATE ledger.posting SET amount_fen = amount_fen + 1 WHERE seq = 9")
    path = tmp_path / "ledger"
    if form is not Format.csv:
        assert "its postings give" in refused(found, path, form)
        return
    write_export(found, form, path, None)
    with path.open("rb") as file:
        findings = verify(lines_of(file)).findings
    assert findings[0].sentence.startswith("posting 9 was changed")
    assert any(finding.sentence.startswith("the trailer says 'account,") for finding in findings)
