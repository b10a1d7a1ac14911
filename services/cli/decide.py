"""Decisions from a file of upstream events, by the services' own steps and without a broker."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from services.cli.terminal import progress_over, sentence_on_failure
from services.eligibility import packs
from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.handlers import decision_data, to_domain
from services.intake.decoding import Refused, decode_value
from services.intake.domain.acceptance import Outcome
from services.intake.ruling import State, conflict, rule
from shared.contracts.registry import AnyEvent, topic_of, upstream_decoder
from shared.contracts.topics import OPERATIONS
from shared.streaming.records import States

SHANGHAI = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that intake would have rejected; `line` counts from 1."""

    line: int
    code: str
    message: str


class Deciding:
    """Feeds lines through acceptance and the rules' state; decides when asked.

    Every topic is one partition here, so that acceptance sees what one intake partition would see.
    """

    def __init__(self, pack: Pack, as_of: date | None, on_reject: Callable[[RejectedLine], None]) -> None:
        self._pack, self._on_reject = pack, on_reject
        last = None if as_of is None or as_of == date.max else as_of
        self._end = None if last is None else datetime.combine(last + timedelta(days=1), time(), SHANGHAI)
        self._known: dict[str, States[State]] = {}
        self._enterprises: dict[str, Enterprise] = {}
        self._adapter = upstream_decoder()

    def take(self, number: int, line: bytes) -> None:
        event = decode_value(line, self._adapter)
        if isinstance(event, Refused):
            self._on_reject(RejectedLine(number, event.code, event.message))
            return
        topic = topic_of(event.type)
        # Days and packs of an operations log say nothing here: all facts are known, and the caller names the pack.
        if topic is None or topic == OPERATIONS or (self._end is not None and event.time >= self._end):
            return
        ruling, _ = rule(self._known.setdefault(topic, States({})), event)
        refused = conflict(ruling.outcome)
        if refused is not None:
            self._on_reject(RejectedLine(number, *refused))
        if ruling.outcome is Outcome.ACCEPTED:
            self._accept(event)

    def _accept(self, event: AnyEvent) -> None:
        fact = to_domain(event)
        if isinstance(fact, domain.Irrelevant | domain.DayStarted | domain.PackActivated):
            return
        enterprise = self._enterprises.setdefault(fact.uscc, Enterprise())
        fact.take(enterprise)

    def decisions(self) -> Iterator[dict[str, Any]]:
        """Latest decisions in the order of (uscc, measure, key).

        A return of nothing is not among them: it is decided only after one of something, and here nothing was before.
        """
        for uscc in sorted(self._enterprises):
            verdicts = standing_verdicts(self._enterprises[uscc], self._pack)
            for verdict in sorted(verdicts, key=lambda v: (v.measure, v.key)):
                yield decision_data(uscc, verdict, self._pack)


def decide_lines(
    lines: Iterable[bytes], pack: Pack, as_of: date | None, on_reject: Callable[[RejectedLine], None]
) -> Iterator[dict[str, Any]]:
    """The decisions that the lines imply; empty lines are passed over."""
    deciding = Deciding(pack, as_of, on_reject)
    for number, line in enumerate(lines, 1):
        if line.strip():
            deciding.take(number, line)
    return deciding.decisions()


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
    """Decide from a file, without a broker: the latest decisions as JSON Lines, rejected lines on standard error."""
    pack = packs.named(policy)
    encode = msgspec.json.Encoder().encode

    def report(rejected: RejectedLine) -> None:
        sys.stderr.write(encode(rejected).decode() + "\n")

    day = None if as_of is None else as_of.date()
    with _opened(facts) as source:
        decided = decide_lines(progress_over(source, facts, "deciding"), pack, day, report)
        for decision in decided:
            sys.stdout.buffer.write(encode(decision) + b"\n")
    sys.stdout.buffer.flush()


def _opened(path: Path) -> BinaryIO:
    return sys.stdin.buffer if str(path) == "-" else path.open("rb")
