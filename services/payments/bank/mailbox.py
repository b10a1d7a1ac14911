"""Where files for a bank are left and a bank's files are found."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Literal, Protocol

from services.payments.bank.stream import MAX_BYTES

_REASON = ".reason.txt"
_NAME_MAX_BYTES = 180


class NameTaken(Exception):
    """A file of that name is there with other content: stop, for one of the two was never meant to be sent."""


class Mailbox(Protocol):
    """One bank's files. Everything is done whole or not at all, and may be done again after a crash.

    Names are plain, without folders. OSError where the place is out of reach: try again later.
    """

    def put(self, name: str, content: bytes) -> Literal["created", "exists"]:
        """Leaves a file for the bank; the same name and bytes again change nothing. Raises NameTaken."""

    def incoming(self) -> list[str]:
        """The names of the bank's files that are complete and neither accepted nor refused, always in one order."""

    def read(self, name: str) -> bytes:
        """One of them; of a file that is too large to be read only as much as shows that."""

    def accept(self, name: str) -> None:
        """The file was read and what it says is kept."""

    def refuse(self, name: str, sentence: str) -> None:
        """The file is kept for the officer, with the sentence beside it."""


class DirectoryMailbox:
    """A mailbox of four directories: `out/` for the bank, `in/` from it, then `processed/` or `refused/`.

    What begins with a dot or ends in `.part` is still being written and left alone, and so are folders, links, and
    names that cannot be shown or have more than 180 bytes. A name that was used before with other content is kept
    beside the first, with a piece of its digest. Only one process takes files from `in/`.
    """

    def __init__(self, root: Path) -> None:
        """Makes the directories that are missing."""
        self._out, self._in, self._processed, self._refused = (
            root / name for name in ("out", "in", "processed", "refused")
        )
        for directory in (self._out, self._in, self._processed, self._refused):
            directory.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, content: bytes) -> Literal["created", "exists"]:
        path = self._out / _plain(name)
        if not path.exists():
            _write(path, content)
            return "created"
        if path.read_bytes() != content:
            raise NameTaken(f"The file {path} is there with other content: look which one the bank got.")
        # A crash may have come between the name and its reaching the disk.
        _sync(self._out)
        return "exists"

    def incoming(self) -> list[str]:
        with os.scandir(self._in) as entries:
            return sorted(
                entry.name for entry in entries if entry.is_file(follow_symlinks=False) and _ready(entry.name)
            )

    def read(self, name: str) -> bytes:
        descriptor = os.open(self._in / _plain(name), os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MAX_BYTES + 1)

    def accept(self, name: str) -> None:
        source = self._in / _plain(name)
        if not source.exists() and (self._processed / name).exists():
            return
        self._move(source, _free(self._processed / name, source))

    def refuse(self, name: str, sentence: str) -> None:
        source = self._in / _plain(name)
        if not source.exists() and (self._refused / name).exists():
            return
        target = _free(self._refused / name, source)
        # First the reason: a crash in between leaves the file to be read, and refused, again.
        _write(target.with_name(target.name + _REASON), sentence.encode() + b"\n")
        self._move(source, target)

    def _move(self, source: Path, target: Path) -> None:
        source.replace(target)
        _sync(target.parent)
        _sync(self._in)


def _plain(name: str) -> str:
    if not _ready(name) or "/" in name:
        raise ValueError(f"{name!r} is not a plain file name of at most {_NAME_MAX_BYTES} bytes.")
    return name


def _ready(name: str) -> bool:
    complete = not name.startswith(".") and not name.endswith(".part")
    return complete and name.isprintable() and 0 < len(os.fsencode(name)) <= _NAME_MAX_BYTES


def _free(wanted: Path, source: Path) -> Path:
    """`wanted`, or a name made of the content where another content has it."""
    digest = _digest(source)
    # A bank's file must not stand where the reason of another one goes.
    if not wanted.name.endswith(_REASON) and (not wanted.exists() or _digest(wanted) == digest):
        return wanted
    return wanted.with_name(f"{wanted.name}~{digest[:16]}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Under its name only once it is whole and on the disk."""
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
