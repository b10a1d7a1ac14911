"""The demo's suppliers: the deferred sums are repaid month by month, and what both sides' books say is compared."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aiokafka.structs import TopicPartition
from rich.table import Table

from services.cli.draining import drained
from services.cli.installation import Installation, run
from services.cli.log import send
from services.cli.reconcile_logs import Record, bounds, read_between
from services.cli.terminal import out
from services.simulator.manifest import Manifest, accepted_lines
from services.simulator.records import RawRecord
from services.simulator.utilities import Utilities
from services.simulator.utilities_books import Books
from shared.contracts.topics import FACTS, ORDERS, UTILITY
from shared.money import yuan
from shared.streaming.kafka_access import KafkaAccess

# The dates of the instalments, when each is announced, and for how long it may still be paid: of the pack in force
# and of holdover's setting.
_DUE_ON: Final = (*(date(2020, month + 1, 1) - timedelta(1) for month in range(7, 12)), date(2020, 12, 31))
_REMIND_DAYS, _GRACE_DAYS = 7, 15
# After the last grace, what was paid in time and told late.
_CURE_DAYS = 5
# Intake takes a day's payments in far less.
_FACTS_SECONDS = 10.0
# Of these a supplier knows the sums: nothing else is deferred, or was to the end.
_IN_FORCE: Final = ("open", "repaying")
_COUNTED: Final = (*_IN_FORCE, "completed", "defaulted")
_FEN: Final = ("bills_fen", "paid_fen", "open_fen", "surplus_fen")


def days_that_matter(after: date) -> list[date]:
    """The days on which an instalment is announced, is overdue or is in default, and one for the last cures: what
    comes between is told with the next of them.
    """
    found = {due_on - timedelta(_REMIND_DAYS) for due_on in _DUE_ON}
    found |= {due_on + timedelta(1) for due_on in _DUE_ON}
    found |= {due_on + timedelta(_GRACE_DAYS + 1) for due_on in _DUE_ON}
    found.add(max(found) + timedelta(_CURE_DAYS))
    return sorted(day for day in found if day > after)


@dataclass(frozen=True, slots=True)
class Held:
    """What one demo came to: by utility, and in `wrong` one sentence for each thing that should not be."""

    by_utility: dict[str, dict[str, Any]]
    protected_once: int
    cut: int
    reconnected: int
    cut_while_protected: int
    wrong: list[str]

    @property
    def holds(self) -> bool:
        return not self.wrong

    def as_document(self) -> dict[str, Any]:
        return asdict(self) | {"agree": self.holds}


@dataclass
class Suppliers:
    """All suppliers of one demo; `read` takes what was told on the orders topic since it was last called."""

    found: Installation
    seed: int
    utilities: Utilities = field(init=False)
    places: dict[TopicPartition, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.utilities = Utilities(self.seed)

    def know(self, directory: Path, manifest: Manifest) -> None:
        """What they sent with the region."""
        for line in accepted_lines(directory, UTILITY, manifest):
            self.utilities.books.sent(json.loads(line))

    def send(self, before: date) -> int:
        """Tell what happened before a day, so that the day may start: how many records."""
        records = self.utilities.day(before)
        if records:
            run(self._send(records))
        return len(records)

    async def _send(self, records: list[RawRecord]) -> None:
        """Until they are facts: intake puts a day behind them in every partition, so nobody else is waited for."""
        kafka = self.found.kafka
        goal = await _facts(kafka) + len(records)
        await send(kafka, UTILITY, records, lambda n: None)
        deadline = time.monotonic() + _FACTS_SECONDS
        while await _facts(kafka) < goal:
            if time.monotonic() > deadline:
                await drained(self.found)  # or it says who does not get on
                return

    def read(self) -> None:
        run(self._read())

    async def _read(self) -> None:
        spans = {
            log: (self.places.get(log, first), end)
            for log, (first, end) in (await bounds(self.found.kafka, [ORDERS])).items()
        }
        await read_between(self.found.kafka, spans, self._told)
        self.places = {log: end for log, (_, end) in spans.items()}

    def _told(self, record: Record) -> None:
        self.utilities.books.told(json.loads(record.value or b""))

    def held(self) -> Held:
        return compared(self.found.get("holdover", "/v1/totals"), self.utilities.books)


async def _facts(kafka: KafkaAccess) -> int:
    """How many records the facts have."""
    return sum(end for _, end in (await bounds(kafka, [FACTS])).values())


def compared(totals: Mapping[str, Any], books: Books) -> Held:
    """Holdover's `/v1/totals` against what the suppliers add up themselves."""
    by_utility = _served(totals)
    sums = books.sums()
    wrong: list[str] = []
    for utility in sorted(by_utility.keys() | sums.keys()):
        theirs = asdict(sums[utility]) if utility in sums else {}
        mine = by_utility.setdefault(utility, _nothing())
        wrong += _differences(utility, mine, theirs)
        for name in ("withdrawn", "cured", "ever_protected"):
            mine[name] = theirs.get(name, 0)
    if books.cut_while_protected:
        wrong.append(f"{books.cut_while_protected} supplies were cut while an order protected them.")
    if books.told_beyond_paid:
        wrong.append(f"{books.told_beyond_paid} times more was told to be paid than a payment had.")
    if unanswered := books.unanswered():
        wrong.append(f"{len(unanswered)} requests to cut a supply have no answer, {min(unanswered)} among them.")
    return Held(
        by_utility, len(books.ever_protected), len(books.cut), books.reconnected, books.cut_while_protected, wrong
    )


def _nothing() -> dict[str, Any]:
    counts = ("in_force", "completed", "defaulted", "protected", "refused", "allowed")
    return {"states": {}, **dict.fromkeys((*counts, *_FEN), 0)}


def _served(totals: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in totals["accounts"]:
        mine = found.setdefault(row["utility"], _nothing())
        mine["states"][row["state"]] = row["accounts"]
        mine["protected"] += row["protected"]
        if row["state"] in _COUNTED:
            mine["in_force" if row["state"] in _IN_FORCE else row["state"]] += row["accounts"]
            for name in _FEN:
                mine[name] += row[name]
    for row in totals["answers"]:
        found.setdefault(row["utility"], _nothing())[row["answer"]] += row["requests"]
    return dict(sorted(found.items()))


def _differences(utility: str, mine: Mapping[str, Any], theirs: Mapping[str, int]) -> Iterable[str]:
    for name in ("in_force", "completed", "defaulted", "protected", "refused", "allowed", *_FEN):
        if mine[name] != theirs.get(name, 0):
            shown = [yuan(one) if name in _FEN else f"{one:,}" for one in (mine[name], theirs.get(name, 0))]
            words = name.removesuffix("_fen").replace("_", " ")
            yield f"{utility}, {words}: holdover has {shown[0]}, the suppliers' books {shown[1]}."


def print_held(held: Held) -> None:
    """For eyes."""
    table = Table("utility", "in force", "repaid", "in default", "taken back", "cured", "protected")
    table.title = "Dues deferred"
    for utility, mine in held.by_utility.items():
        names = ("in_force", "completed", "defaulted", "withdrawn", "cured", "ever_protected")
        table.add_row(utility, *(f"{mine[name]:,}" for name in names))
    out.print(table)
    table = Table("utility", "deferred CNY", "repaid CNY", "open CNY", "surplus CNY", title="Sums deferred")
    total: Counter[str] = Counter()
    for utility, mine in held.by_utility.items():
        table.add_row(utility, *(yuan(mine[name]) for name in _FEN))
        total.update({name: mine[name] for name in _FEN})
    table.add_row("all", *(yuan(total[name]) for name in _FEN))
    out.print(table)
    table = Table("utility", "refused", "allowed", title="Requests to cut a supply")
    for utility, mine in held.by_utility.items():
        table.add_row(utility, f"{mine['refused']:,}", f"{mine['allowed']:,}")
    out.print(table)
    out.print(
        f"{held.protected_once:,} supplies were protected. {held.cut:,} are cut, {held.reconnected:,} were cut and are "
        f"on again, {held.cut_while_protected:,} were cut while protected."
    )
    for sentence in held.wrong:
        out.print(sentence, style="bold red", markup=False, highlight=False)
    if held.holds:
        out.print("The suppliers' own books agree with holdover to the fen.")
