"""Reading the logs of a stack's programs."""

import os
from pathlib import Path

BLOCK = 64 * 1024


def tail(path: Path, lines: int, since: int = 0) -> list[str]:
    """The last lines of a file, at most `lines`, from the byte `since` on; [] when there is no file."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            # A file shorter than `since` was rotated meanwhile: all of it is new.
            start = since if since <= end else 0
            position, found = end, b""
            while position > start and found.count(b"\n") <= lines:
                step = min(BLOCK, position - start)
                position = file.seek(position - step)
                found = file.read(step) + found
    except FileNotFoundError:
        return []
    return found.decode("utf-8", errors="replace").splitlines()[-lines:] if lines > 0 else []


def size(path: Path) -> int:
    """Bytes in the file; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Follower:
    """Hands out what was appended to a file since the last call, line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = size(path)
        self._rest = b""

    def new_lines(self) -> list[str]:
        """Whole lines that came since; a rotated file is read from its start."""
        if size(self.path) < self._position:
            self._position = 0
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                fresh = file.read()
        except FileNotFoundError:
            return []
        self._position += len(fresh)
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        return [line.decode("utf-8", errors="replace") for line in whole]
