"""`relief demo`: a synthetic region through every service on real servers, and the proof that its money balances."""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.local.errors import StackError
from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from services.cli.demo_money import PATIENCE_DAYS, Office, days_after
from services.cli.demo_utilities import Held, Suppliers, days_that_matter, print_held
from services.cli.draining import drained
from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation, run
from services.cli.log import read, send
from services.cli.operate import begin, operate
from services.cli.reconcile import as_document, print_report, print_with_differences
from services.cli.reconcile_run import Report, reconciled
from services.cli.terminal import CommandError, bar, err, out, sentence_on_failure
from services.cli.upstream import write_region
from services.intake.operations import day_started
from services.simulator.manifest import Manifest, read_manifest
from services.simulator.records import RawRecord, records
from shared.calendar import SHANGHAI
from shared.contracts.registry import decoder
from shared.contracts.topics import REJECTED, UPSTREAM
from shared.money import yuan

# Before the window, then its months; a day starts once everything before it has drained.
FIRST_DAY = date(2020, 1, 31)
DAYS = (date(2020, 2, 1), date(2020, 3, 1), date(2020, 4, 1), date(2020, 5, 1), date(2020, 6, 1), date(2020, 7, 1))
LAST_DAY = date(2020, 7, 31)
# Marks a state directory as a demo's, which the next demo may wipe.
MARKER = "demo.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one demo showed; seconds are of the run, from the first record sent to the last posting."""

    report: Report
    rejected: Counter[str]
    expected_rejected: dict[str, int]
    accounts: list[dict[str, Any]]
    held: Held
    records: int
    seconds: float

    @property
    def holds(self) -> bool:
        return self.report.holds and self.held.holds and dict(self.rejected) == self.expected_rejected


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


@sentence_on_failure
def demo(
    enterprises: Annotated[int, typer.Option(min=1, help="how many enterprises the region has")] = 2000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same region")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="leave the stack up afterwards, to look around")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Run a region's relief on real servers, from upstream events to balanced money; exit 0 only if it balances."""
    stack = Stack(state)
    _clear(stack)
    stack.state.mkdir(parents=True, exist_ok=True)
    (stack.state / MARKER).write_text(json.dumps({"enterprises": enterprises, "seed": seed}))
    err.print("Starting Kafka, Redis, PostgreSQL and the services ...")
    # Open until it is printed: the report's differences are on disk.
    reporting = ExitStack()
    try:
        with bar("starting") as progress:
            stack.up(
                stay=keep,
                after_ready=_activate,
                report=lambda name, phase: progress.update(progress.task_ids[0], description=f"{name}: {phase}"),
            )
        outcome = _run(installation(state), stack.state, enterprises, seed, reporting)
    except StackError as error:
        raise CommandError(str(error)) from error
    finally:
        if not keep:
            err.print("Stopping the stack ...")
            stack.down()
    with reporting:
        _print(outcome, as_json)
    if keep:
        err.print("The stack is still up: try `relief status`, `relief trace USCC`, `relief reconcile`, `relief down`.")
    if not outcome.holds:
        raise typer.Exit(1)


def _clear(stack: Stack) -> None:
    """A demo starts empty. What an earlier demo left is wiped; anybody else's data is refused."""
    if (stack.state / MARKER).exists():
        stack.down(wipe=True)
        (stack.state / MARKER).unlink(missing_ok=True)
    elif (stack.state / "stack.json").exists():
        raise CommandError(
            f"{stack.state} holds a stack that is not a demo's. Use `relief demo --state DIR` with another directory, "
            "or delete it with `relief down --wipe`."
        )


def _activate(stack: Stack) -> None:
    pack = stack.environment().get("RELIEF_POLICY_PACK", DEFAULT_POLICY_PACK)
    # In a thread: `up` may be called from a program with an event loop of its own.
    run(begin(stack.kafka(), pack, FIRST_DAY))


def _run(found: Installation, state: Path, enterprises: int, seed: int, reporting: ExitStack) -> Outcome:
    directory = Path(tempfile.mkdtemp(prefix="relief-demo-"))
    try:
        write_region(enterprises, seed, directory)
        manifest = read_manifest(directory)
        started = time.monotonic()
        office = Office(found, state, seed)
        office.open()
        suppliers = Suppliers(found, seed)
        suppliers.know(directory, manifest)
        sent = run(_stream(found, directory, manifest, office))
        sent += _go_on(found, office, suppliers)
        seconds = time.monotonic() - started
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    with bar("checking conservation"):
        report = reporting.enter_context(reconciled(found))
        rejected = run(_rejected(found))
    accounts = found.get("ledger", "/v1/trial-balance")["accounts"]
    held = suppliers.held()
    expected = dict(sorted(manifest.rejected.items()))
    return Outcome(report, rejected, expected, accounts, held, sent, seconds)


def _go_on(found: Installation, office: Office, suppliers: Suppliers) -> int:
    """Until the bank has answered for every payment, and the deferred sums are repaid or in default; records sent."""
    paying, repaying = days_after(LAST_DAY), days_that_matter(LAST_DAY)
    sent = 0
    suppliers.read()
    with bar("paying and repaying") as progress:
        for day in sorted({*paying, *repaying}):
            if day not in paying and day not in repaying:
                continue
            progress.update(progress.task_ids[0], description=f"paying and repaying, {day}")
            if day in repaying:
                sent += suppliers.send(day)
            run(operate(found.kafka, [day_started(day, datetime.now(SHANGHAI))]))
            run(drained(found))
            if day in repaying:
                suppliers.read()
            if day in paying:
                if day >= paying[PATIENCE_DAYS]:
                    office.break_silence(day)
                office.day(day)
                if office.under_way() == 0:
                    paying = []
    return sent


async def _stream(found: Installation, directory: Path, manifest: Manifest, office: Office) -> int:
    """Send the region month by month, in order of arrival, and let each month drain before the next day starts."""
    sources = {topic: _Arrivals(records(directory, topic)) for topic in UPSTREAM}
    total = sum(manifest.lines.values()) + sum(manifest.raw_records.values())
    sent = 0
    with bar("streaming the region", total) as progress:
        for day in (*DAYS, LAST_DAY, None):
            if day is not None:
                progress.update(progress.task_ids[0], description=f"streaming up to {day}")
            for topic, source in sources.items():
                sent += await send(
                    found.kafka, topic, source.before(day), lambda n: progress.advance(progress.task_ids[0], n)
                )
            await drained(found)
            if day is not None:
                await operate(found.kafka, [day_started(day, datetime.now(SHANGHAI))])
                await drained(found)
                await asyncio.to_thread(office.day, day)
        await drained(found)
    return sent


class _Arrivals:
    """One topic's records in order of arrival, cut at days: a late record comes when it came, whatever its own time."""

    def __init__(self, source: Iterator[RawRecord]) -> None:
        self._source = source
        self._next = next(source, None)

    def before(self, day: date | None) -> Iterator[RawRecord]:
        """Up to the first record of `day` or later; None: all the rest."""
        end = None if day is None else datetime.combine(day, datetime.min.time(), SHANGHAI).timestamp() * 1000
        while self._next is not None and (end is None or self._next.time_ms < end):
            yield self._next
            self._next = next(self._source, None)


async def _rejected(found: Installation) -> Counter[str]:
    adapter, seen = decoder(REJECTED), set()
    rejected: Counter[str] = Counter()
    async for record in read(found.kafka, REJECTED):
        event = adapter.validate_json(record.value or b"")
        if event.id not in seen:
            seen.add(event.id)
            rejected[event.data.code] += 1
    return rejected


def _print(outcome: Outcome, as_json: bool) -> None:
    rate = outcome.records / outcome.seconds
    if as_json:
        document = as_document(outcome.report)
        document |= {
            "holds": outcome.holds,
            "records": outcome.records,
            "seconds": round(outcome.seconds, 1),
            "rejected": dict(sorted(outcome.rejected.items())),
            "corrupted": outcome.expected_rejected,
            "accounts": outcome.accounts,
            "suppliers": outcome.held.as_document(),
        }
        print_with_differences(document, outcome.report.differences)
        return
    out.print(
        f"{outcome.records:,} records in {timedelta(seconds=round(outcome.seconds))}, {rate:,.0f} a second, "
        "with a stop at each month's end and each day of repayment."
    )
    table = Table("account", "debit CNY", "credit CNY", "balance CNY", title="Ledger")
    for account in outcome.accounts:
        amounts = (account["debit_fen"], account["credit_fen"], account["balance_fen"])
        table.add_row(account["account"], *(yuan(amount) for amount in amounts))
    out.print(table)
    table = Table("code", "rejected", "corrupted by the simulator", title="Rejected")
    for code in sorted(outcome.rejected.keys() | outcome.expected_rejected):
        table.add_row(code, str(outcome.rejected[code]), str(outcome.expected_rejected.get(code, 0)))
    out.print(table)
    if dict(outcome.rejected) != outcome.expected_rejected:
        out.print("Rejected and corrupted records differ.", style="bold red")
    print_held(outcome.held)
    print_report(outcome.report)
