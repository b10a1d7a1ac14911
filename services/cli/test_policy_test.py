"""`relief policy test`: through acceptance as `relief decide` has it, a diff per failing case, and the counts."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.policy_test import failing, run_cases
from services.eligibility import packs, policy_cases

FILES = sorted(packs.INSTALLED.glob("*/cases/*.yaml"))
RETAILER = "a retailer with 300 employees and revenue of 200 million yuan is large, at the bound"


def policy_test(*words: str) -> Result:
    app = typer.Typer()
    app.command("test")(run_cases)
    return CliRunner().invoke(app, words)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of the installed pack, to change."""
    return Path(shutil.copytree(packs.INSTALLED / "xinjiang-2020", tmp_path / "mine"))


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text, f"{before!r} is not in {path.name}"
    path.write_text(text.replace(before, after, 1), "utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_every_case_holds_on_the_way_that_relief_decide_takes(path: Path) -> None:
    cases = policy_cases.load_file(path)
    assert [(case.where, found) for case, found in failing(cases, packs.load(path.parent.parent))] == []


def test_a_pack_that_keeps_its_cases_is_a_line_with_counts() -> None:
    result = policy_test("xinjiang-2020")
    count = len(policy_cases.load(packs.INSTALLED / "xinjiang-2020"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"Policy pack xinjiang-2020 version 1: {count} cases, {count} pass, 0 fail.\n"


def test_a_changed_number_fails_the_cases_at_its_limit_with_expected_and_actual(mine: Path) -> None:
    change(
        mine / "cases" / "sizes-trade.yaml",
        "employees: 300, revenue: 200 million",
        "employees: 299, revenue: 200 million",
    )
    result = policy_test(str(mine))
    told = result.stdout.splitlines()
    assert result.exit_code == 1
    assert told[0] == f"FAILS {RETAILER}"
    assert told[1].strip().startswith("mine/cases/sizes-trade.yaml:")
    assert told[2].strip().startswith("exemption pension/2020-02 (mine/cases/sizes-trade.yaml:")
    assert told[3].split() == ["expected", "denied", "NOT_SME;", "class", "large"]
    assert told[4].split() == ["actual", "granted", "1,000.00", "yuan;", "class", "medium"]
    assert told[-1].endswith(" 1 fail.")


def test_as_json_it_says_the_same(mine: Path) -> None:
    change(mine / "cases" / "layoffs.yaml", "layoffs: {2019-06: 11}", "layoffs: {2019-06: 12}")
    result = policy_test(str(mine), "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["pack"], told["failed"], told["passed"]) == ("xinjiang-2020", 1, told["cases"] - 1)
    [failure] = told["failures"]
    [difference] = failure["differences"]
    assert failure["case"] == "a layoff rate of exactly 5.5 %, 11 of 200, passes"
    assert failure["file"] == "mine/cases/layoffs.yaml"
    assert difference["what"] == "refund 2019"
    assert difference["expected"].startswith("granted 5,000.00 yuan; class small; ")
    assert difference["actual"].startswith("denied LAYOFF_RATE; ")
    assert "6 % > 5.5 %" in difference["actual"]


def test_a_record_that_acceptance_rejects_unexpectedly_fails_the_case(mine: Path) -> None:
    change(mine / "cases" / "acceptance.yaml", ", rejected: ID_CONFLICT", "")
    result = policy_test(str(mine))
    assert result.exit_code == 1
    assert "expected  accepted" in result.stdout
    assert "actual    rejected as ID_CONFLICT" in result.stdout


def test_a_record_that_acceptance_lets_in_unexpectedly_fails_the_case(mine: Path) -> None:
    change(mine / "cases" / "acceptance.yaml", "version: 2, event: one, rejected", "version: 2, event: two, rejected")
    result = policy_test(str(mine))
    assert result.exit_code == 1
    assert "expected  rejected as ID_CONFLICT" in result.stdout
    assert "actual    accepted" in result.stdout


@pytest.mark.parametrize("case", ["no pack", "no cases", "a broken case"])
def test_what_cannot_be_run_is_one_sentence_and_exit_code_1(mine: Path, case: str) -> None:
    if case == "no cases":
        shutil.rmtree(mine / "cases")
    if case == "a broken case":
        change(mine / "cases" / "refund.yaml", "facts:", "fact:")
    named = {"no pack": "nowhere", "no cases": "mine has no cases", "a broken case": "mine/cases/refund.yaml:5: `fact`"}
    result = policy_test("nowhere" if case == "no pack" else str(mine))
    assert result.exit_code == 1
    assert named[case] in result.stderr
    assert result.stderr.count("\n") == 1
