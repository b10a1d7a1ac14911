"""The installed packs keep their cases, and a case that is written wrongly is refused with its place."""

from pathlib import Path

import pytest

from services.eligibility import packs, policy_cases
from services.eligibility.policy_case_runs import Answer, answered, check, run
from services.eligibility.policy_case_yaml import read
from shared.streaming.errors import Stop

FILES = sorted(packs.INSTALLED.glob("*/cases/*.yaml"))
PACK = packs.named("xinjiang-2020")

PLAIN = """about: A file of one case
cases:
  - name: a sentence that says the rule
    facts: [assessed: {of: pension/2020-02, amount: 1000 yuan}]
    expect: {exemption pension/2020-02: {granted: 1000.00 yuan}}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A pack's directory with one case file; its parameters are those of the installed pack."""
    directory = tmp_path / "mine"
    (directory / "cases").mkdir(parents=True)
    (directory / "cases" / "plain.yaml").write_text(PLAIN, "utf-8")
    return directory


def write(directory: Path, text: str) -> None:
    (directory / "cases" / "plain.yaml").write_text(text, "utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_every_case_of_an_installed_pack_holds(path: Path) -> None:
    pack = packs.load(path.parent.parent)
    assert [(case.where, found) for case in policy_cases.load_file(path) for found in run(case, pack)] == []


def test_the_first_pack_has_cases_for_every_reading_and_in_number() -> None:
    cases = policy_cases.load(packs.INSTALLED / "xinjiang-2020")
    assert len(cases) >= 150
    assert len({case.reading for case in cases if case.reading is not None}) >= 7


def test_a_pack_that_keeps_its_cases_is_checked_in_silence(mine: Path) -> None:
    assert check(mine, PACK) == 1


# What is written, what stands there instead, and where and how it is told.
FAILING = [
    ("granted: 1000.00 yuan", "granted: 1000.01 yuan", "plain.yaml:5", "expected granted 1,000.01 yuan, but"),
    ("granted: 1000.00 yuan", "denied: NOT_SME", "plain.yaml:5", "but it is granted 1,000.00 yuan"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, class: micro", "plain.yaml:5", "yuan; class small"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, class: none", "plain.yaml:5", "yuan; class small"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, prefecture: 652900", "plain.yaml:5", "prefecture 650100"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, effective: 2020-02-02", "plain.yaml:5", "effective 2020-02-01"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, delta: 0 fen", "plain.yaml:5", "delta 1,000.00 yuan"),
    ("granted: 1000.00 yuan", "granted: 1000.00 yuan, revision: 2", "plain.yaml:5", "revision 1"),
    ("{exemption pension/2020-02: {granted: 1000.00 yuan}}", "nothing decided", "plain.yaml:3", "expected nothing"),
    ("exemption pension/2020-02:", "exemption pension/2020-03:", "plain.yaml:3", "expected nothing decided"),
    ("exemption pension/2020-02:", "B exemption pension/2020-02:", "plain.yaml:3", "expected nothing decided"),
    ("amount: 1000 yuan", "amount: 0 yuan", "plain.yaml:5", "denied NOTHING_DUE (The employer contributions"),
    ("    facts:", "    firm: {employees: 300}\n    facts:", "plain.yaml:6", "is denied NOT_SME (By the registration"),
]


@pytest.mark.parametrize(("before", "after", "place", "told"), FAILING)
def test_a_case_that_does_not_hold_is_told_by_place_expected_and_actual(
    mine: Path, before: str, after: str, place: str, told: str
) -> None:
    assert before in PLAIN
    write(mine, PLAIN.replace(before, after))
    with pytest.raises(Stop) as stopped:
        check(mine, PACK)
    assert f"{place}: the case `a sentence that says the rule` fails" in str(stopped.value)
    assert told in str(stopped.value)


BROKEN = [
    ("about: A file of one case\n", "", "plain.yaml:1: `about` is missing."),
    ("cases:", "case:", "plain.yaml:2: `case` is not known here; known are: about, given, cases."),
    ("    facts:", "    fact:", "plain.yaml:4: `fact` is not known here"),
    ("    expect:", "    expects:", "plain.yaml:5: `expects` is not known here"),
    ("    facts:", "    expect: nothing decided\n    facts:", "plain.yaml:6: `expect` occurs twice."),
    ("- name: a sentence that says the rule", "- name: layoffs", "plain.yaml:3: `layoffs` is no sentence"),
    ("- name: a sentence that says the rule", "- name:", "plain.yaml:3: a text is expected here."),
    ("assessed: {", "assesed: {", "plain.yaml:4: `assesed` is not known here; known are: registered, deregistered,"),
    ("[assessed:", "[version: 2, assessed:", "plain.yaml:4: a fact names exactly one of"),
    ("amount: 1000 yuan", "amount: 1000", "plain.yaml:4: `1000` is no amount; write for example `1,000.00 yuan`"),
    ("amount: 1000 yuan", "amount: 1.005 yuan", "plain.yaml:4: `1.005 yuan` is not a whole number of fen."),
    ("amount: 1000 yuan", "amount: 10,00 yuan", "plain.yaml:4"),
    ("amount: 1000 yuan", "amounts: 1000 yuan", "plain.yaml:4: `amounts` is not known here; known are: of, amount, id"),
    (", amount: 1000 yuan", "", "plain.yaml:4: `amount` is missing."),
    ("of: pension/2020-02", "of: dental/2020-02", "plain.yaml:4: `dental/2020-02` is no contribution"),
    ("of: pension/2020-02", "of: pension/2020-13", "plain.yaml:4: `2020-13` is not a month written YYYY-MM."),
    ("[assessed:", "[deregistered: 2020-02-30, assessed:", "plain.yaml:4"),
    ("[assessed: {of: pension/2020-02, amount: 1000 yuan}]", "[deregistered: 2020-02-30]", ":4: `2020-02-30` is not a"),
    (
        "[assessed: {of: pension/2020-02, amount: 1000 yuan}]",
        "[layoffs: {2019-06: a few}]",
        ":4: `a few` is not a whole",
    ),
    ("[assessed: {of: pension/2020-02, amount: 1000 yuan}]", "[layoffs: {2019-06 to 2019-01: 1}]", "ends before it"),
    ("[assessed: {of: pension/2020-02, amount: 1000 yuan}]", "[]", ":4: a list with at least one entry"),
    ("[assessed:", "[{deregistered: 2020-01-01, version: 2}, assessed:", ":4: `deregistered` has no versions."),
    ("    facts:", "    firm: large\n    facts:", ":4: `large` is not known here; known are: unregistered."),
    (
        "    facts:",
        "    firm: {staff: 3}\n    facts:",
        ":4: `staff` is not known here; known are: industry, prefecture",
    ),
    ("    facts:", "    firm: {prefecture: 650300}\n    facts:", ":4: `650300` is not known here; known are: 650100"),
    ("    facts:", "    steps: []\n    facts:", "plain.yaml:5: a case has either `facts` or `steps`."),
    ("exemption pension/2020-02:", "waiver pension/2020-02:", ":5: `waiver pension/2020-02` is no decision"),
    ("exemption pension/2020-02:", "exemption:", ":5: `exemption` is no decision"),
    ("granted: 1000.00 yuan", "granted: 1000 yuan", ":5: `1000 yuan` is not an exact amount"),
    ("{granted: 1000.00 yuan}", "granted", ":5: `granted` needs an amount, except for a holdover."),
    (
        "granted: 1000.00 yuan",
        "denied: TOO_LARGE",
        ":5: `TOO_LARGE` is not known here; known are: REGISTRATION_MISSING",
    ),
    ("granted: 1000.00 yuan", "denied: [NOT_SME, NOT_SME]", ":5: a reason is named twice."),
    ("granted: 1000.00 yuan", "denied: []", ":5: a list with at least one entry is expected here."),
    ("granted: 1000.00 yuan", "granted: 1.00 yuan, denied: NOT_SME", ":5: an expectation says exactly one of"),
    ("granted: 1000.00 yuan", "granted: 1.00 yuan, size: small", ":5: `size` is not known here"),
    ("granted: 1000.00 yuan", "granted: 1.00 yuan, class: tiny", ":5: `tiny` is not known here; known are: large"),
    ("{exemption pension/2020-02: {granted: 1000.00 yuan}}", "nothing", ":5: `nothing` is not known here"),
    ("cases:\n", "cases: [\n", "plain.yaml:"),
    (PLAIN, "", "plain.yaml:1: the file is empty."),
    (PLAIN, "- a\n", "plain.yaml:1: `key: value` is expected here."),
]


@pytest.mark.parametrize(("before", "after", "told"), BROKEN)
def test_what_is_not_written_as_a_case_is_refused_with_file_line_and_sentence(
    mine: Path, before: str, after: str, told: str
) -> None:
    assert before in PLAIN
    write(mine, PLAIN.replace(before, after, 1))
    with pytest.raises(Stop) as stopped:
        policy_cases.load(mine)
    assert str(stopped.value).startswith("mine/cases/plain.yaml:")
    assert told in str(stopped.value)


def test_a_name_stands_for_one_case(mine: Path) -> None:
    (mine / "cases" / "another.yaml").write_text(PLAIN, "utf-8")
    with pytest.raises(Stop, match=r"plain.yaml:3: .* is the name of the case at mine/cases/another.yaml:3 already"):
        policy_cases.load(mine)


def test_a_pack_without_cases_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"has no cases"):
        policy_cases.load(tmp_path)


def test_the_given_facts_of_a_file_come_before_those_of_each_case(mine: Path) -> None:
    given = "given:\n  - assessed: {of: pension/2020-02, amount: 1000 yuan}\n"
    write(
        mine,
        PLAIN.replace("cases:", given + "cases:").replace(
            "of: pension/2020-02, amount", "of: medical/2020-02, amount", 2
        ),
    )
    [case] = policy_cases.load(mine)
    kinds = [sent.line.count(b"medical") > 0 for sent in case.steps[0].sent]
    assert kinds == [False, True, True]


@pytest.mark.parametrize(
    ("written", "fen"),
    [
        ("1 fen", 1),
        ("0.01 yuan", 1),
        ("1,234.5 yuan", 123450),
        ("0.5 million yuan", 50_000_000),
        ("1,200 million yuan", 120_000_000_000),
        ("-2.00 yuan", -200),
    ],
)
def test_amounts_say_their_unit(tmp_path: Path, written: str, fen: int) -> None:
    path = tmp_path / "amount.yaml"
    path.write_text(f'"{written}"', "utf-8")
    assert read(path, "amount.yaml").fen() == fen


def test_what_the_decider_answers_is_held_against_the_case(mine: Path) -> None:
    [case] = policy_cases.load(mine)
    silent = answered(case, lambda lines: Answer({}, []))
    assert [(found.at, found.actual) for found in silent] == [(5, "nothing decided")]
    refusing = answered(case, lambda lines: Answer({2: "BAD_USCC"}, []))
    assert [(found.what, found.actual) for found in refusing][:1] == [("record 2", "rejected as BAD_USCC")]


def test_a_repeat_and_an_older_version_are_facts_like_others_to_a_case(mine: Path) -> None:
    write(
        mine,
        PLAIN.replace("[assessed:", "[{assessed: {of: pension/2020-02, amount: 1000 yuan}, twice: yes}, assessed:"),
    )
    [case] = policy_cases.load(mine)
    assert len(case.steps[0].sent) == 4
    assert run(case, PACK) == []
