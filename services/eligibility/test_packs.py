"""Policy packs: what is broken is named by file and key, and the hash is of what the pack says."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml

from services.eligibility import packs
from services.eligibility.cases import PACK
from shared.contracts.vocabulary import INDUSTRIES, INSURANCES, PREFECTURES
from shared.streaming.errors import Stop

CONTRIBUTIONS, REFUND, SIZES = "contributions.yaml", "refund.yaml", "sizes.yaml"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the installed pack, to break."""
    return Path(shutil.copytree(packs.INSTALLED / "xinjiang-2020", tmp_path / "mine"))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text, f"{before!r} is not in {path.name}"
    path.write_text(text.replace(before, after, 1), "utf-8")


# What is broken: file, text, what stands there instead, and what the sentence names.
# A named line shows that the sentence leads to the place.
BROKEN: list[tuple[str, str, str, str, str]] = [
    ("no citation", REFUND, "  citation: ", "  cited: ", "refund.yaml:3: reference_year.citation: Field required"),
    ("a citation of nothing", "holdover.yaml", "citation: >-", "citation: short\n  x: >-", "eligible.citation"),
    ("a source of nothing", "pack.yaml", "source: >-", "source: short\nnote: >-", "source"),
    ("no unit", "holdover.yaml", "  unit: instalments\n", "", "instalments.unit: Field required"),
    ("no sentence", "holdover.yaml", "  sentence: ", "  sentences: ", "eligible.sentence: Field required"),
    ("an unknown key", "holdover.yaml", "eligible:", "grace: 15\neligible:", "holdover.yaml:2: grace: Extra inputs"),
    ("a rate over 10000", CONTRIBUTIONS, "value: 10000}", "value: 10001}", "rates.pension.sme.values.0.value"),
    ("a negative rate", REFUND, "value: 5000}", "value: -1}", "rates.sme.other.values.0.value"),
    ("a rate with decimals", REFUND, "value: 5000}", "value: 50.5}", "rates.sme.other"),
    ("a rate in quotes", REFUND, "value: 5000}", 'value: "5000"}', "rates.sme.other"),
    ("a date in quotes", "window.yaml", "2020-02-01", '"2020-02-01"', "first_day"),
    ("the 30th of February", "window.yaml", "first_day: 2020-02-01", "first_day: 2020-02-30", "window.yaml"),
    ("dates that descend", CONTRIBUTIONS, "since: 2020-07-01", "since: 2020-01-01", "pension.sme: dates must ascend"),
    ("a date twice", CONTRIBUTIONS, "since: 2020-07-01", "since: 2020-02-01", "pension.sme: dates must ascend"),
    ("a rate from mid-month", CONTRIBUTIONS, "since: 2020-07-01", "since: 2020-07-02", "first day of a month"),
    ("more months than allowed", CONTRIBUTIONS, "since: 2020-07-01", "since: 2020-08-01", "relief for 6 months"),
    (
        "relief without an end",
        CONTRIBUTIONS,
        "        - {since: 2020-07-01, value: null}\n",
        "",
        "relief never ends",
    ),
    ("no limit in force", REFUND, "{since: 2020-02-01, value: 550}", "{since: 2020-02-02, value: 550}", "layoff_limit"),
    ("a missing insurance", CONTRIBUTIONS, "  medical:", "  dental:", "dental, medical"),
    ("a missing industry", SIZES, "  other:\n", "  mining:\n", "mining, other"),
    ("a missing class", SIZES, "    small: {employees: 10}\n", "", "industries.other.small"),
    ("a missing prefecture", "prefectures.yaml", '  "654300"', '  "110000"', "110000, 654300"),
    ("a window that ends before it begins", "window.yaml", "last_day: 2020-06-30", "last_day: 2020-01-31", "last_day"),
    ("a key twice", REFUND, "layoff_limit:", "rates: 1\nlayoff_limit:", "occurs twice"),
    ("no YAML", REFUND, "value: 2019}", "value: [2019}", "cannot be read"),
    ("a list for a file", "pack.yaml", "# Who", "- a\n# Who", "pack.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "file", "before", "after", "named"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_pack_is_refused_in_one_sentence(
    directory: Path, broken: str, file: str, before: str, after: str, named: str
) -> None:
    edit(directory / file, before, after)
    with pytest.raises(Stop) as stopped:
        packs.load(directory)
    sentence = str(stopped.value)
    assert file in sentence, broken
    assert "mine" in sentence
    assert named in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("file", ["pack.yaml", SIZES])
def test_a_missing_or_unreadable_file_is_named(directory: Path, file: str) -> None:
    (directory / file).write_bytes(b"\xff\xfe")
    with pytest.raises(Stop, match=file):
        packs.load(directory)
    (directory / file).unlink()
    with pytest.raises(Stop, match=f"{file} is missing in mine"):
        packs.load(directory)
    (directory / file).mkdir()
    with pytest.raises(Stop, match=file):
        packs.load(directory)


def reorder(path: Path) -> int:
    """The file's top-level keys in the opposite order."""
    content = yaml.safe_load(path.read_text("utf-8"))
    return path.write_text(
        yaml.safe_dump(dict(reversed(content.items())), sort_keys=False, allow_unicode=True), "utf-8"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda d: edit(d / REFUND, "  unit:", "  # said of the unit\n  unit:"),
        lambda d: edit(d / REFUND, "value: 2019}", "value:   2019}   # the year before"),
        lambda d: [reorder(path) for path in d.glob("*.yaml")],
        lambda d: (d / "README.md").write_text("what this pack is"),
    ],
)
def test_the_hash_is_not_of_comments_spaces_and_order(directory: Path, change: Callable[[Path], object]) -> None:
    change(directory)
    assert packs.load(directory).ref.sha256 == PACK.ref.sha256


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        (CONTRIBUTIONS, "value: 5000", "value: 5001"),
        (CONTRIBUTIONS, "{since: 2020-02-01, value: 5}", "{since: 2020-02-01, value: 6}"),
        (CONTRIBUTIONS, "since: 2020-07-01", "since: 2020-06-01"),
        (REFUND, "value: null", "value: 0"),
        (REFUND, "value: 30}", "value: 31}"),
        (SIZES, "revenue: 200000000", "revenue: 200000001"),
        ("prefectures.yaml", "name: Altay, southern: false", "name: Altay, southern: true"),
        ("holdover.yaml", "value: 6}", "value: 7}"),
        ("window.yaml", "last_day: 2020-06-30", "last_day: 2020-06-29"),
        ("pack.yaml", 'version: "1"', 'version: "2"'),
        ("pack.yaml", "General Office", "general office"),
    ],
)
def test_the_hash_changes_with_any_value(directory: Path, file: str, before: str, after: str) -> None:
    edit(directory / file, before, after)
    assert packs.load(directory).ref.sha256 != PACK.ref.sha256


def test_the_installed_pack_covers_the_contracts_codes() -> None:
    assert set(PACK.sizes.classes) == set(INDUSTRIES)
    assert set(PACK.contributions.rates) == set(INSURANCES)
    assert {"652900", "653000", "653100", "653200"} == PACK.southern <= set(PREFECTURES)


def test_a_pack_is_made_again_from_its_content_alone() -> None:
    for sha256, pack in packs.installed().items():
        content = packs.content(sha256)
        assert content is not None
        assert packs.content_hash(content) == sha256
        assert packs.from_content(content) == pack
    broken = {**packs.load_with_content(packs.directory_of("xinjiang-2020")).content, "refund.yaml": {}}
    with pytest.raises(Stop, match=r"no policy pack: refund\.yaml: reference_year"):
        packs.from_content(broken)


def test_a_second_pack_serves_whom_the_first_does_not() -> None:
    extended = packs.named("xinjiang-2020-extended")
    assert extended.contributions.rates["pension"]["sme"].on(date(2020, 12, 1)) == 10_000
    assert extended.contributions.rates["pension"]["large"].on(date(2020, 6, 1)) == 5_000
    assert extended.contributions.rates["medical"]["large"].on(date(2020, 2, 1)) is None
    assert extended.refund.rates == {
        "sme": {"southern": 10_000, "other": 10_000},
        "large": {"southern": 10_000, "other": None},
    }


def test_a_pack_is_found_by_name_by_directory_and_by_hash(directory: Path) -> None:
    assert packs.named("xinjiang-2020") == packs.by_hash(PACK.ref.sha256) == packs.named(str(directory))
    with pytest.raises(Stop, match=r"no policy pack 'nowhere'.*installed are: xinjiang-2020"):
        packs.named("nowhere")
    with pytest.raises(Stop, match=r"pack\.yaml is missing"):
        packs.named(str(directory.parent))


def test_an_installed_name_is_not_shadowed_by_a_directory_that_happens_to_lie_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xinjiang-2020").mkdir()
    monkeypatch.chdir(tmp_path)
    assert packs.named("xinjiang-2020") == PACK
