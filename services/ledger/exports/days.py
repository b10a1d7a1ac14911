"""From the ledger's order to the order of days, on disk: partitions start a day one after another, so the ledger's own
dates go back and forth, and a journal for other programs may not.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.ledger.domain.chain import Entry

_BUFFERED = 20_000


class Booked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an export for other programs tells of a posting; not whose it is."""

    seq: int
    event_id: str
    type: str
    debit: str
    credit: str
    amount_fen: int


class Days:
    """Postings by day of booking, in the ledger's order within a day. One file per day in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting: dict[str, list[bytes]] = defaultdict(list)
        self._count = 0
        self._days: set[str] = set()
        self._encode = msgspec.json.Encoder().encode

    def add(self, entry: Entry) -> None:
        """Keep a posting; they come in the ledger's order."""
        booked = Booked(entry.seq, entry.event_id, entry.type, entry.debit, entry.credit, entry.amount_fen)
        self._waiting[entry.booked_on].append(self._encode(booked))
        self._count += 1
        if self._count >= _BUFFERED:
            self._write()

    def __iter__(self) -> Iterator[tuple[str, Iterator[Booked]]]:
        """Each day (YYYY-MM-DD) with its postings, to be taken before the next day is."""
        self._write()
        for day in sorted(self._days):
            yield day, self._read(day)

    def _write(self) -> None:
        for day, lines in self._waiting.items():
            with (self._directory / day).open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
        self._days |= self._waiting.keys()
        self._waiting.clear()
        self._count = 0

    def _read(self, day: str) -> Iterator[Booked]:
        decode = msgspec.json.Decoder(Booked).decode
        with (self._directory / day).open("rb") as file:
            for line in file:
                yield decode(line)
