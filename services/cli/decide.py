"""`relief decide`: decisions from a file of upstream events, by the services' own steps and without a broker."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from services.cli.deciding import RejectedLine, gather, shown
from services.cli.deciding_store import AT_HAND
from services.cli.terminal import progress_over, sentence_on_failure
from services.eligibility import packs
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.telling import decision_data

_encode = msgspec.json.Encoder().encode


def decide_lines(
    lines: Iterable[bytes],
    pack: Pack,
    as_of: date | None,
    on_reject: Callable[[RejectedLine], None],
    at_hand: int = AT_HAND,
) -> Iterator[dict[str, Any]]:
    """The latest decisions that the lines imply, in the order of (uscc, measure, key)."""
    with closing(gather(lines, as_of, on_reject, at_hand)) as enterprises:
        for uscc, enterprise in enterprises:
            yield from decisions_of(uscc, enterprise, pack)


def decisions_of(uscc: str, enterprise: Enterprise, pack: Pack) -> Iterator[dict[str, Any]]:
    """An enterprise's decisions in the order of (measure, key).

    A return of nothing is not among them: it is decided only after one of something, and here nothing was before.
    """
    for verdict in sorted(standing_verdicts(enterprise, pack), key=lambda v: (v.measure, v.key)):
        yield decision_data(uscc, verdict, pack)


def register(app: typer.Typer) -> None:
    app.command("decide")(decide)


@sentence_on_failure
def decide(
    facts: Annotated[Path, typer.Option(help="upstream events, JSON Lines, structured mode; `-` for standard input")],
    policy: Annotated[str, typer.Option(help="an installed policy pack, or a pack's directory")] = "xinjiang-2020",
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="only facts with a time up to the end of this day")
    ] = None,
) -> None:
    """Decide from a file, without a broker: the latest decisions as JSON Lines, rejected lines on standard error.

    A file grouped by enterprise goes fastest. What does not fit into memory waits in a temporary file (TMPDIR).
    """
    pack = packs.named(policy)
    day = None if as_of is None else as_of.date()
    write = sys.stdout.buffer.write
    with (
        opened(facts) as source,
        closing(gather(progress_over(source, facts, "reading"), day, report_rejected)) as enterprises,
    ):
        # On a terminal the decisions themselves show how far it is.
        for uscc, enterprise in enterprises if sys.stdout.isatty() else shown(enterprises, "deciding"):
            for decision in decisions_of(uscc, enterprise, pack):
                write(_encode(decision) + b"\n")
    sys.stdout.buffer.flush()


def report_rejected(rejected: RejectedLine) -> None:
    sys.stderr.write(_encode(rejected).decode() + "\n")


def opened(path: Path) -> BinaryIO:
    return sys.stdin.buffer if str(path) == "-" else path.open("rb")
