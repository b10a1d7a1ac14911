"""`relief policy compare`: the same facts under two packs; expected figures are counted here by hand."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.decide import decide_lines
from services.cli.policy_compare import compare
from services.cli.test_decide import A, B, assessed, event, paid, registered, settled
from services.eligibility import packs
from services.simulator.upstream import MERGED_FILE, write_upstream
from shared.uscc import with_check_character

Tallies = dict[str, int]
C, D = (with_check_character(f"91650100MA{number:07d}") for number in (3, 4))
NAMED = "xinjiang-2020"
REGION = [
    # A: large, so nothing under either pack.
    registered(A, employees=300),
    assessed(A),
    # B: an exemption that was paid already, half medical, and a refund.
    registered(B, prefecture="653100"),
    assessed(B),
    paid(B, 1000),
    assessed(B, "medical"),
    *settled(B),
    # C: a refund alone, elsewhere.
    registered(C),
    *settled(C),
    # D: an application and no registration.
    event(
        "relief.holdover.applied.v1",
        D,
        "h",
        {
            "application_id": "h",
            "utilities": ["gas"],
            "declared_difficulty": True,
            "contact": "0991-000000",
            "submitted_on": "2020-03-01",
        },
    ),
]


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.jsonl"
    path.write_text("".join(json.dumps(told) + "\n" for told in REGION) + "{\n")
    return path


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The installed pack with a higher refund elsewhere than in the south, and less relief of medical ones."""
    directory = tmp_path / "other"
    shutil.copytree(packs.INSTALLED / NAMED, directory)
    edit(directory / "refund.yaml", "value: 5000}", "value: 7000}")
    edit(directory / "contributions.yaml", "value: 5000}", "value: 4000}")
    return str(directory)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def run(*words: str) -> Result:
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, list(words))


def plain(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def in_short(tally: Tallies) -> tuple[int, ...]:
    """(enterprises, gainers, losers, A's fen, B's fen)"""
    return tuple(tally[name] for name in ("enterprises", "gainers", "losers", "amount_a_fen", "amount_b_fen"))


def test_gainers_losers_and_cost_along_every_side(facts: Path, other: str) -> None:
    found = plain(NAMED, other, "--facts", str(facts))
    assert {name: in_short(tally) for name, tally in found["by_measure"].items()} == {
        # B's pension in full, its medical half and then 40 %.
        "exemption": (2, 0, 1, 1500, 1400),
        "contribution_return": (1, 0, 0, 1000, 1000),
        # B in the south as before, C 50 % and then 70 %.
        "refund": (2, 1, 0, 1100, 1300),
        "holdover": (1, 0, 0, 0, 0),
    }
    assert {name: in_short(tally) for name, tally in found["by_prefecture"].items()} == {
        "650100": (2, 1, 0, 500, 700),
        "653100": (1, 0, 1, 2100, 2000),
        "": (1, 0, 0, 0, 0),
    }
    assert {name: in_short(tally) for name, tally in found["by_size_class"].items()} == {
        "large": (1, 0, 0, 0, 0),
        "small": (2, 1, 1, 2600, 2700),
        "": (1, 0, 0, 0, 0),
    }
    assert in_short(found["total"]) == (4, 1, 1, 2600, 2700)
    assert found["total"]["difference_fen"] == 100
    assert found["rejected_lines"] == 1
    assert (found["a"]["pack"], found["a"]["sha256"]) == (NAMED, packs.named(NAMED).ref.sha256)
    assert found["b"]["sha256"] == packs.named(other).ref.sha256


def test_the_other_way_round_gainers_are_losers(facts: Path, other: str) -> None:
    there, back = (plain(*words, "--facts", str(facts))["by_measure"] for words in ((NAMED, other), (other, NAMED)))
    for measure, tally in there.items():
        assert tally["gainers"] == back[measure]["losers"]
        assert tally["losers"] == back[measure]["gainers"]
        assert tally["difference_fen"] == -back[measure]["difference_fen"]


def test_a_pack_against_itself_changes_nobody(facts: Path) -> None:
    total = plain(NAMED, NAMED, "--facts", str(facts))["total"]
    assert (total["gainers"], total["losers"], total["difference_fen"]) == (0, 0, 0)
    assert total["amount_a_fen"] == 2600


def test_more_grants_without_an_amount_are_a_gain(tmp_path: Path, facts: Path) -> None:
    """A holdover grants time, not money."""
    directory = tmp_path / "shorter"
    shutil.copytree(packs.INSTALLED / NAMED, directory)
    edit(directory / "window.yaml", "last_day: 2020-06-30", "last_day: 2020-02-29")
    with facts.open("a") as file:
        file.write(json.dumps(registered(D)) + "\n")
    found = plain(str(directory), NAMED, "--facts", str(facts))["by_measure"]["holdover"]
    assert (found["granted_a"], found["granted_b"], found["gainers"]) == (0, 1, 1)


def test_the_csv_has_every_group_and_adds_up(facts: Path, other: str, tmp_path: Path) -> None:
    found = plain(NAMED, other, "--facts", str(facts), "--csv", str(tmp_path / "groups.csv"))
    with (tmp_path / "groups.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["measure"], row["prefecture"], row["size_class"]) for row in rows] == [
        ("exemption", "650100", "large"),
        ("exemption", "653100", "small"),
        ("contribution_return", "653100", "small"),
        ("refund", "650100", "small"),
        ("refund", "653100", "small"),
        ("holdover", "", ""),
    ]
    for measure, tally in found["by_measure"].items():
        for column in ("amount_a_fen", "amount_b_fen", "difference_fen", "granted_a"):
            assert sum(int(row[column]) for row in rows if row["measure"] == measure) == tally[column]


def test_the_table_says_what_the_packs_are_and_what_was_left_out(facts: Path, other: str) -> None:
    result = run(NAMED, other, "--facts", str(facts))
    assert result.exit_code == 0
    for words in ("A: xinjiang-2020 1", "gainers", "contribution_return *", "(not registered)", "27.00", "no part: 1."):
        assert words in result.stdout, words


def test_on_a_region_the_cost_is_what_relief_decide_grants(tmp_path: Path, other: str) -> None:
    write_upstream(100, 3, tmp_path, group_by="enterprise", merged=True)
    merged = tmp_path / MERGED_FILE
    found = plain(NAMED, other, "--facts", str(merged))
    for side, policy in (("a", NAMED), ("b", other)):
        decided = list(decide_lines(merged.read_bytes().splitlines(), packs.named(policy), None, lambda _: None))
        for measure, tally in found["by_measure"].items():
            granted = [d["amount_fen"] for d in decided if (d["measure"], d["outcome"]) == (measure, "granted")]
            assert (tally[f"granted_{side}"], tally[f"amount_{side}_fen"]) == (len(granted), sum(granted))


@pytest.mark.parametrize("name", ["cost.svg", "cost.png", "cost.PNG"])
def test_the_plot_is_a_picture_with_every_group(facts: Path, other: str, tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    plain(NAMED, other, "--facts", str(facts), "--plot", str(tmp_path / name))
    drawn = (tmp_path / name).read_bytes()
    if name.endswith("svg"):
        for words in (b"<svg", b"refund", b"653100", b"(not registered)", b"million CNY", b"+1"):
            assert words in drawn, words
        plain(NAMED, other, "--facts", str(facts), "--plot", str(tmp_path / "again.svg"))
        assert (tmp_path / "again.svg").read_bytes() == drawn
    else:
        assert drawn.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--plot", "cost.pdf"), ".svg or .png"),
        (("--plot", "/nowhere/cost.svg"), "/nowhere"),
        (("--csv", "/nowhere/groups.csv"), "/nowhere"),
    ],
)
def test_what_cannot_be_written_is_told_in_a_sentence(facts: Path, words: tuple[str, str], told: str) -> None:
    result = run(NAMED, NAMED, "--facts", str(facts), *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
