import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.simulator.corruption import KINDS, Corruption
from services.simulator.manifest import Corrupted, Manifest, read_manifest
from services.simulator.region import region
from services.simulator.upstream import MERGED_FILE, write_upstream
from services.simulator.wire import TOPICS
from shared import uscc

ENTERPRISES, SEED = 1000, 7
BUSINESS_IDS = {
    "cn.tax.enterprise.registered.v1": ("uscc", "effective_on"),
    "cn.tax.enterprise.deregistered.v1": ("uscc",),
    "cn.tax.contribution.assessed.v1": ("assessment_id",),
    "cn.tax.contribution.paid.v1": ("payment_id",),
    "cn.insurance.headcount.reported.v1": ("uscc", "period"),
    "cn.insurance.layoffs.reported.v1": ("uscc", "period"),
    "cn.insurance.year.settled.v1": ("uscc", "year"),
    "cn.utility.bill.issued.v1": ("bill_id",),
    "cn.utility.bill.paid.v1": ("payment_id",),
    "cn.utility.disconnection.requested.v1": ("request_id",),
    "relief.holdover.applied.v1": ("application_id",),
    "relief.holdover.withdrawal.v1": ("application_id",),
    "relief.refund.declined.v1": ("application_id",),
}


class Written:
    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self.lines = {topic: (directory / f"{topic}.jsonl").read_bytes().splitlines() for topic in TOPICS}
        self.raw = {topic: (directory / f"{topic}.raw.jsonl").read_bytes().splitlines() for topic in TOPICS}

    def corrupted(self, topic: str) -> dict[int, Corrupted]:
        """By line number."""
        return {record.line: record for record in self.manifest.corrupted if record.topic == topic and not record.raw}

    def accepted(self, *, corrections: bool = True) -> dict[tuple[str, ...], Any]:
        """What a patient reader ends with: by business id the highest version's content, the first one standing."""
        known: dict[tuple[str, ...], tuple[int, Any]] = {}
        for topic in TOPICS:
            corrupted = self.corrupted(topic)
            for number, line in enumerate(self.lines[topic], start=1):
                record = corrupted.get(number)
                if record is not None and (record.expect.isupper() or (record.kind == "corrected" and not corrections)):
                    continue
                event = json.loads(line)
                data = event["data"]
                key = (event["type"], *(str(data[field]) for field in BUSINESS_IDS[event["type"]]))
                version = data.pop("version", 1)
                if key not in known or version > known[key][0]:
                    known[key] = (version, data)
                elif version == known[key][0]:
                    assert data == known[key][1], f"{key} twice with other content, and not in the manifest"
        return {key: data for key, (_, data) in known.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("corrupted")
    return Written(directory, write_upstream(ENTERPRISES, SEED, directory))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("clean")
    return Written(directory, write_upstream(ENTERPRISES, SEED, directory, corruption=None))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        write_upstream(60, seed, tmp_path / name)
    first, second, other = (contents(tmp_path / name) for name in ("first", "second", "other"))
    assert first == second
    assert all(first[f"{topic}.jsonl"] != other[f"{topic}.jsonl"] for topic in TOPICS)


def test_sorting_in_many_small_runs_gives_the_same_bytes(tmp_path: Path) -> None:
    write_upstream(60, 1, tmp_path / "whole")
    write_upstream(60, 1, tmp_path / "runs", run_bytes=50_000)
    assert contents(tmp_path / "whole") == contents(tmp_path / "runs")


def test_without_corruption_every_fact_is_written_once_and_nothing_else(clean: Written) -> None:
    facts = [fact for enterprise in region(ENTERPRISES, SEED) for fact in enterprise.facts]
    events = [json.loads(line) for topic in TOPICS for line in clean.lines[topic]]
    assert sorted(event["id"] for event in events) == sorted(fact.id for fact in facts)
    assert len(clean.accepted()) == sum(not fact.replaced for fact in facts) < len(facts)
    assert not clean.manifest.corrupted
    assert not any(clean.raw.values())


def test_lines_are_sorted_by_time_but_for_what_the_manifest_names(written: Written, clean: Written) -> None:
    for found in (written, clean):
        for topic in TOPICS:
            corrupted = found.corrupted(topic)
            in_time = [line for number, line in enumerate(found.lines[topic], start=1) if number not in corrupted]
            times = [json.loads(line)["time"] for line in in_time]
            assert times == sorted(times)
            assert all(time.endswith("+08:00") for time in times)


def test_the_manifest_counts_what_a_plain_reading_finds(written: Written) -> None:
    manifest = written.manifest
    types = Counter[str]()
    for topic in TOPICS:
        assert manifest.lines[topic] == len(written.lines[topic])
        assert manifest.raw_records[topic] == len(written.raw[topic])
        for line in written.lines[topic]:
            try:
                types[json.loads(line)["type"]] += 1
            except json.JSONDecodeError:
                types["no JSON"] += 1
    assert types.pop("no JSON") == manifest.rejected_lines["NOT_JSON"]
    assert types == manifest.types
    raw_codes = Counter(json.loads(line)["expect"] for topic in TOPICS for line in written.raw[topic])
    assert raw_codes == manifest.rejected_raw
    assert read_manifest(written.directory) == manifest


def test_each_event_is_a_cloudevent_of_a_known_enterprise_unless_the_manifest_says_otherwise(written: Written) -> None:
    known = {enterprise.firm.uscc for enterprise in region(ENTERPRISES, SEED)}
    for topic in TOPICS:
        corrupted = written.corrupted(topic)
        for number, line in enumerate(written.lines[topic], start=1):
            record = corrupted.get(number)
            if record is not None and record.expect not in ("BAD_USCC", "WRONG_KEY"):
                continue
            event = json.loads(line)
            code = event["data"]["uscc"]
            assert uscc.is_valid(code) == (record is None or record.expect != "BAD_USCC")
            assert (event["subject"] == code) == (record is None or record.expect != "WRONG_KEY")
            assert (code in known) == (record is None)
            assert list(event) == [
                "specversion",
                "id",
                "source",
                "type",
                "subject",
                "time",
                "datacontenttype",
                "data",
            ]


def test_ids_differ_but_for_repeats_and_id_conflicts(written: Written) -> None:
    seen: dict[str, bytes] = {}
    kinds = Counter[str]()
    for topic in TOPICS:
        corrupted = written.corrupted(topic)
        for number, line in enumerate(written.lines[topic], start=1):
            if number in corrupted and corrupted[number].expect in ("NOT_JSON", "MISSING_FIELD"):
                continue
            event_id = json.loads(line)["id"]
            if event_id in seen:
                kind = corrupted[number].kind
                kinds[kind] += 1
                assert (seen[event_id] == line) == (kind == "repeated")
            seen.setdefault(event_id, line)
    assert kinds == {kind: written.manifest.kinds[kind] for kind in ("repeated", "id_conflict")}


def test_only_corrections_change_what_is_known_in_the_end(written: Written, clean: Written) -> None:
    assert written.accepted(corrections=False) == clean.accepted()
    corrected, before = written.accepted(), clean.accepted()
    changed = [key for key in before if corrected[key] != before[key]]
    assert len(changed) == written.manifest.kinds["corrected"] > 100


def test_malformed_facts_would_show_if_they_were_accepted(written: Written, clean: Written) -> None:
    known = clean.accepted()
    kinds = {"negative_amount", "absurd_amount", "unknown_prefecture", "unknown_industry", "bad_check_character"}
    checked = 0
    for topic in TOPICS:
        for number, record in written.corrupted(topic).items():
            if record.kind not in kinds:
                continue
            event = json.loads(written.lines[topic][number - 1])
            key = (event["type"], *(str(event["data"][field]) for field in BUSINESS_IDS[event["type"]]))
            assert key not in known or event["data"]["version"] > 2
            checked += 1
    assert checked >= 2 * len(kinds)


def test_conflicts_and_superseded_versions_come_after_what_they_contradict(written: Written) -> None:
    for topic in TOPICS:
        corrupted = written.corrupted(topic)
        versions: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(written.lines[topic], start=1):
            kind = corrupted[number].kind if number in corrupted else "good"
            if kind not in ("good", "late", "superseded", "version_conflict", "moved_assessment", "corrected"):
                continue
            event = json.loads(line)
            key = (event["type"], *(str(event["data"][field]) for field in BUSINESS_IDS[event["type"]]))
            version = event["data"].get("version", 1)
            if kind == "superseded":
                assert version < versions[key]
            elif kind == "version_conflict":
                assert version == versions[key]
            elif kind != "good" and kind != "late":
                assert version > versions[key]
            versions[key] = max(version, versions.get(key, 0))


@pytest.mark.parametrize(("enterprises", "least"), [(2000, 2), (50, 1)])
def test_every_kind_occurs(enterprises: int, least: int, tmp_path: Path) -> None:
    kinds = write_upstream(enterprises, 3, tmp_path).kinds
    rare = {"moved_assessment", "id_conflict", "version_conflict"} if enterprises < 100 else set()
    for kind in KINDS[1:]:
        assert kinds.get(kind.name, 0) >= (0 if kind.name in rare else least), kind.name


def test_the_largest_record_is_rare_at_any_size(tmp_path: Path) -> None:
    manifest = write_upstream(300, 1, tmp_path, Corruption(malformed=0.5))
    assert manifest.kinds["too_large"] == 2
    assert manifest.kinds["tombstone"] == 150


@pytest.mark.parametrize(
    "shares", [{"late": -0.1}, {"late": 0.6, "repeated": 0.6}, {"malformed": 1.5}, {"late_days": 0}]
)
def test_impossible_shares_are_refused(shares: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="shares lie between"):
        Corruption(**shares)


def test_grouped_by_enterprise_the_lines_are_the_same_in_another_order(tmp_path: Path) -> None:
    write_upstream(60, 1, tmp_path / "time")
    manifest = write_upstream(60, 1, tmp_path / "grouped", group_by="enterprise", merged=True)
    for topic in TOPICS:
        by_time, grouped = ((tmp_path / name / f"{topic}.jsonl").read_bytes() for name in ("time", "grouped"))
        assert by_time != grouped or by_time.count(b"\n") < 2
        assert sorted(by_time.splitlines()) == sorted(grouped.splitlines())
    merged = (tmp_path / "grouped" / MERGED_FILE).read_bytes().splitlines()
    assert len(merged) == sum(manifest.lines.values())
    for record in manifest.corrupted:
        if not record.raw:
            assert record.merged_line is not None
            lines = (tmp_path / "grouped" / f"{record.topic}.jsonl").read_bytes().splitlines()
            assert merged[record.merged_line - 1] == lines[record.line - 1]


def test_merged_enterprises_stand_one_after_another(tmp_path: Path) -> None:
    write_upstream(40, 1, tmp_path, corruption=None, group_by="enterprise", merged=True)
    subjects = [json.loads(line)["subject"] for line in (tmp_path / MERGED_FILE).read_bytes().splitlines()]
    turns = [subject for place, subject in enumerate(subjects) if place == 0 or subjects[place - 1] != subject]
    assert turns == [enterprise.firm.uscc for enterprise in region(40, 1)]


def test_a_merged_file_by_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="grouped by enterprise"):
        write_upstream(1, 1, tmp_path, merged=True)


def test_progress_grows_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    write_upstream(1200, 1, tmp_path, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 3
