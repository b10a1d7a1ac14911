"""`relief simulate upstream` and `relief publish`, without a stack."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.test_app import relief
from services.cli.upstream import _keyed
from shared.contracts.topics import UPSTREAM, topics


def simulated(directory: Path, enterprises: int = 12, seed: int = 3) -> dict[str, str]:
    words = ["simulate", "upstream", "--enterprises", str(enterprises), "--seed", str(seed), "--out", str(directory)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_the_same_size_and_seed_give_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = simulated(tmp_path / "a")
    assert {f"{topic}.jsonl" for topic in UPSTREAM} | {"manifest.json"} <= set(first)
    assert simulated(tmp_path / "b") == first
    assert simulated(tmp_path / "c", seed=4)["upstream.tax.v1.jsonl"] != first["upstream.tax.v1.jsonl"]


def test_what_is_simulated_can_be_decided(tmp_path: Path) -> None:
    simulated(tmp_path / "a")
    lines = b"".join((tmp_path / "a" / f"{topic}.jsonl").read_bytes() for topic in UPSTREAM)
    done = relief("decide", "--facts", "-", given=lines)
    assert done.returncode == 0
    assert done.stdout.count("\n") > 12


def test_a_file_where_the_directory_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = relief("simulate", "upstream", "--enterprises", "1", "--out", str(tmp_path / "taken"))
    assert done.returncode == 1
    assert str(tmp_path / "taken") in done.stderr
    assert done.stderr.count("\n") == 1


OURS = [name for name in topics() if not name.startswith(("upstream.", "intake."))]


@pytest.mark.parametrize("topic", ["nonsense", "", *OURS])
def test_publish_refuses_what_is_no_upstream_topic(tmp_path: Path, topic: str) -> None:
    (tmp_path / "facts.jsonl").write_text("{}\n")
    words = ["publish", str(tmp_path / "facts.jsonl"), "--topic", topic, "--state", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "is no upstream topic; there are upstream.tax.v1," in result.stderr
    assert result.stderr.count("\n") == 1


def test_publish_without_a_file_or_a_stack_says_so(tmp_path: Path) -> None:
    missing = relief("publish", str(tmp_path / "none.jsonl"), "--topic", UPSTREAM[0], RELIEF_STATE=str(tmp_path))
    assert (missing.returncode, "none.jsonl" in missing.stderr) == (1, True)
    (tmp_path / "facts.jsonl").write_text("{}\n")
    down = relief("publish", str(tmp_path / "facts.jsonl"), "--topic", UPSTREAM[0], RELIEF_STATE=str(tmp_path))
    assert (down.returncode, "relief up" in down.stderr) == (1, True)


def test_a_line_is_keyed_by_its_subject_and_one_without_goes_out_without_a_key() -> None:
    lines = [b'{"subject": "x"}\r\n', b"\n", b'{"subject": 5}\n', b"[1]\n", b"{\n", b"\xff\n"]
    assert [(line.key, line.value) for line in _keyed(iter(lines))] == [
        (b"x", b'{"subject": "x"}'),
        (None, b'{"subject": 5}'),
        (None, b"[1]"),
        (None, b"{"),
        (None, b"\xff"),
    ]
