"""`manifest.json`: what was written, and everything in it that is not as it should be."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import msgspec

from services.simulator.corruption import KINDS, Corruption

FILE = "manifest.json"


class Corrupted(msgspec.Struct, frozen=True, gc=False):
    """One corrupted record.

    `line` counts from 1 in `<topic>.jsonl`, or in `<topic>.raw.jsonl` if `raw`; `merged_line` likewise in `all.jsonl`
    where that was asked for. `expect` is a reject code (upper case) or what else becomes of the record.
    """

    topic: str
    line: int
    raw: bool
    kind: str
    expect: str
    merged_line: int | None = None


class Manifest(msgspec.Struct):
    """Counts over all files. `lines` and `raw_records` are by topic, `types` counts lines by the type found in them.

    `rejected_lines` and `rejected_raw` count by code what intake must reject of the lines and of the raw records.
    """

    enterprises: int
    seed: int
    group_by: str
    corruption: dict[str, float] | None
    lines: dict[str, int]
    raw_records: dict[str, int]
    types: dict[str, int]
    kinds: dict[str, int]
    rejected_lines: dict[str, int]
    rejected_raw: dict[str, int]
    corrupted: list[Corrupted]

    @property
    def rejected(self) -> dict[str, int]:
        """By code, all that intake must reject when lines and raw records are both sent."""
        codes = sorted(self.rejected_lines.keys() | self.rejected_raw.keys())
        return {code: self.rejected_lines.get(code, 0) + self.rejected_raw.get(code, 0) for code in codes}


def new_manifest(enterprises: int, seed: int, group_by: str, corruption: Corruption | None) -> Manifest:
    shares = None if corruption is None else asdict(corruption)
    return Manifest(enterprises, seed, group_by, shares, {}, {}, {}, {}, {}, {}, [])


def count_corrupted(manifest: Manifest) -> None:
    """Fills the counts that follow from `corrupted`."""
    raw_kinds = {kind.name for kind in KINDS if kind.raw}
    for record in manifest.corrupted:
        manifest.kinds[record.kind] = manifest.kinds.get(record.kind, 0) + 1
        if record.expect.isupper():
            codes = manifest.rejected_raw if record.kind in raw_kinds else manifest.rejected_lines
            codes[record.expect] = codes.get(record.expect, 0) + 1


def write_manifest(manifest: Manifest, directory: Path) -> None:
    (directory / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1))


def read_manifest(directory: Path) -> Manifest:
    """OSError without one, msgspec.ValidationError if it is something else."""
    return msgspec.json.decode((directory / FILE).read_bytes(), type=Manifest)


def accepted_lines(directory: Path, topic: str, manifest: Manifest) -> Iterator[bytes]:
    """The lines of one topic without those that intake must reject: a repeat, or a version replaced since, is there."""
    refused = {one.line for one in manifest.corrupted if one.topic == topic and not one.raw and one.expect.isupper()}
    with (directory / f"{topic}.jsonl").open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number not in refused:
                yield line
