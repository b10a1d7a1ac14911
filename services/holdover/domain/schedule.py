"""The deferred sum in instalments, exact to the fen, and who has paid what of them by when.

The sum may still change after repayment has begun: a bill comes late or is corrected. What was announced stands, and
the change goes to the instalments not yet announced: they are made equal again, the odd fen with the first of them.
With none left it is one instalment more, on the next month's end that can be announced. A sum that falls below what was
announced lowers the latest first. So the instalments always add up to the sum, and none grows once it was announced.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from services.holdover.domain.facts import Payment
from services.holdover.domain.terms import Terms

Status = Literal["planned", "due", "overdue", "paid"]


class Instalment(msgspec.Struct, frozen=True, gc=False):
    """Its number is its place in the plan, from 1. Of one that asks nothing any more, `amount_fen` is 0."""

    announced_on: date
    due_on: date
    amount_fen: int
    paid_fen: int = 0

    @property
    def open_fen(self) -> int:
        return self.amount_fen - self.paid_fen

    def status(self, day: date) -> Status:
        """`due` from the day it is announced to its date, `overdue` after that; `paid` also where it asks nothing."""
        if not self.open_fen:
            return "paid"
        if self.due_on < day:
            return "overdue"
        return "due" if self.announced_on <= day else "planned"


class Due(msgspec.Struct, frozen=True, gc=False):
    """What the whole sum was from a day on, in fen."""

    since: date
    total_fen: int


@lru_cache(maxsize=4096)
def month_ends(after: date, count: int, remind_days: int) -> tuple[Instalment, ...]:
    """Of 0 fen, on the first `count` last days of months that are announced, `remind_days` before, after a day."""
    found: list[Instalment] = []
    year, month = after.year, after.month
    while len(found) < count:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        last = date(year, month, 1) - timedelta(days=1)
        announced_on = last - timedelta(days=remind_days)
        if announced_on > after:
            found.append(Instalment(announced_on, last, 0))
    return tuple(found)


def plan(dues: Sequence[Due], terms: Terms) -> list[Instalment]:
    """The instalments after the last of `dues`, which ascend; the first is of the day that repayment begins."""
    first = dues[0]
    made = _divided(first.total_fen, month_ends(first.since, terms.instalments, terms.remind_days))
    for due in dues[1:]:
        announced = [one for one in made if one.announced_on <= due.since]
        later = made[len(announced) :]
        rest = due.total_fen - sum(one.amount_fen for one in announced)
        if rest > 0:
            made = announced + _divided(rest, later or month_ends(due.since, 1, terms.remind_days))
        else:
            made = _lowered(announced, due.total_fen) + _divided(0, later)
    return made


def _divided(total_fen: int, over: Sequence[Instalment]) -> list[Instalment]:
    """Equal parts; the fen that remain go to the first."""
    if not over:
        return []
    part, rest = divmod(total_fen, len(over))
    return [_of(one, part + (rest if place == 0 else 0)) for place, one in enumerate(over)]


def _lowered(announced: Sequence[Instalment], total_fen: int) -> list[Instalment]:
    """The oldest are kept whole as far as the sum goes."""
    kept = []
    for one in announced:
        amount = min(one.amount_fen, total_fen)
        total_fen -= amount
        kept.append(_of(one, amount))
    return kept


def _of(one: Instalment, amount_fen: int) -> Instalment:
    return Instalment(one.announced_on, one.due_on, amount_fen)


def paid(made: Sequence[Instalment], repaid_fen: int) -> list[Instalment]:
    """The oldest instalment first; what is beyond the last one is no instalment's."""
    after = []
    for one in made:
        part = min(one.amount_fen, repaid_fen)
        repaid_fen -= part
        after.append(Instalment(one.announced_on, one.due_on, one.amount_fen, part))
    return after


def graces(made: Sequence[Instalment], payments: Iterable[Payment], grace_days: int) -> list[date]:
    """The days on which an instalment's grace is over that payments dated in time have not paid, ascending."""
    dated = sorted((payment.dated, payment.amount_fen) for payment in payments)
    missed, asked, given, place = [], 0, 0, 0
    for one in made:
        asked += one.amount_fen
        last = one.due_on + timedelta(days=grace_days)
        while place < len(dated) and dated[place][0] <= last:
            given += dated[place][1]
            place += 1
        if given < asked:
            missed.append(last + timedelta(days=1))
    return missed


def repaid_on(payments: Iterable[Payment], total_fen: int, begun: date) -> date:
    """The day on which payments, which are enough, had repaid all."""
    given, day = 0, begun
    for payment in sorted(payments, key=lambda one: one.dated):
        if given >= total_fen:
            break
        given += payment.amount_fen
        day = max(day, payment.dated)
    return day
