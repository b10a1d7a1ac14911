"""The document for policy officers says what the pack and the rules say now."""

from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from services.cli.policy_docs import PARTS, READINGS, at, docs, document, parameters
from services.eligibility import packs

COMMITTED = Path(__file__).parents[2] / "docs" / "policy.md"
NAMES = sorted(path.parent.name for path in packs.INSTALLED.glob("*/pack.yaml"))
app = typer.Typer()
app.command()(docs)


def content(name: str) -> dict[str, dict[str, object]]:
    return packs.load_with_content(packs.directory_of(name)).content


def flat(text: object) -> str:
    return " ".join(str(text).split())


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_text("utf-8") == document("xinjiang-2020"), "relief policy docs --out docs/policy.md"


@pytest.mark.parametrize("name", NAMES)
def test_every_value_stands_in_the_document_with_its_unit_and_citation(name: str) -> None:
    written = flat(document(name).replace("|", " "))
    for file, stated in content(name).items():
        for key, parameter in parameters(file, content(name)):
            assert flat(parameter["citation"]).replace("|", "/") in written, key
            assert flat(parameter["unit"]) in written or file in ("sizes.yaml", "prefectures.yaml"), key
        assert file == "pack.yaml" or list(parameters(file, content(name))), stated


@pytest.mark.parametrize("name", NAMES)
def test_every_reading_says_where_it_stands_and_how_to_switch_it(name: str) -> None:
    told = {key for reading in READINGS for key in reading.keys}
    for key in told:
        at(key, content(name))
    for file in content(name):
        for key, parameter in parameters(file, content(name)):
            assert "Reading:" not in str(parameter["citation"]) or key in told, f"{key} is a reading without a way out"
    for reading in READINGS:
        assert bool(reading.keys) != bool(reading.answer)
        assert reading.switch in document(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_opens_with_the_sentence_of_the_text_it_implements(name: str) -> None:
    text = content(name)["pack.yaml"]["text"]
    assert isinstance(text, dict)
    assert {measure for part in PARTS for measure in part.measures} == set(text)
    for part in PARTS:
        opening = flat(part.rule.__doc__)
        assert opening.startswith(", ".join(part.measures) + ": ")
        for measure in part.measures:
            assert flat(text[measure]) in opening, measure


def test_a_changed_value_changes_the_document_and_a_stale_file_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "mine"
    directory.mkdir()
    for path in packs.directory_of("xinjiang-2020").glob("*.yaml"):
        (directory / path.name).write_text(path.read_text("utf-8"), "utf-8")
    page = tmp_path / "policy.md"
    assert CliRunner().invoke(app, [str(directory), "--out", str(page)]).exit_code == 0
    assert CliRunner().invoke(app, [str(directory), "--check", str(page)]).exit_code == 0
    assert CliRunner().invoke(app, [str(directory)]).stdout == page.read_text("utf-8")
    refund = yaml.safe_load((directory / "refund.yaml").read_text("utf-8"))
    refund["small_layoff_limit"]["values"][0]["value"] = 550
    (directory / "refund.yaml").write_text(yaml.safe_dump(refund), "utf-8")
    stale = CliRunner().invoke(app, [str(directory), "--check", str(page)])
    assert stale.exit_code == 1
    assert f"{page} is not current; make it anew with `relief policy docs {directory} --out {page}`." in stale.stderr
    assert "`refund.yaml:small_layoff_limit` (2020-02-01: 550 (5.50 %))" in document(str(directory))
    missing = CliRunner().invoke(app, [str(directory), "--check", str(tmp_path / "none.md")])
    assert "is not current" in missing.stderr
