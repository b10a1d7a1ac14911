"""One reconciliation from first look to last: fix where everything ends, read it once, look again at what differs.

Everything goes through rows in a temporary directory, a file's worth of enterprises at a time. On a system that moves,
what was read first is older than what was read last; so an enterprise in whose books something differs is looked at
again, once all that was there at the start has had time to come through. Its books at payments are then read before and
after the rest: an enterprise that moved in between is left out, and counted.
"""

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiokafka.structs import TopicPartition

from services.cli.conservation import examine
from services.cli.conservation_books import Places, Verdict, View
from services.cli.draining import LEDGER
from services.cli.holdover_run import Holdovers, HoldoverWork
from services.cli.holdover_services import HoldoverBooks
from services.cli.installation import Installation, run
from services.cli.reconcile_logs import LOGS, Record, Rows, Unreadable, bounds, group_places, read_between
from services.cli.reconcile_rows import (
    Buckets,
    Claimed,
    Due,
    Legs,
    Owners,
    Paid,
    Parked,
    Posted,
    Row,
    Said,
    Seen,
    Told,
    read_rows,
)  # fmt: skip
from services.cli.reconcile_sentences import Listing, differ
from services.cli.reconcile_services import Asking, Entry, Page, Services
from services.cli.reconcile_totals import Equation, equations
from services.payments.store.books import EnterpriseBooks
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.2
Phase = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: of money, of holdovers, and the differences of both. `verdict` is over all enterprises compared;
    `again` were looked at twice, `moving` left out.
    """

    verdict: Verdict
    equations: list[Equation]
    differences: Listing
    enterprises: int
    again: int
    moving: int
    holdovers: Holdovers

    @property
    def holds(self) -> bool:
        sums = all(equation.holds for equation in self.equations) and self.holdovers.holds
        return sums and not len(self.differences)


@contextmanager
def reconciled(
    found: Installation, patience: float = PATIENCE_SECONDS, phase: Phase = lambda _: None
) -> Iterator[Report]:
    """The report, whose differences are on disk until the block is left. CommandError where something does not answer.

    `patience`: seconds to wait for what was there at the start to come through, before it counts as a difference.
    """
    asking = Asking(found)
    try:
        with tempfile.TemporaryDirectory(prefix="relief-reconcile-") as name, ExitStack() as closing:
            money, dues = (Path(name) / part for part in ("money", "holdovers"))
            money.mkdir()
            dues.mkdir()
            listing = Listing(Path(name))
            closing.callback(listing.close)
            # Both fix where everything ends before either looks.
            work = _Work(found, Services(asking), money, listing, patience, phase)
            closing.callback(work.close)
            holdovers = HoldoverWork(found.kafka, HoldoverBooks(asking), dues, listing, patience, phase)
            yield work.report(holdovers.report())
    finally:
        asking.close()


class _Work:
    def __init__(
        self, found: Installation, services: Services, directory: Path, listing: Listing, patience: float, phase: Phase
    ) -> None:
        self._kafka, self._services, self._patience, self._phase = found.kafka, services, patience, phase
        spans = run(bounds(self._kafka, LOGS))
        self._read_to = {log: begin for log, (begin, _) in spans.items()}
        self._ends = {log: end for log, (_, end) in spans.items()}
        # Payments holds about as many rows as were decided, and the ledger as many as were told.
        self._buckets = Buckets(directory, 2 * sum(end - begin for begin, end in spans.values()), read_rows)
        self._owners, self._legs, self._listing = Owners(directory), Legs(), listing
        self._rows = Rows(self._legs)
        self._looks: list[Places] = []
        self._told, self._relayed = 0, 0
        self._posted_to = 0
        self._sides: Counter[tuple[str, str]] = Counter()

    def close(self) -> None:
        self._owners.close()

    def report(self, holdovers: Holdovers) -> Report:
        self._phase("reading the books of payments")
        for page in self._services.all_books():
            self._look(page)
        self._read_logs_and_ledger()
        self._phase("comparing")
        verdict, view, suspects, enterprises = Verdict(), self._view(), set[str](), 0
        for uscc, rows in self._enterprises(range(self._buckets.count)):
            enterprises += uscc != ""
            of = examine(uscc, rows, view)
            if of.differences:
                suspects.add(uscc)
            else:
                verdict.add(of)
        moving = self._look_again(suspects, verdict) if suspects else set()
        self._compare_accounts()
        return Report(
            verdict, equations(verdict.sums), self._listing, enterprises, len(suspects), len(moving), holdovers
        )

    def _look_again(self, suspects: set[str], verdict: Verdict) -> set[str]:
        """Add what is found of the suspects, and give those that moved meanwhile."""
        self._phase(f"looking again at {len(suspects):,} enterprises")
        named = sorted(suspects - {""})
        self._wait(self._payments_has_read_all)
        before = {uscc: digest for page in self._services.books(named) for uscc, digest in self._look(page)}
        told = self._told
        self._wait(lambda: self._services.payments_now().events_relayed >= told)
        self._read_logs_and_ledger(patiently=True)
        moving = set()
        for page in self._services.books(named):
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

    def _payments_has_read_all(self) -> bool:
        now = self._services.payments_now()
        places = {TopicPartition(one.topic, one.partition): one.next_offset for one in now.places}
        return all(places.get(log, 0) >= end for log, end in self._ends.items() if log.topic in (DECISIONS, COMMANDS))

    def _ledger_has_read(self, ends: Places) -> bool:
        places = run(group_places(self._kafka, LEDGER))
        ours = (LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
        return all(places.get(log, 0) >= end for log, end in ends.items() if log.topic in ours)

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience
        while not until() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _view(self) -> View:
        ledger = run(group_places(self._kafka, LEDGER))
        return View(self._ends, self._looks, self._told - self._relayed, ledger, self._legs)

    def _look(self, page: Page) -> list[tuple[str, bytes]]:
        """Keep what payments holds; each enterprise with a digest that recognises it."""
        self._note(page)
        look = len(self._looks)
        self._looks.append({TopicPartition(one.topic, one.partition): one.next_offset for one in page.places})
        for one in page.enterprises:
            self._keep(one, look)
        return [(one.uscc, _digest(one)) for one in page.enterprises]

    def _note(self, page: Page) -> None:
        self._told, self._relayed = page.events_told, page.events_relayed

    def _keep(self, one: EnterpriseBooks, look: int) -> None:
        uscc, add = one.uscc, self._buckets.add
        add(Seen(uscc, look))
        for waived in one.exemptions:
            add(Due(uscc, "exemption", waived.key, waived.revision, waived.amount_fen))
        for due in one.refunds:
            add(Due(uscc, due.measure, due.key, due.revision, due.amount_fen))
        for paid in one.payments:
            self._owners.add(paid.payment_id, uscc)
            add(
                Paid(
                    uscc, paid.measure, paid.key, paid.payment_id, paid.amount_fen, paid.state, paid.held_for,
                    paid.submitted, paid.clawed_fen,
                )
            )  # fmt: skip
        for claim in one.clawbacks:
            self._owners.add(claim.clawback_id, uscc)
            receipts = tuple((receipt.bank_reference, receipt.amount_fen) for receipt in claim.receipts)
            add(
                Claimed(
                    uscc, claim.payment_id, claim.clawback_id, claim.amount_fen, claim.settled_fen,
                    claim.written_off_fen, receipts,
                )
            )  # fmt: skip

    def _read_logs_and_ledger(self, *, patiently: bool = False) -> None:
        """All that came since the last time. `patiently`: give the ledger time to read what there is."""
        ends = {log: end for log, (_, end) in run(bounds(self._kafka, LOGS)).items()}
        spans = {log: (self._read_to[log], end) for log, end in ends.items()}
        # The bank's words last: they name a payment, and the others say whose it is.
        for names in ((DECISIONS,), (LEDGER_EXEMPTIONS, LEDGER_REFUNDS), (COMMANDS,)):
            self._phase(f"reading {' and '.join(names)}")
            some = {log: span for log, span in spans.items() if log.topic in names}
            run(read_between(self._kafka, some, self._take))
        self._read_to = ends
        for word in self._services.parked():
            if word.topic == COMMANDS:
                self._buckets.add(Parked(self._owners.of(word.subject) or "", word.partition, word.offset))
        if patiently:
            self._wait(lambda: self._ledger_has_read(ends))
        self._phase("reading the ledger")
        last = self._services.balance().at_seq
        for postings in self._services.postings(self._posted_to, last):
            for entry in postings:
                self._post(entry)
        self._posted_to = last

    def _take(self, record: Record) -> None:
        try:
            row = self._rows.row(record)
        except Unreadable as error:
            log, key = f"{record.topic}/{record.partition}", (record.key or b"?").decode(errors="replace")
            self._listing.add(
                differ("unreadable", key, "?", "?", 0, 0, offset=record.offset, log=log, error=str(error))
            )
            return
        if isinstance(row, Told):
            for identity in (row.payment_id, row.clawback_id):
                if identity:
                    self._owners.add(identity, row.uscc)
        elif isinstance(row, Said):
            row = msgspec.structs.replace(row, uscc=self._owners.of(row.subject) or "")
        if row is not None:
            self._buckets.add(row)

    def _post(self, entry: Entry) -> None:
        legs, step = self._legs.number(entry.debit, entry.credit), entry.type.split(".")[2]
        self._sides[entry.debit, "debit"] += entry.amount_fen
        self._sides[entry.credit, "credit"] += entry.amount_fen
        self._buckets.add(Posted(entry.uscc, entry.event_id, step, entry.amount_fen, legs, entry.seq))

    def _compare_accounts(self) -> None:
        """The ledger's own sums against its postings, up to the last one read."""
        balance = self._services.balance(self._posted_to)
        sums = Counter[tuple[str, str]]()
        for one in balance.accounts:
            sums.update({(one.account, "debit"): one.debit_fen, (one.account, "credit"): one.credit_fen})
        for account, side in sorted(self._sides.keys() | sums.keys()):
            expected, found = self._sides[account, side], sums[account, side]
            if expected != found:
                self._listing.add(
                    differ("account_differs", "*", "*", side, expected, found, account, seq=self._posted_to)
                )


def _digest(one: EnterpriseBooks) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(one), digest_size=12).digest()
