"""What the books say, in rows that are small enough for a whole region to lie in a temporary directory.

Rows are kept in as many files as keep each of them small, all rows of an enterprise in one: memory holds the rows of
one file at a time, however large the region.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

# Rows in one file: read back, some 40 MB.
ROWS_IN_FILE = 100_000
# Rows of one file that wait to be written.
WAITING = 100
OWNERS_WAITING = 20_000
_LENGTH = 4


class Decided(msgspec.Struct, array_like=True, tag=1, frozen=True, gc=False):
    """One decision of the log."""

    uscc: str
    measure: str
    key: str
    revision: int
    amount_fen: int
    outcome: str
    partition: int
    offset: int


class Told(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """One event of a ledger topic. `amount_fen` is what it moves, signed for exemptions; `legs`: see `Legs`.

    `step` is the word in its type. `payment_id` and `clawback_id` are empty where there is none.
    """

    uscc: str
    measure: str
    key: str
    event_id: str
    step: str
    payment_id: str
    clawback_id: str
    amount_fen: int
    legs: int
    partition: int
    offset: int


class Seen(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """The books of payments on this enterprise follow, as they were at a look; what they said before is void."""

    uscc: str
    look: int


class Due(msgspec.Struct, array_like=True, tag=4, frozen=True, gc=False):
    """What payments holds as due or, for exemptions, as waived."""

    uscc: str
    measure: str
    key: str
    revision: int
    amount_fen: int


class Paid(msgspec.Struct, array_like=True, tag=5, frozen=True, gc=False):
    """One payment, as payments holds it."""

    uscc: str
    measure: str
    key: str
    payment_id: str
    amount_fen: int
    state: str
    held_for: str | None
    submitted: bool
    clawed_fen: int


class Claimed(msgspec.Struct, array_like=True, tag=6, frozen=True, gc=False):
    """One claim, as payments holds it, with the bank's references that money came in under."""

    uscc: str
    payment_id: str
    clawback_id: str
    amount_fen: int
    settled_fen: int
    written_off_fen: int
    receipts: tuple[tuple[str, int], ...]


class Posted(msgspec.Struct, array_like=True, tag=7, frozen=True, gc=False):
    """One posting of the ledger; `amount_fen` is above 0."""

    uscc: str
    event_id: str
    step: str
    amount_fen: int
    legs: int
    seq: int


class Said(msgspec.Struct, array_like=True, tag=8, frozen=True, gc=False):
    """One word of the bank: accepted, settled or rejected of a payment, received for a claim."""

    uscc: str
    subject: str
    word: str
    amount_fen: int
    bank_reference: str
    partition: int
    offset: int


class Parked(msgspec.Struct, array_like=True, tag=9, frozen=True, gc=False):
    """The place of a word that payments has set aside."""

    uscc: str
    partition: int
    offset: int


Row = Decided | Told | Seen | Due | Paid | Claimed | Posted | Said | Parked
read_rows = msgspec.msgpack.Decoder(list[Row]).decode


class Legs:
    """Debit and credit as one small number: a region has a few hundred pairs."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._pairs: list[tuple[str, str]] = []

    def number(self, debit: str, credit: str) -> int:
        pair = debit, credit
        found = self._numbers.get(pair)
        if found is None:
            found = self._numbers[pair] = len(self._pairs)
            self._pairs.append(pair)
        return found

    def pair(self, number: int) -> tuple[str, str]:
        return self._pairs[number]


class OfEnterprise(Protocol):
    @property
    def uscc(self) -> str: ...


R = TypeVar("R", bound=OfEnterprise)


class Buckets(Generic[R]):
    """The rows of all books by enterprise; `rows`: about how many there will be; `decode` reads a list of them."""

    def __init__(self, directory: Path, rows: int, decode: Callable[[memoryview], list[R]]) -> None:
        self.count = 1 + rows // ROWS_IN_FILE
        self._directory = directory
        self._waiting: list[list[R]] = [[] for _ in range(self.count)]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = decode

    def number(self, uscc: str) -> int:
        return zlib.crc32(uscc.encode()) % self.count

    def add(self, row: R) -> None:
        number = self.number(row.uscc)
        waiting = self._waiting[number]
        waiting.append(row)
        if len(waiting) >= WAITING:
            self._write(number)

    def enterprises(self, number: int) -> Iterator[tuple[str, list[R]]]:
        """The rows of each enterprise in the file, in the order in which they were added."""
        self._write(number)
        found: dict[str, list[R]] = {}
        for row in self._rows(number):
            found.setdefault(row.uscc, []).append(row)
        yield from found.items()

    def _rows(self, number: int) -> Iterator[R]:
        path = self._path(number)
        content = memoryview(path.read_bytes()) if path.exists() else memoryview(b"")
        place = 0
        while place < len(content):
            start = place + _LENGTH
            place = start + int.from_bytes(content[place:start], "big")
            yield from self._decode(content[start:place])

    def _write(self, number: int) -> None:
        waiting = self._waiting[number]
        if waiting:
            encoded = self._encode(waiting)
            # Opened each time: there may be more files than a process may hold open.
            with self._path(number).open("ab") as file:
                file.write(len(encoded).to_bytes(_LENGTH, "big") + encoded)
            waiting.clear()

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.rows"


class Owners:
    """Whose payment or claim an id is: the bank names nobody else."""

    def __init__(self, directory: Path) -> None:
        self._db = sqlite3.connect(directory / "owners", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE owner (id BLOB PRIMARY KEY, uscc TEXT NOT NULL) WITHOUT ROWID")
        self._waiting: dict[str, str] = {}

    def add(self, identity: str, uscc: str) -> None:
        self._waiting[identity] = uscc
        if len(self._waiting) >= OWNERS_WAITING:
            self._write()

    def of(self, identity: str) -> str | None:
        if self._waiting:
            self._write()
        try:
            key = bytes.fromhex(identity)
        except ValueError:
            return None
        row = self._db.execute("SELECT uscc FROM owner WHERE id = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        self._db.close()

    def _write(self) -> None:
        # In order: neighbours go to the same pages.
        rows = sorted((bytes.fromhex(identity), uscc) for identity, uscc in self._waiting.items())
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO owner VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        self._waiting.clear()
