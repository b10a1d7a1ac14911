"""`relief decide`: from a file of events to decisions, in order and with every field the contract names."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.cli.test_app import relief
from services.eligibility import packs
from shared.contracts.decisions import DecisionMadeData
from shared.uscc import with_check_character

A, B = (with_check_character(f"91650100MA{number:07d}") for number in (1, 2))
Event = dict[str, Any]
PAYEE = {"account_name": "Tarim Bakery", "account_number": "6222000011112222", "bank_code": "102881000015"}


def event(kind: str, uscc: str, identity: str, data: Event, time: str = "2020-03-01T12:00:00+08:00") -> Event:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "//example/authority",
        "type": kind,
        "subject": uscc,
        "time": time,
        "data": {"uscc": uscc, **data},
    }


def registered(uscc: str, employees: int = 50, prefecture: str = "650100") -> Event:
    data = {
        "name": "Tarim Trading",
        "industry": "other",
        "prefecture": prefecture,
        "registered_on": "2015-03-02",
        "effective_on": "2019-01-01",
        "employees": employees,
        "annual_revenue_fen": 0,
        "total_assets_fen": 0,
        "payee": PAYEE,
    }
    return event("cn.tax.enterprise.registered.v1", uscc, f"re-{uscc}", data)


def assessed(uscc: str, insurance: str = "pension", amount_fen: int = 1000, version: int = 1, **changed: Any) -> Event:
    data = {
        "assessment_id": f"{uscc}-{insurance}",
        "version": version,
        "insurance": insurance,
        "period": "2020-02",
        "employer_amount_fen": amount_fen,
        "due_on": "2020-02-15",
    }
    return event("cn.tax.contribution.assessed.v1", uscc, f"as-{uscc}-{insurance}-{version}", data) | changed


def paid(uscc: str, amount_fen: int) -> Event:
    data = {
        "assessment_id": f"{uscc}-pension",
        "payment_id": f"p-{uscc}",
        "amount_fen": amount_fen,
        "paid_on": "2020-02-14",
    }
    return event("cn.tax.contribution.paid.v1", uscc, f"pa-{uscc}", data)


def settled(uscc: str) -> list[Event]:
    heads = {"period": "2019-12", "insured_employees": 20}
    year = {"year": 2019, "unemployment_premium_paid_fen": 1000}
    return [
        event("cn.insurance.headcount.reported.v1", uscc, f"he-{uscc}", heads),
        event("cn.insurance.year.settled.v1", uscc, f"ye-{uscc}", year),
    ]


REGION = [
    registered(B),
    assessed(B),
    assessed(B, "medical"),
    *settled(B),
    paid(B, 1000),
    assessed(A),
    paid(A, 0),
    registered(A, employees=300),
]


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b"\n".join(json.dumps(told).encode() for told in REGION) + b"\n")
    return path


def decide(*words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["decide", *words], input=given)


def decisions(result: Result) -> list[Event]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def in_words(decision: Event) -> str:
    who = "A" if decision["uscc"] == A else "B"
    codes = ",".join(reason["code"] for reason in decision["reasons"])
    words = (who, decision["measure"], decision["key"], decision["outcome"], str(decision["amount_fen"]), codes)
    return " ".join(word for word in words if word)


DECIDED = [
    "A exemption pension/2020-02 denied 0 NOT_SME",
    "B contribution_return pension/2020-02 granted 1000",
    "B exemption medical/2020-02 granted 500",
    "B exemption pension/2020-02 granted 1000",
    "B refund 2019 granted 500",
]


def test_the_latest_decisions_in_order_without_returns_of_nothing(facts: Path) -> None:
    found = decisions(decide("--facts", str(facts)))
    assert [in_words(decision) for decision in found] == DECIDED
    keys = [(decision["uscc"], decision["measure"], decision["key"]) for decision in found]
    assert keys == sorted(keys)


def test_the_fields_are_the_contracts_but_for_revision_difference_and_what_is_sealed(facts: Path) -> None:
    left_out = {"revision", "delta_fen", "decision_id", "payee_sealed", "payee_digest", "origin"}
    for decision in decisions(decide("--facts", str(facts))):
        assert set(decision) == set(DecisionMadeData.model_fields) - left_out
        assert decision["policy"]["sha256"] == packs.named("xinjiang-2020").ref.sha256


def test_it_is_the_same_from_standard_input_and_as_a_process(facts: Path) -> None:
    of_file = decide("--facts", str(facts))
    assert decide("--facts", "-", given=facts.read_text()).stdout == of_file.stdout
    done = relief("decide", "--facts", "-", given=facts.read_bytes())
    assert (done.returncode, done.stdout, done.stderr) == (0, of_file.stdout, "")


@pytest.mark.parametrize(
    ("as_of", "amount_fen"),
    [("2020-02-29", None), ("2020-03-01", 1000), ("2020-03-31", 1000), ("2020-04-01", 700), ("9999-12-31", 700)],
)
def test_as_of_knows_what_was_told_up_to_the_end_of_the_day_in_shanghai(
    tmp_path: Path, as_of: str, amount_fen: int | None
) -> None:
    path = tmp_path / "facts.jsonl"
    # 16:00 UTC on the last of March is midnight in Shanghai.
    told = [registered(A), assessed(A), assessed(A, amount_fen=700, version=2, time="2020-03-31T16:00:00Z")]
    path.write_text("".join(json.dumps(one) + "\n" for one in told))
    found = decisions(decide("--facts", str(path), "--as-of", as_of))
    assert [decision["amount_fen"] for decision in found] == ([] if amount_fen is None else [amount_fen])


def test_what_is_rejected_goes_to_standard_error_as_json_and_the_rest_goes_through(facts: Path) -> None:
    spoiled = [
        b"{",
        b"",
        json.dumps(assessed(A, amount_fen=-1, version=2)).encode(),
        json.dumps(assessed(B, amount_fen=7)).encode(),
        json.dumps(registered(A)).encode()[:-1] + b'\xff"}',
        b'{"x": "' + b"y" * 2_000_000 + b'"}',
    ]
    with facts.open("ab") as file:
        file.write(b"\n".join(spoiled))
    result = decide("--facts", str(facts))
    assert [in_words(decision) for decision in decisions(result)] == DECIDED
    rejected = [json.loads(line) for line in result.stderr.splitlines()]
    first = len(REGION) + 1
    assert [(line["line"] - first, line["code"]) for line in rejected] == [
        (0, "NOT_JSON"),
        (2, "OUT_OF_RANGE"),
        (3, "ID_CONFLICT"),
        (4, "NOT_UTF8"),
        (5, "TOO_LARGE"),
    ]
    assert all(set(line) == {"line", "code", "message"} for line in rejected)


def test_an_empty_file_has_no_decisions(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    assert decisions(decide("--facts", str(tmp_path / "none.jsonl"))) == []


def test_a_pack_of_ones_own(facts: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for file in (packs.INSTALLED / "xinjiang-2020").glob("*.yaml"):
        (mine / file.name).write_text(file.read_text("utf-8").replace("value: 5000}", "value: 10000}"), "utf-8")
    found = decisions(decide("--facts", str(facts), "--policy", str(mine)))
    assert in_words(found[-1]) == "B refund 2019 granted 1000"


def broken_pack(directory: Path) -> Path:
    (directory / "broken").mkdir()
    (directory / "broken" / "pack.yaml").write_text("name: [")
    return directory / "broken"


@pytest.mark.parametrize("case", ["no file", "a directory", "no pack", "a broken pack", "a pack's directory is empty"])
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(facts: Path, tmp_path: Path, case: str) -> None:
    (tmp_path / "empty").mkdir()
    words, named = {
        "no file": (["--facts", str(tmp_path / "nowhere.jsonl")], "nowhere.jsonl"),
        "a directory": (["--facts", str(tmp_path)], str(tmp_path)),
        "no pack": (["--facts", str(facts), "--policy", "nowhere"], "xinjiang-2020"),
        "a broken pack": (["--facts", str(facts), "--policy", str(broken_pack(tmp_path))], "broken/pack.yaml"),
        "a pack's directory is empty": (["--facts", str(facts), "--policy", str(tmp_path / "empty")], "pack.yaml"),
    }[case]
    done = relief("decide", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
