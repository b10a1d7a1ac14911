"""From lines of upstream events to what they tell of each enterprise: the services' own steps, without a broker."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.cli.deciding_claims import UsedIds
from services.cli.deciding_store import AT_HAND, Enterprises, Entry, Seen
from services.cli.terminal import bar
from services.eligibility.domain import facts as domain
from services.eligibility.domain.state import Enterprise
from services.eligibility.translating import to_domain
from services.intake.decoding import Refused, decode_value
from services.intake.domain.acceptance import Claim, Incoming, Known, Outcome, accept
from services.intake.ruling import conflict, incoming_of
from shared.calendar import SHANGHAI
from shared.contracts.registry import AnyEvent, topic_of, upstream_decoder
from shared.contracts.topics import OPERATIONS

_ANOTHERS = Claim(b"")
# Enterprises; their decisions take two seconds and more.
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that intake would have rejected; `line` counts from 1."""

    line: int
    code: str
    message: str


class Gathering:
    """Feeds lines through decoding, acceptance and the rules' state; `enterprises` is what they came to.

    Every topic is one partition here, so that acceptance sees what one intake partition would see. `as_of`: only
    events with a time up to the end of this day. `at_hand`: see Enterprises.
    """

    def __init__(self, as_of: date | None, on_reject: Callable[[RejectedLine], None], at_hand: int = AT_HAND) -> None:
        self._on_reject = on_reject
        last = None if as_of is None or as_of == date.max else as_of
        self._end = None if last is None else datetime.combine(last + timedelta(days=1), time(), SHANGHAI)
        self._used = UsedIds()
        self._adapter = upstream_decoder()
        self.enterprises = Enterprises(at_hand)

    def take(self, number: int, line: bytes) -> None:
        event = self.decode(number, line)
        entry = None if event is None else self.accept(number, event)
        if entry is not None and event is not None:
            keep(entry, event)

    def decode(self, number: int, line: bytes) -> AnyEvent | None:
        """The event, if it is valid and tells of an enterprise by the last day."""
        event = decode_value(line, self._adapter)
        if isinstance(event, Refused):
            self._on_reject(RejectedLine(number, event.code, event.message))
            return None
        topic = topic_of(event.type)
        # Days and packs of an operations log say nothing here: all facts are known, and the caller names the pack.
        if topic is None or topic == OPERATIONS or (self._end is not None and event.time >= self._end):
            return None
        return event

    def accept(self, number: int, event: AnyEvent) -> Entry | None:
        """Remembers the event; its enterprise, if it is a new fact of it."""
        # Not the subject, which is equal: this very string is also what the check of codes remembers.
        incoming, entry = incoming_of(event), self.enterprises.of(event.data.uscc)
        seen = entry.seen
        topic = topic_of(event.type) or ""
        known = seen.known.get(topic)
        if known is None:
            known = seen.known[topic] = Known()
        claim = None if incoming.fixed is None else self._claim(seen, incoming)
        outcome = accept(known, claim, incoming).outcome
        if outcome is Outcome.ACCEPTED:
            if claim is None and incoming.fixed is not None:
                seen.claims[incoming.business] = incoming.fixed
                self._used.add(incoming.business)
            return entry
        refused = conflict(outcome)
        if refused is not None:
            self._on_reject(RejectedLine(number, *refused))
        return None

    def _claim(self, seen: Seen, incoming: Incoming) -> Claim | None:
        """As intake keeps it for the id: the enterprise's own, another's (which nothing equals), or none yet."""
        fixed = seen.claims.get(incoming.business)
        if fixed is not None:
            return Claim(fixed)
        return _ANOTHERS if incoming.business in self._used else None


def keep(entry: Entry, event: AnyEvent) -> None:
    """An accepted event into the state of the rules."""
    fact = to_domain(event)
    if not isinstance(fact, domain.Irrelevant | domain.DayStarted | domain.PackActivated):
        fact.take(entry.enterprise)


def gather(
    lines: Iterable[bytes], as_of: date | None, on_reject: Callable[[RejectedLine], None], at_hand: int = AT_HAND
) -> Enterprises:
    """What the lines tell of each enterprise; empty lines are passed over. The caller closes it."""
    gathering = Gathering(as_of, on_reject, at_hand)
    try:
        with few_collections():
            for number, line in enumerate(lines, 1):
                if line.strip():
                    gathering.take(number, line)
    except BaseException:
        gathering.enterprises.close()
        raise
    return gathering.enterprises


def shown(enterprises: Enterprises, description: str) -> Iterator[tuple[str, Enterprise]]:
    """All of them, with a bar where there are many."""
    if len(enterprises) < _MANY:
        yield from enterprises
        return
    with bar(description, len(enterprises)) as progress:
        for one in enterprises:
            yield one
            progress.advance(progress.task_ids[0])


@contextmanager
def few_collections() -> Iterator[None]:
    """Nothing here refers to itself, so a search for cycles finds none: a hundred times fewer of them."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(before[0] * 100, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
