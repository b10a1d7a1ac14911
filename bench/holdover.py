"""How many bills holdover carries, from a backlog in Kafka to events on the topic of orders.

    python -m bench.holdover [--enterprises N] [--bills N] [--applying SHARE]

A stack of its own is started; intake and eligibility take registrations, applications and bills while holdover stands
still; then it starts, and the clock runs from the first record it takes to the last event that the relay has
published. Every bill of an applicant joins its holdover, and every holdover gets a signed order. It prints the rate and
the processor time per bill of each process, and whether the sums are exact: without that there is no result.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import psycopg
import typer

from bench.measuring import decided, ends, processes, say, say_spent
from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from services.cli.installation import run
from services.cli.log import Line, send
from services.cli.operate import begin
from services.simulator import wire
from shared.contracts.topics import APPLICATIONS, DECISIONS, FACTS, TAX, UTILITY
from shared.uscc import with_check_character

BEGINS, AT = date(2020, 1, 31), "2020-02-20T09:30:00+08:00"
MONTHS = ("2020-02", "2020-03", "2020-04", "2020-05")
_encode = msgspec.json.Encoder().encode


def main(
    enterprises: Annotated[int, typer.Option(min=1)] = 20_000,
    bills: Annotated[int, typer.Option(min=1, help="in all, spread evenly")] = 60_000,
    applying: Annotated[float, typer.Option(min=0, max=1, help="share of enterprises that ask for a holdover")] = 1.0,
) -> None:
    """Print bills per second and processor time per bill."""
    with TemporaryDirectory(prefix="relief-bench-") as directory:
        stack = Stack(Path(directory) / "state", prefer_defaults=False)
        stack.up(stay=False)
        try:
            measure(stack, enterprises, bills, applying)
        finally:
            stack.down(wipe=True)


def measure(stack: Stack, enterprises: int, bills: int, applying: float) -> None:
    environment = stack.environment()
    kafka, postgres = stack.kafka(), environment["RELIEF_POSTGRES_URL"]
    for name in ("holdover", "payments", "ledger"):
        stack.stop_service(name)
    say(f"{bills:,} bills of {enterprises:,} enterprises go through intake and eligibility ...")
    run(begin(kafka, DEFAULT_POLICY_PACK, BEGINS))
    applicants = round(enterprises * applying)
    for topic, facts in (
        (TAX, registrations(enterprises)),
        (APPLICATIONS, applications(applicants)),
        (UTILITY, issued(enterprises, bills)),
    ):
        asyncio.run(send(kafka, topic, map(_line, facts), lambda _: None))
    decided(kafka)
    waiting = asyncio.run(ends(kafka, FACTS)) + asyncio.run(ends(kafka, DECISIONS))
    stack.stop_service("intake")
    stack.stop_service("eligibility")
    before = processes()
    stack.start_service("holdover")
    began, ended, events = carried(postgres, waiting)
    after = processes()
    exact(postgres, enterprises, bills, applicants)
    seconds = ended - began
    say(f"{bills:,} bills, {events:,} events in {seconds:.1f} s: {bills / seconds:,.0f} bills/s")
    say_spent(before, after, bills, "bill")


def registrations(enterprises: int) -> Iterator[wire.Data]:
    for number in range(enterprises):
        yield wire.Registered(
            uscc=uscc(number), name=f"Enterprise {number}", industry="retail", prefecture="650100",
            registered_on="2015-03-02", effective_on="2015-03-02", employees=12, annual_revenue_fen=200_000_000,
            total_assets_fen=100_000_000, payee=None,
        )  # fmt: skip


def applications(applicants: int) -> Iterator[wire.Data]:
    for number in range(applicants):
        yield wire.HoldoverApplied(
            uscc=uscc(number), application_id=f"{number:032x}", utilities=("electricity",), declared_difficulty=True,
            contact="office@example.org", submitted_on="2020-02-10",
        )  # fmt: skip


def issued(enterprises: int, bills: int) -> Iterator[wire.Data]:
    for number in range(bills):
        owner, month = number % enterprises, MONTHS[number // enterprises % len(MONTHS)]
        yield wire.BillIssued(
            uscc=uscc(owner), bill_id=f"b{number}", utility="electricity", supplier_id=f"grid-{owner % 40}",
            account_no=f"{owner:010d}", period=month, amount_fen=amount_fen(number), due_on=f"{month}-25",
            production_use=True,
        )  # fmt: skip


def amount_fen(number: int) -> int:
    return 100_000 + number * 7919 % 900_000


def uscc(number: int) -> str:
    return with_check_character(f"91650100MA{number:07d}")


def _line(data: wire.Data) -> Line:
    identity = getattr(data, "bill_id", getattr(data, "application_id", data.uscc))
    event = wire.Event("1.0", identity, wire.SOURCES[data.topic], data.type, data.uscc, AT, "application/json", data)
    return Line(data.uscc.encode(), _encode(event))


def carried(postgres: str, waiting: int) -> tuple[float, float, int]:
    """When the first record was taken and the last event published, on the monotonic clock, and how many these are."""
    began = time.monotonic()
    with psycopg.connect(postgres, autocommit=True) as db:
        while True:
            row = db.execute(
                "SELECT (SELECT coalesce(sum(next_offset), 0) FROM holdover.inbox), last, relayed"
                " FROM holdover.outbox_counter, holdover.outbox_pointer"
            ).fetchone()
            assert row is not None
            taken, told, relayed = (int(value) for value in row)
            now = time.monotonic()
            if taken == 0:
                began = now
            if taken >= waiting and told == relayed:
                return began, now, told
            time.sleep(0.05)


def exact(postgres: str, enterprises: int, bills: int, applicants: int) -> None:
    """Every bill is there, every applicant's is deferred, and every such account is protected."""
    mine = [number for number in range(bills) if number % enterprises < applicants]
    expected = (bills, len(mine), sum(map(amount_fen, mine)), len({number % enterprises for number in mine}))
    with psycopg.connect(postgres, autocommit=True) as db:
        found = db.execute(
            "SELECT (SELECT count(*) FROM holdover.bill), (SELECT count(*) FROM holdover.bill WHERE left_out IS NULL),"
            " (SELECT sum(open_fen) FROM holdover.account), (SELECT count(order_id) FROM holdover.account)"
        ).fetchone()
    if found != expected:
        raise SystemExit(f"The sums are not exact, so there is no result: {found}, expected {expected}.")


if __name__ == "__main__":
    typer.run(main)
