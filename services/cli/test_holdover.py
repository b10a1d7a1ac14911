"""`relief holdover verify`, as a technician types it: an order, the public keys, and no server."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.holdover import register
from services.eligibility import packs
from services.holdover.cases import Logs, key_files, take
from services.holdover.orders import Signer
from services.holdover.packs import terms_of
from shared.streaming.records import States

app = typer.Typer()
register(app)


def verify(*words: object, written: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["holdover", "verify", *map(str, words)], input=written)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return key_files(tmp_path)


@pytest.fixture
def event(keys: tuple[Path, Path], tmp_path: Path) -> dict[str, Any]:
    """As it stands on the topic."""
    logs = Logs()
    told = take(States({}), [logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    made: dict[str, Any] = json.loads(told[1].value)
    made["data"]["signature"] = Signer(keys[0]).sign(made["data"])
    (tmp_path / "order.json").write_text(json.dumps(made))
    return made


def test_an_order_that_holds(event: dict[str, Any], keys: tuple[Path, Path], tmp_path: Path) -> None:
    done = verify(tmp_path / "order.json", "--keys", keys[1], "--on", "2020-05-06")
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first == "valid"
    assert "stays on from 2020-02-20 to 2021-01-15" in second
    assert event["data"]["order_id"] in second
    done = verify("-", "--keys", keys[1], "--on", "2020-05-06", "--json", written=json.dumps(event["data"]).encode())
    answer = json.loads(done.stdout)
    assert (answer["valid"], answer["wrong"], answer["order"]["account_no"]) == (True, None, "0001")


@pytest.mark.parametrize(("on", "holds"), [("2020-02-19", 0), ("2020-02-20", 1), ("2021-01-15", 1), ("2021-01-16", 0)])
def test_an_order_holds_on_its_days(
    event: dict[str, Any], keys: tuple[Path, Path], tmp_path: Path, on: str, holds: int
) -> None:
    done = verify(tmp_path / "order.json", "--keys", keys[1], "--on", on)
    assert done.exit_code == 1 - holds
    assert ("from 2020-02-20 to 2021-01-15, and not on" in done.stdout) == (not holds)


def test_a_changed_day_is_found(event: dict[str, Any], keys: tuple[Path, Path]) -> None:
    event["data"]["until_on"] = "2029-01-15"
    done = verify("-", "--keys", keys[1], "--on", "2020-05-06", written=json.dumps(event).encode())
    assert done.exit_code == 1
    assert done.stdout == "not valid\nThe signature is not of this order: something in it was changed.\n"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"5", "must be a JSON object"),
        (b"{}", "It is no order"),
        (b" " * 1024 * 1024 + b"{}", "is no order"),
    ],
)
def test_what_is_no_order_says_so(keys: tuple[Path, Path], written: bytes, sentence: str) -> None:
    done = verify("-", "--keys", keys[1], written=written)
    assert done.exit_code == 1
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_missing_files_are_named(tmp_path: Path, event: dict[str, Any], keys: tuple[Path, Path]) -> None:
    done = verify(tmp_path / "order.json", "--keys", tmp_path / "none")
    assert done.exit_code == 1
    assert str(tmp_path / "none") in done.stderr
    assert "--keys" in done.stderr
    done = verify(tmp_path / "order.json", "--state", tmp_path / "nowhere")
    assert str(tmp_path / "nowhere" / "secrets" / "holdover.jwks.json") in done.stderr
    assert "is a directory" in verify(tmp_path, "--keys", keys[1]).stderr
    assert "There is no file" in verify(tmp_path / "gone.json", "--keys", keys[1]).stderr


@pytest.mark.parametrize("pack", packs.directories(), ids=lambda path: path.name)
def test_the_terms_of_a_shipped_pack_are_found_under_its_hash(pack: Path) -> None:
    """What eligibility grants by, holdover defers by."""
    loaded = packs.load_with_content(pack)
    terms, rules = terms_of(loaded.content, loaded.pack.ref.sha256, 7), loaded.pack.holdover
    assert (terms.repay_from, terms.instalments, terms.grace_days) == (
        rules.repay_from,
        rules.instalments,
        rules.grace_days,
    )
    assert (terms.window_first, terms.window_last) == (loaded.pack.window.first_day, loaded.pack.window.last_day)
