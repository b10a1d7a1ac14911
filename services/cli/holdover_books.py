"""One enterprise's dues as the logs and holdover say, when they were read, and what comparing them found."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka.structs import TopicPartition

from services.cli.holdover_rows import (
    AppliedFact,
    BillFact,
    Fact,
    OrderTold,
    PaymentFact,
    RequestFact,
    Row,
    Ruled,
    Seen,
    WithdrawnFact,
)  # fmt: skip
from services.cli.reconcile_sentences import Difference
from services.holdover.store.books import AccountBooked, ApplicationBooked, EnterpriseBooks

Places = Mapping[TopicPartition, int]  # next offsets
F = TypeVar("F", BillFact, PaymentFact, AppliedFact, WithdrawnFact, RequestFact, Ruled)
IN_FORCE = frozenset({"open", "repaying"})
REPAID_IN_PARTS = frozenset({"repaying", "completed", "defaulted"})
WITHOUT_SUPPLY = "provident_fund"


@dataclass(frozen=True, slots=True)
class View:
    """When everything was read.

    `ends`: where the logs ended before the first look at holdover; what is below has to have come through. `looks`: how
    far holdover had read at each look at its books. `backlog`: events that it still had to publish.
    """

    ends: Places
    looks: Sequence[Places]
    backlog: int

    def place(self, look: int | None, log: TopicPartition) -> int:
        """How far holdover had read at that look; None: an enterprise that it does not know, at the last one."""
        return self.looks[-1 if look is None else look].get(log, 0)


@dataclass(slots=True)
class Verdict:
    """What was found. `sums`: fen by (utility, term); `suppliers`: by (utility, supplier, term); `counts`: numbers by
    (what, of which, how it stands); `explained`: [number, fen] by reason, which may wait for good reason; `events`: by
    kind, each id once.
    """

    differences: list[Difference] = field(default_factory=list)
    sums: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppliers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    explained: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    events: Counter[str] = field(default_factory=Counter)
    repeats: int = 0

    def explain(self, reason: str, fen: int) -> None:
        of = self.explained[reason]
        of[0] += 1
        of[1] += fen

    def add(self, other: "Verdict") -> None:
        """All but its differences."""
        self.sums.update(other.sums)
        self.suppliers.update(other.suppliers)
        self.counts.update(other.counts)
        self.events.update(other.events)
        self.repeats += other.repeats
        for reason, (count, fen) in other.explained.items():
            self.explained[reason][0] += count
            self.explained[reason][1] += fen


@dataclass(slots=True)
class Books:
    """One enterprise's rows, sorted out. What holdover held at an earlier look is dropped."""

    uscc: str
    look: int | None = None
    held: EnterpriseBooks = field(init=False)
    facts: list[Fact] = field(default_factory=list)
    told: list[OrderTold] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = EnterpriseBooks(self.uscc)

    @property
    def accounts(self) -> dict[str, AccountBooked]:
        return {one.holdover_id: one for one in self.held.accounts}

    def granted(self, utility: str) -> set[str]:
        """The applications that ask to defer this due, and are granted to holdover."""
        return {one.application_id for one in self._asking(utility) if one.outcome == "granted"}

    def asked(self, utility: str) -> bool:
        """Whether any application asks to defer this due."""
        return bool(self._asking(utility))

    def _asking(self, utility: str) -> list[ApplicationBooked]:
        return [one for one in self.held.applications if utility in (one.utilities or ())]

    def of_kind(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def add(self, row: Row) -> None:
        match row:
            case Seen():
                self.look, self.held = row.look, row.books
            case OrderTold():
                self.told.append(row)
            case _:
                self.facts.append(row)


@dataclass(frozen=True, slots=True)
class Known:
    """What holdover had taken at the look, by id: of bills and decisions what counts, of all else the first."""

    bills: dict[str, BillFact] = field(default_factory=dict)
    payments: dict[str, PaymentFact] = field(default_factory=dict)
    applied: dict[str, AppliedFact] = field(default_factory=dict)
    withdrawn: dict[str, WithdrawnFact] = field(default_factory=dict)
    requests: dict[str, RequestFact] = field(default_factory=dict)
    ruled: dict[str, Ruled] = field(default_factory=dict)
    # Every account that a version of a bill, or a request, has named.
    accounts: frozenset[str] = frozenset()

    def paid_fen(self, bill_id: str) -> int:
        return sum(one.amount_fen for one in self.payments.values() if one.bill_id == bill_id)


def sort_out(uscc: str, rows: Iterable[Row]) -> Books:
    """The books that one enterprise's rows make."""
    books = Books(uscc)
    for row in rows:
        books.add(row)
    return books
