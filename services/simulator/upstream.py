"""Writes the region as the files its authorities would send: JSON Lines per topic, and what went wrong on the way."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal

from services.simulator.corruption import GOOD, KINDS, Arrival, Corruption, arrivals, good
from services.simulator.malformed import malformed_arrivals
from services.simulator.manifest import Corrupted, Manifest, count_corrupted, new_manifest, write_manifest
from services.simulator.region import Enterprise, region
from services.simulator.sorting import RUN_BYTES, Sorter
from services.simulator.wire import TOPICS

MERGED_FILE = "all.jsonl"

# Before each line while it is sorted: arrival, enterprise, place among the enterprise's records, kind.
_KEY = b"%011d%08d%05d%02d"
_KEY_LENGTH = 26
_KIND = slice(24, 26)
_GOOD_KEY = b"%02d" % GOOD
_WRITE_BYTES = 1 << 20
_ENTERPRISES_PER_REPORT = 500
_LINES_PER_REPORT = 50_000
# How much of a run is drawing and encoding when lines are sorted afterwards.
_DRAWING_SHARE = 0.75

Progress = Callable[[float], None]


class _TopicFiles:
    """The two files of one topic, and what is noted about them in the manifest."""

    def __init__(self, directory: Path, topic: str, manifest: Manifest, files: ExitStack) -> None:
        self._topic = topic
        self._corrupted = manifest.corrupted
        self._out = files.enter_context((directory / f"{topic}.jsonl").open("wb", buffering=_WRITE_BYTES))
        self._raw = files.enter_context((directory / f"{topic}.raw.jsonl").open("wb"))
        self.lines = 0
        self.raw_records = 0

    def write_good(self, line: bytes) -> None:
        self.lines += 1
        self._out.write(line)

    def write_corrupted(self, kind_index: int, line: bytes, merged_line: int | None = None) -> None:
        """`merged_line` is where a line (not a raw record) stands in the merged file, if there is one."""
        kind = KINDS[kind_index]
        if kind.raw:
            self.raw_records += 1
            self._raw.write(b'{"after_line":%d,' % self.lines + line[1:])
        else:
            self.write_good(line)
        number = self.raw_records if kind.raw else self.lines
        self._corrupted.append(Corrupted(self._topic, number, kind.raw, kind.name, kind.expect, merged_line))


def write_upstream(
    enterprises: int,
    seed: int,
    out: Path,
    corruption: Corruption | None = Corruption(),  # noqa: B008 - frozen
    group_by: Literal["time", "enterprise"] = "time",
    *,
    merged: bool = False,
    on_progress: Progress | None = None,
    run_bytes: int = RUN_BYTES,
) -> Manifest:
    """Writes `<topic>.jsonl`, `<topic>.raw.jsonl` and `manifest.json` into `out`: same arguments, same bytes.

    `group_by` "time": lines in the order in which they arrive, all over the region. "enterprise": one enterprise after
    another, each in that order; with `merged` also `all.jsonl`, the lines of all topics like that. No `corruption`:
    every fact once and in time. `on_progress` is told the share done, up to 1. `run_bytes` bounds what each topic holds
    in memory while sorting. Existing files are replaced.

    ValueError for less than one enterprise, or for `merged` without "enterprise"; OSError where `out` is not writable.
    """
    if merged and group_by != "enterprise":
        raise ValueError("the merged file is grouped by enterprise: ask for both")
    drawn = region(enterprises, seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / MERGED_FILE).unlink(missing_ok=True)
    report = on_progress or (lambda _: None)
    manifest = new_manifest(enterprises, seed, group_by, corruption)
    types: Counter[str] = Counter()
    with ExitStack() as files:
        topics = [_TopicFiles(out, topic, manifest, files) for topic in TOPICS]
        flow = _flow(drawn, seed, corruption, types)
        if group_by == "time":
            flow = _reported(flow, enterprises, lambda share: report(share * _DRAWING_SHARE))
            _write_by_time(flow, topics, out, run_bytes, report)
        else:
            every = files.enter_context((out / MERGED_FILE).open("wb", buffering=_WRITE_BYTES)) if merged else None
            _write_by_enterprise(_reported(flow, enterprises, report), topics, every)
    for topic, written in zip(TOPICS, topics, strict=True):
        manifest.lines[topic] = written.lines
        manifest.raw_records[topic] = written.raw_records
    manifest.types = dict(sorted(types.items()))
    count_corrupted(manifest)
    write_manifest(manifest, out)
    report(1.0)
    return manifest


def arrivals_of(enterprise: Enterprise, seed: int, corruption: Corruption | None) -> list[Arrival]:
    """All that arrives about an enterprise, over all topics, in the order of arrival."""
    if corruption is None:
        found = [good(fact) for fact in enterprise.facts]
    else:
        # A generator of its own: the facts are the same whatever goes wrong with them.
        rng = random.Random(f"{seed}/{enterprise.firm.index}/corruption")  # noqa: S311 - a simulation, not a secret
        found = [arrival for fact in enterprise.facts for arrival in arrivals(fact, corruption, rng)]
        found += malformed_arrivals(enterprise, seed, corruption, rng)
    found.sort(key=lambda arrival: arrival.at)
    return found


_Flow = Iterator[tuple[int, list[Arrival]]]


def _flow(drawn: Iterator[Enterprise], seed: int, corruption: Corruption | None, types: Counter[str]) -> _Flow:
    for enterprise in drawn:
        found = arrivals_of(enterprise, seed, corruption)
        types.update([arrival.type for arrival in found if arrival.type is not None])
        yield enterprise.firm.index, found


def _reported(flow: _Flow, enterprises: int, report: Progress) -> _Flow:
    for index, found in flow:
        yield index, found
        if index % _ENTERPRISES_PER_REPORT == 0:
            report(index / enterprises)


def _write_by_enterprise(flow: _Flow, topics: list[_TopicFiles], every: BinaryIO | None) -> None:
    merged_lines = 0
    for _, found in flow:
        for arrival in found:
            line = arrival.line + b"\n"
            merged_line = None
            if every is not None and not KINDS[arrival.kind].raw:
                every.write(line)
                merged_lines += 1
                merged_line = merged_lines
            if arrival.kind == GOOD:
                topics[arrival.topic].write_good(line)
            else:
                topics[arrival.topic].write_corrupted(arrival.kind, line, merged_line)


def _write_by_time(flow: _Flow, topics: list[_TopicFiles], out: Path, run_bytes: int, report: Progress) -> None:
    with TemporaryDirectory(prefix=".sorting-", dir=out) as directory:
        sorters = [Sorter(Path(directory), topic, run_bytes) for topic in TOPICS]
        for index, found in flow:
            for place, arrival in enumerate(found):
                key = _KEY % (arrival.at, index, place, arrival.kind)
                sorters[arrival.topic].add(key + arrival.line + b"\n")
        total = sum(sorter.count for sorter in sorters)
        done = 0
        for sorter, topic in zip(sorters, topics, strict=True):
            for line in sorter.sorted():
                if line[_KIND] == _GOOD_KEY:
                    topic.write_good(line[_KEY_LENGTH:])
                else:
                    topic.write_corrupted(int(line[_KIND]), line[_KEY_LENGTH:])
                done += 1
                if done % _LINES_PER_REPORT == 0:
                    report(_DRAWING_SHARE + (1 - _DRAWING_SHARE) * done / total)
