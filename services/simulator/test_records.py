import json
from collections import Counter
from pathlib import Path

import pytest

from services.simulator.malformed import TOO_LARGE_BYTES
from services.simulator.manifest import Manifest
from services.simulator.records import BINARY_TOPIC, STRUCTURED, RawRecord, records
from services.simulator.upstream import write_upstream
from services.simulator.wire import TOPICS


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upstream")


@pytest.fixture(scope="module")
def manifest(directory: Path) -> Manifest:
    return write_upstream(600, 5, directory)


@pytest.fixture(scope="module")
def found(directory: Path, manifest: Manifest) -> dict[str, list[RawRecord]]:
    return {topic: list(records(directory, topic)) for topic in TOPICS}


def test_every_line_and_every_raw_record_is_read_once(found: dict[str, list[RawRecord]], manifest: Manifest) -> None:
    assert {topic: len(of) for topic, of in found.items()} == {
        topic: manifest.lines[topic] + manifest.raw_records[topic] for topic in TOPICS
    }
    assert sum(manifest.raw_records.values()) > 5


def test_raw_records_stand_after_their_line(found: dict[str, list[RawRecord]], directory: Path) -> None:
    for topic in TOPICS:
        expected: list[str] = ["line"] * len((directory / f"{topic}.jsonl").read_bytes().splitlines())
        raws = [json.loads(line) for line in (directory / f"{topic}.raw.jsonl").read_bytes().splitlines()]
        for raw in reversed(raws):
            expected.insert(raw["after_line"], raw["expect"])
        for place, what in enumerate(expected):
            record = found[topic][place]
            if what == "TOMBSTONE":
                assert record.value is None
            elif what == "TOO_LARGE":
                assert record.value is not None
                assert TOO_LARGE_BYTES < len(record.value) < TOO_LARGE_BYTES + 2000
            elif what == "NOT_UTF8":
                assert record.value is not None
                with pytest.raises(UnicodeDecodeError):
                    record.value.decode()
            elif what == "WRONG_KEY":
                assert record.value is not None
                assert json.loads(record.value)["subject"].encode() != record.key
            elif what == "BAD_HEADERS":
                headers = dict(record.headers)
                assert headers["ce_time"] == b"yesterday" or b"\xff" in headers["ce_source"]
            else:
                assert record.value is not None
                assert len(record.value) < 2000


def test_one_tax_record_in_twenty_is_binary_and_says_the_same(
    found: dict[str, list[RawRecord]], directory: Path, manifest: Manifest
) -> None:
    raw = manifest.raw_records
    lines = set((directory / f"{BINARY_TOPIC}.jsonl").read_bytes().splitlines())
    binary = 0
    for record in found[BINARY_TOPIC]:
        headers = dict(record.headers)
        if headers["content-type"] != b"application/json" or b"\xff" in headers["ce_source"]:
            continue
        if headers["ce_time"] == b"yesterday":
            continue
        binary += 1
        assert record.value is not None
        attributes = {
            name: headers[f"ce_{name}"].decode() for name in ("specversion", "id", "source", "type", "subject", "time")
        }
        event = attributes | {"datacontenttype": "application/json", "data": json.loads(record.value)}
        assert json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() in lines
        assert record.key == headers["ce_subject"]
    assert 0.03 < binary / manifest.lines[BINARY_TOPIC] < 0.07
    for topic in set(TOPICS) - {BINARY_TOPIC}:
        others = sum(record.headers != STRUCTURED for record in found[topic])
        assert others <= raw[topic]


def test_a_repeat_is_sent_in_the_same_mode(found: dict[str, list[RawRecord]], manifest: Manifest) -> None:
    for topic in TOPICS:
        repeats = sum(record.topic == topic and record.kind == "repeated" for record in manifest.corrupted)
        seen = Counter((record.key, record.value, record.headers) for record in found[topic])
        assert sum(count - 1 for count in seen.values()) == repeats


def test_records_carry_key_and_time(found: dict[str, list[RawRecord]]) -> None:
    first = found[BINARY_TOPIC][0]
    assert first.value is not None
    event = json.loads(first.value)
    assert first.headers == STRUCTURED
    assert first.key == event["subject"].encode()
    assert event["time"].startswith("2018-07-0")
    assert 1_530_000_000_000 < first.time_ms < 1_531_500_000_000
