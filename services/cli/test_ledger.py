"""`relief ledger verify`, as an auditor types it: a file, and no server."""

import json
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.ledger import register
from services.ledger.exports.journal import journal
from services.ledger.journal_cases import batches, journalled

app = typer.Typer()
register(app)
RECORDS = [record for batch in batches(2) for record in batch]
STATEMENT, ENTRIES = journalled(RECORDS)


def verify(*words: object) -> Result:
    return CliRunner().invoke(app, ["ledger", "verify", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.csv"
    path.write_text("".join(journal(STATEMENT, ENTRIES)))
    return path


def test_a_whole_journal(file: Path) -> None:
    done = verify(file)
    assert (done.exit_code, done.stdout) == (
        0,
        "38 postings in 4 chains: every one is there, unchanged and in order.\n",
    )
    done = verify(file, "--json")
    heads = [msgspec.structs.asdict(head) for head in STATEMENT.heads]
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"holds": True, "postings": 38, "heads": heads, "findings": []}


def test_a_fen_is_told_with_its_line(file: Path) -> None:
    amount = f",{ENTRIES[8].amount_fen},"
    lines = file.read_text().splitlines(keepends=True)
    lines[9] = lines[9].replace(amount, f",{ENTRIES[8].amount_fen + 1},")
    file.write_text("".join(lines))
    done = verify(file)
    assert done.exit_code == 1
    first, *others = done.stdout.splitlines()
    sentence = "posting 9 was changed, or another stood before it in the chain of ledger.refunds.v1/3"
    assert first == f"{file}:10: {sentence}"
    assert all(": the trailer says '" in other for other in others[:-1])
    assert others[-1] == "This is not what the ledger posted."
    done = verify(file, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["holds"], told["findings"][0]) == (False, {"line": 10, "sentence": sentence})


def test_an_earlier_export_is_continued(file: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.csv"
    earlier.write_text("".join(journal(*journalled(RECORDS[:20]))))
    assert verify(file, "--earlier", earlier).exit_code == 0
    file.write_text("".join(journal(*journalled(RECORDS[1:]))))
    assert verify(file).exit_code == 0
    done = verify(file, "--earlier", earlier)
    assert done.exit_code == 1
    assert "earlier export" in done.stdout


def test_what_is_no_journal_gets_one_sentence(file: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    for words, sentence in (
        ([tmp_path / "none"], f"There is no file {tmp_path / 'none'}."),
        ([tmp_path], f"{tmp_path} is a directory; name the export's file."),
        (
            [file, "--earlier", nothing],
            f"{nothing} states no chain; name an export that `relief ledger verify` accepts.",
        ),
    ):
        done = verify(*words)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{sentence}\n")
    done = verify(nothing)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        1, f"{nothing}:0: the file ends without its trailer: what followed here was cut off",
    )  # fmt: skip
    nothing.write_bytes(b"\x00\xff" * 10_000_000)
    done = verify(nothing)
    assert done.exit_code == 1
    assert "Here the check stopped: this is another file, not a damaged one." in done.stdout
