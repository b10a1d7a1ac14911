"""How many decisions payments and the ledger carry together, from a backlog in Kafka to posted rows.

    python -m bench.money [--enterprises N] [--seed S]

A stack of its own is started, intake and eligibility decide on a simulated region while payments and ledger stand
still; then both start at once, and the clock runs from the first decision taken to the last row posted. It prints the
rate, the processor time per decision of each process, and whether the money is exact: without that there is no result.
"""

import asyncio
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psycopg
import typer

from bench.measuring import decided, ends, processes, say, say_spent
from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from services.cli.installation import run
from services.cli.log import send
from services.cli.operate import begin
from services.simulator.corruption import Corruption
from services.simulator.records import records
from services.simulator.upstream import write_upstream
from services.simulator.wire import TOPICS
from shared.contracts.topics import DECISIONS

PAIR = ("payments", "ledger")
# So many looks without a change mean that all is posted.
LOOKS = 8
CLEAN = Corruption(late=0.02, repeated=0.01, corrected=0.02, superseded=0.0, malformed=0.0)


def main(
    enterprises: Annotated[int, typer.Option(min=1)] = 3_000,
    seed: Annotated[int, typer.Option()] = 7,
) -> None:
    """Print decisions per second and processor time per decision."""
    with TemporaryDirectory(prefix="relief-bench-") as directory:
        stack = Stack(Path(directory) / "state", prefer_defaults=False)
        stack.up(stay=False)
        try:
            measure(stack, Path(directory), enterprises, seed)
        finally:
            stack.down(wipe=True)


def measure(stack: Stack, directory: Path, enterprises: int, seed: int) -> None:
    environment = stack.environment()
    kafka, postgres = stack.kafka(), environment["RELIEF_POSTGRES_URL"]
    for name in PAIR:
        stack.stop_service(name)
    say(f"Deciding on {enterprises:,} enterprises ...")
    run(begin(kafka, DEFAULT_POLICY_PACK, date(2020, 1, 31)))
    write_upstream(enterprises, seed, directory, CLEAN)
    for topic in TOPICS:
        asyncio.run(send(kafka, topic, records(directory, topic), lambda _: None))
    decided(kafka)
    told = asyncio.run(ends(kafka, DECISIONS))
    before = processes()
    for name in PAIR:
        stack.start_service(name)
    began, ended, events = carried(postgres, told)
    spent = processes()
    main = "from services.cli.app import main; main()"
    reconcile = [sys.executable, "-c", main, "reconcile", "--state", str(stack.state)]
    exact = subprocess.run(reconcile, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if exact.returncode != 0:
        raise SystemExit(f"The money is not exact, so there is no result.\n{exact.stdout}{exact.stderr}")
    seconds = ended - began
    say(f"{told:,} decisions, {events:,} ledger events in {seconds:.1f} s: {told / seconds:,.0f} decisions/s")
    say_spent(before, spent, told, "decision")
    say("The money is exact: `relief reconcile` finds no difference.")


def carried(postgres: str, decided: int) -> tuple[float, float, int]:
    """When the first decision was taken and the last row posted, on the monotonic clock, and how many rows that was."""
    began = ended = time.monotonic()
    last, still = -1, 0
    with psycopg.connect(postgres, autocommit=True) as db:
        while True:
            row = db.execute(
                "SELECT (SELECT coalesce(sum(next_offset), 0) FROM payments.inbox WHERE topic = 'relief.decisions.v1'),"
                " (SELECT last FROM payments.outbox_counter), (SELECT last FROM ledger.posting_counter)"
            ).fetchone()
            assert row is not None
            taken, told, posted = (int(value) for value in row)
            now = time.monotonic()
            if taken == 0:
                began = now
            if posted != last:
                last, still, ended = posted, 0, now
            elif taken >= decided and told == posted:
                still += 1
                if still > LOOKS:
                    return began, ended, posted
            time.sleep(0.05)


if __name__ == "__main__":
    typer.run(main)
