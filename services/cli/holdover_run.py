"""Holdovers reconciled from first look to last, as money is: read once, and again what differs.

The books are read before the logs, and say how far holdover had read the logs by then: what it must hold is exactly
what is below. Only what it told, and what days bring, can be older in the books than in the topic. So an enterprise in
which something differs is looked at again once all that was there at the start has come through, and its books are read
before and after the logs: one that moved in between is left out, and counted.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiokafka.structs import TopicPartition

from services.cli.holdover_books import Places, Verdict, View
from services.cli.holdover_compare import examine
from services.cli.holdover_logs import LOGS, Rows
from services.cli.holdover_rows import HoldoverBuckets, Row, Seen, read_rows
from services.cli.holdover_sentences import MEASURE, differ
from services.cli.holdover_services import HoldoverBooks, Page
from services.cli.holdover_totals import equations
from services.cli.installation import run
from services.cli.reconcile_logs import Record, Unreadable, bounds, read_between
from services.cli.reconcile_rows import Buckets
from services.cli.reconcile_sentences import Listing
from services.cli.reconcile_totals import Equation
from services.holdover.store.books import EnterpriseBooks
from shared.contracts.topics import DECISIONS, FACTS, ORDERS
from shared.streaming.kafka_access import KafkaAccess
from shared.uscc import is_valid

POLL_SECONDS = 0.2
# Rows that the logs of a region come to, for each of their records: most are about other measures.
_RECORDS_PER_ROW = 5


@dataclass(frozen=True, slots=True)
class Holdovers:
    """What was found, but for the differences. `again` were looked at twice, `moving` left out."""

    verdict: Verdict
    equations: list[Equation]
    enterprises: int
    again: int
    moving: int

    @property
    def holds(self) -> bool:
        """As far as sums say."""
        return all(equation.holds for equation in self.equations)


class HoldoverWork:
    """One comparison; `directory` is empty, and its own. Differences go to `listing`."""

    def __init__(
        self, kafka: KafkaAccess, books: HoldoverBooks, directory: Path, listing: Listing, patience: float,
        phase: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._kafka, self._books, self._listing = kafka, books, listing
        self._patience, self._phase = patience, phase
        spans = run(bounds(kafka, LOGS))
        self._read_to = {log: begin for log, (begin, _) in spans.items()}
        self._ends = {log: end for log, (_, end) in spans.items()}
        records = sum(end - begin for begin, end in spans.values())
        self._buckets: HoldoverBuckets = Buckets(directory, records // _RECORDS_PER_ROW, read_rows)
        self._rows = Rows()
        self._looks: list[Places] = []
        self._told, self._relayed = 0, 0

    def report(self) -> Holdovers:
        """Raises CommandError."""
        self._phase("reading the books of holdover")
        for page in self._books.everybody():
            self._look(page)
        self._read_logs()
        self._phase("comparing holdovers")
        verdict, view, suspects, enterprises = Verdict(), self._view(), set[str](), 0
        for uscc, rows in self._enterprises(range(self._buckets.count)):
            enterprises += 1
            of = examine(uscc, rows, view)
            if of.differences:
                suspects.add(uscc)
            else:
                verdict.add(of)
        moving = self._look_again(suspects, verdict) if suspects else set()
        return Holdovers(verdict, list(equations(verdict.sums)), enterprises, len(suspects), len(moving))

    def _look_again(self, suspects: set[str], verdict: Verdict) -> set[str]:
        """Add what is found of the suspects, and give those that moved meanwhile."""
        self._phase(f"looking again at the holdovers of {len(suspects):,} enterprises")
        # Nobody but another writer names what is no code; holdover has no books of it.
        named = sorted(uscc for uscc in suspects if is_valid(uscc))
        self._wait(self._has_read_all)
        before = {uscc: digest for page in self._books.named(named) for uscc, digest in self._look(page)}
        told = self._told
        self._wait(lambda: self._books.now().events_relayed >= told)
        self._read_logs()
        moving = set()
        for page in self._books.named(named):
            self._note(page)
            moving |= {one.uscc for one in page.enterprises if _digest(one) != before[one.uscc]}
        view = self._view()
        for uscc, rows in self._enterprises(sorted({self._buckets.number(uscc) for uscc in suspects})):
            if uscc in suspects and uscc not in moving:
                of = examine(uscc, rows, view)
                verdict.add(of)
                for difference in of.differences:
                    self._listing.add(difference)
        return moving

    def _enterprises(self, numbers: Iterable[int]) -> Iterator[tuple[str, list[Row]]]:
        for number in numbers:
            yield from self._buckets.enterprises(number)

    def _has_read_all(self) -> bool:
        places = {TopicPartition(one.topic, one.partition): one.next_offset for one in self._books.now().places}
        return all(places.get(log, 0) >= end for log, end in self._ends.items() if log.topic in (FACTS, DECISIONS))

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience
        while not until() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _view(self) -> View:
        return View(self._ends, self._looks, self._told - self._relayed)

    def _look(self, page: Page) -> list[tuple[str, bytes]]:
        """Keep what holdover holds; each enterprise with a digest that recognises it."""
        self._note(page)
        look = len(self._looks)
        self._looks.append({TopicPartition(one.topic, one.partition): one.next_offset for one in page.places})
        for one in page.enterprises:
            self._buckets.add(Seen(one.uscc, look, one))
        return [(one.uscc, _digest(one)) for one in page.enterprises]

    def _note(self, page: Page) -> None:
        self._told, self._relayed = page.events_told, page.events_relayed

    def _read_logs(self) -> None:
        """All that came since the last time."""
        ends = {log: end for log, (_, end) in run(bounds(self._kafka, LOGS)).items()}
        for name in LOGS:
            self._phase(f"reading {name} for holdovers")
            spans = {log: (self._read_to[log], end) for log, end in ends.items() if log.topic == name}
            run(read_between(self._kafka, spans, self._take))
        self._read_to = ends

    def _take(self, record: Record) -> None:
        try:
            row = self._rows.row(record)
        except Unreadable as error:
            # What cannot be read among the decisions is listed with those on money.
            if record.topic in (FACTS, ORDERS):
                self._list_unreadable(record, error)
            return
        if row is not None:
            self._buckets.add(row)

    def _list_unreadable(self, record: Record, error: Unreadable) -> None:
        log, key = f"{record.topic}/{record.partition}", (record.key or b"?").decode(errors="replace")
        self._listing.add(differ("unreadable", key, MEASURE, offset=record.offset, log=log, error=str(error)))


def _digest(one: EnterpriseBooks) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(one), digest_size=12).digest()
