"""One enterprise's books side by side, when they were read, and what comparing them found."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka.structs import TopicPartition

from services.cli.reconcile_rows import Claimed, Decided, Due, Legs, Paid, Parked, Posted, Row, Said, Seen, Told
from services.cli.reconcile_sentences import Difference

EXEMPTION: Final = "exemption"
REFUNDS: Final = ("refund", "contribution_return")
MONEY: Final = frozenset({EXEMPTION, *REFUNDS})
WITH_BANK: Final = frozenset({"submitted", "unknown"})
PENDING: Final = frozenset({"authorised", "held", "batched", "approved"})

Key = tuple[str, str]  # (measure, key) of one enterprise
Places = Mapping[TopicPartition, int]  # next offsets


@dataclass(frozen=True, slots=True)
class View:
    """When everything was read.

    `ends`: where the logs ended before the first look at payments; what is below has to have come through. `looks`: how
    far payments had read at each look at its books. `backlog`: events that it still had to publish, and `ledger`: how
    far the ledger had read, both at the end.
    """

    ends: Places
    looks: list[Places]
    backlog: int
    ledger: Places
    legs: Legs

    def place(self, look: int | None, log: TopicPartition) -> int:
        """How far payments had read at that look; None: an enterprise that it does not know, at the last one."""
        return self.looks[-1 if look is None else look].get(log, 0)

    def counts(self, look: int | None, log: TopicPartition, offset: int) -> bool:
        """Whether a record has to be in the books as they were at that look."""
        return offset < self.ends.get(log, 0) or (look is not None and offset < self.place(look, log))


@dataclass(slots=True)
class Verdict:
    """What was found. `sums`: fen by (measure, term); `explained`: [number, fen] by (measure, reason), which may differ
    for good reason; `decided`: decisions by (measure, outcome); `events`: by type, each id once.
    """

    differences: list[Difference] = field(default_factory=list)
    sums: Counter[tuple[str, str]] = field(default_factory=Counter)
    explained: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    repeats: int = 0

    def explain(self, measure: str, reason: str, fen: int) -> None:
        of = self.explained[measure, reason]
        of[0] += 1
        of[1] += fen

    def add(self, other: "Verdict") -> None:
        """All but its differences."""
        self.sums.update(other.sums)
        self.decided.update(other.decided)
        self.events.update(other.events)
        self.repeats += other.repeats
        for key, (count, fen) in other.explained.items():
            self.explained[key][0] += count
            self.explained[key][1] += fen


@dataclass(slots=True)
class Books:
    """One enterprise's rows, sorted out. What payments held at an earlier look is dropped."""

    uscc: str
    decided: dict[Key, list[Decided]] = field(default_factory=lambda: defaultdict(list))
    told: list[Told] = field(default_factory=list)
    look: int | None = None
    due: dict[Key, Due] = field(default_factory=dict)
    paid: dict[str, Paid] = field(default_factory=dict)
    claimed: dict[str, Claimed] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    said: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    parked: set[tuple[int, int]] = field(default_factory=set)

    def held(self) -> tuple[object, ...]:
        """What payments holds, to compare two looks."""
        return self.due, self.paid, self.claimed

    def add(self, row: Row) -> None:
        match row:
            case Decided():
                self.decided[row.measure, row.key].append(row)
            case Told():
                self.told.append(row)
            case Posted():
                self.posted.append(row)
            case Due():
                self.due[row.measure, row.key] = row
            case Paid():
                self.paid[row.payment_id] = row
            case Claimed():
                self.claimed[row.clawback_id] = row
            case Said():
                self.said[row.subject].append(row)
            case Parked():
                self.parked.add((row.partition, row.offset))
            case Seen():
                self.look, self.due, self.paid, self.claimed = row.look, {}, {}, {}


def sort_out(uscc: str, rows: Iterable[Row]) -> Books:
    """The books that one enterprise's rows make."""
    books = Books(uscc)
    for row in rows:
        books.add(row)
    return books
