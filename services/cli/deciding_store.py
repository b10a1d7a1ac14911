"""What a file has told so far of every enterprise, in bounded memory: a few at hand, the others in a temporary file."""

import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from struct import Struct as Layout
from tempfile import TemporaryFile, gettempdir
from typing import IO

import msgspec
from msgspec import Struct, field

from services.cli.terminal import CommandError
from services.eligibility.domain.state import Enterprise
from services.intake.domain.acceptance import Known

# Records of enterprises at hand, all together: some 15 MB, and five hundred enterprises of a usual year.
AT_HAND = 25_000
# What an enterprise takes before its first record, in records.
EMPTY = 10
_SIZES = Layout("<III")
_ROOM_STEP = 64


class Seen(Struct, array_like=True):
    """What acceptance remembers of one enterprise: by topic, and what its own ids fixed (intake's Claim)."""

    known: dict[str, Known] = field(default_factory=dict)
    # digest of the business id -> digest of what its first record fixed
    claims: dict[bytes, bytes] = field(default_factory=dict)


class Entry:
    """One enterprise at hand; `records` is its weight: the lines that asked for it, and EMPTY."""

    __slots__ = ("enterprise", "records", "seen")

    def __init__(self, seen: Seen, enterprise: Enterprise, records: int) -> None:
        self.seen, self.enterprise, self.records = seen, enterprise, records


class Enterprises:
    """Entries by uscc. The least recently asked for are packed away when more than `at_hand` records are held.

    Per enterprise packed away some 150 bytes stay in memory: its uscc and its place in the file.
    """

    def __init__(self, at_hand: int = AT_HAND) -> None:
        self._at_hand = at_hand
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        # Records of the enterprises at hand.
        self.held = 0
        # uscc -> its number; by number, the place in the file. A room of 0: not there yet.
        self._numbers: dict[str, int] = {}
        self._places, self._rooms = array("Q"), array("I")
        self._file = _PackedFile()
        self._pack = msgspec.msgpack.Encoder().encode
        self._unpack_seen = msgspec.msgpack.Decoder(Seen).decode
        self._unpack_enterprise = msgspec.msgpack.Decoder(Enterprise).decode

    def of(self, uscc: str) -> Entry:
        """The entry to read and to change, until the next call."""
        entry = self._entries.get(uscc)
        if entry is None:
            entry = self._entries[uscc] = self._load(uscc)
            self.held += entry.records
        else:
            self._entries.move_to_end(uscc)
        entry.records += 1
        self.held += 1
        while self.held > self._at_hand and len(self._entries) > 1:
            self._store(*self._entries.popitem(last=False))
        return entry

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[tuple[str, Enterprise]]:
        """Every enterprise in the order of usccs. What is read from the file is forgotten again."""
        for uscc in sorted(self._numbers):
            entry = self._entries.get(uscc)
            yield uscc, self._read(self._numbers[uscc])[1] if entry is None else entry.enterprise

    @property
    def packed_bytes(self) -> int:
        """How far the temporary file goes."""
        return self._file.end

    def close(self) -> None:
        self._file.close()

    def _load(self, uscc: str) -> Entry:
        number = self._numbers.setdefault(uscc, len(self._numbers))
        if number == len(self._rooms):
            self._places.append(0)
            self._rooms.append(0)
        if self._rooms[number] == 0:
            return Entry(Seen(), Enterprise(), EMPTY)
        seen, enterprise, records = self._read(number)
        return Entry(self._unpack_seen(seen), enterprise, records)

    def _store(self, uscc: str, entry: Entry) -> None:
        self.held -= entry.records
        seen, enterprise = self._pack(entry.seen), self._pack(entry.enterprise)
        packed = _SIZES.pack(len(seen), len(enterprise), entry.records) + seen + enterprise
        number = self._numbers[uscc]
        place, room = self._file.write(packed, self._places[number], self._rooms[number])
        self._places[number], self._rooms[number] = place, room

    def _read(self, number: int) -> tuple[memoryview, Enterprise, int]:
        packed = memoryview(self._file.read(self._places[number], self._rooms[number]))
        seen_bytes, enterprise_bytes, records = _SIZES.unpack_from(packed)
        middle = _SIZES.size + seen_bytes
        enterprise = self._unpack_enterprise(packed[middle : middle + enterprise_bytes])
        return packed[_SIZES.size : middle], enterprise, records


class _PackedFile:
    """Rooms in a file without a name, which is gone with the process. A room that became too small is given on."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._free: dict[int, array[int]] = {}
        self.end = 0

    def write(self, packed: bytes, place: int, room: int) -> tuple[int, int]:
        """Into the same room if it is large enough, otherwise into another; returns (place, room)."""
        if len(packed) > room:
            if room:
                self._free.setdefault(room, array("Q")).append(place)
            place, room = self._find_room(len(packed), grown=room > 0)
        self._write(packed, place)
        return place, room

    def read(self, place: int, room: int) -> bytes:
        assert self._file is not None, "a room was given out, so there is a file"
        return os.pread(self._file.fileno(), room, place)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _find_room(self, size: int, grown: bool) -> tuple[int, int]:
        # What grew once will grow again: few sizes, so that the rooms left behind fit others.
        room = 1 << (size - 1).bit_length() if grown else -(-size // _ROOM_STEP) * _ROOM_STEP
        free = self._free.get(room)
        if free:
            return free.pop(), room
        place, self.end = self.end, self.end + room
        return place, room

    def _write(self, packed: bytes, place: int) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="relief-decide-", buffering=0)  # noqa: SIM115 - closed by close
            rest = memoryview(packed)
            while rest:
                written = os.pwrite(self._file.fileno(), rest, place)
                rest, place = rest[written:], place + written
        except OSError as error:
            raise CommandError(
                f"What the file tells cannot be kept in {gettempdir()} ({error.strerror}, after "
                f"{self.end / 1e6:.0f} MB); set TMPDIR to a directory with more room."
            ) from None
