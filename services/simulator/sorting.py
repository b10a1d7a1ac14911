"""Sorting more lines than memory holds: sorted runs on disk, merged in one pass."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

RUN_BYTES = 32 << 20
_READ_BYTES = 1 << 18


class Sorter:
    """Takes lines (bytes that end in a newline) in any order and gives them back sorted, once.

    Holds about `run_bytes` of lines at a time. Runs are files in `directory`, which the caller removes when done.
    """

    def __init__(self, directory: Path, name: str, run_bytes: int = RUN_BYTES) -> None:
        self._directory = directory
        self._name = name
        self._run_bytes = run_bytes
        self._lines: list[bytes] = []
        self._held = 0
        self._runs: list[Path] = []
        self.count = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._held += len(line)
        self.count += 1
        if self._held >= self._run_bytes:
            self._spill()

    def sorted(self) -> Iterator[bytes]:
        self._lines.sort()
        if not self._runs:
            yield from self._lines
            return
        with ExitStack() as files:
            runs = [files.enter_context(path.open("rb", buffering=_READ_BYTES)) for path in self._runs]
            yield from heapq.merge(*runs, self._lines)

    def _spill(self) -> None:
        self._lines.sort()
        path = self._directory / f"{self._name}-{len(self._runs)}"
        self._runs.append(path)
        with path.open("wb") as run:
            run.writelines(self._lines)
        self._lines.clear()
        self._held = 0
