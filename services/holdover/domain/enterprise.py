"""One enterprise: what is known of it, what was told of each of its accounts, and the two brought together."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

import msgspec

from services.holdover.domain.arrivals import BillIssued, BillPaid, DisconnectionRequested, Fact
from services.holdover.domain.facts import DAWN, Facts, Outcome
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.domain.standing import Standing, standing
from services.holdover.domain.telling import Telling, Told, answer, differences


class Days(msgspec.Struct, frozen=True, gc=False):
    """The last days that started in a partition: `known` among the facts, `decided` among the decisions.

    A day counts once it has started in both: what was accepted and decided before it has then been taken. `told`
    counts the occasions on which days made enterprises tell something; `facts` and `decisions` what was taken.
    """

    known: date | None = None
    decided: date | None = None
    told: int = 0
    facts: int = 0
    decisions: int = 0

    @property
    def started(self) -> date | None:
        """The last day that counts."""
        return None if self.known is None or self.decided is None else min(self.known, self.decided)


class Answered(NamedTuple):
    """A request for disconnection, and what it was answered."""

    request: DisconnectionRequested
    holdover_id: str
    telling: Telling


class Changed(msgspec.Struct):
    """What a batch has changed, for the tables beside the state; not kept itself."""

    standings: dict[str, Standing] = msgspec.field(default_factory=dict)
    bills: set[str] = msgspec.field(default_factory=set)
    payments: set[str] = msgspec.field(default_factory=set)
    applications: set[str] = msgspec.field(default_factory=set)
    answered: list[Answered] = msgspec.field(default_factory=list)


class Enterprise(msgspec.Struct):
    """`told` by holdover id: every account that a bill or a request has named."""

    uscc: str
    facts: Facts = msgspec.field(default_factory=Facts)
    told: dict[str, Told] = msgspec.field(default_factory=dict)
    changed: Changed = msgspec.field(default_factory=Changed)

    @property
    def next_due(self) -> date | None:
        """The next day on which something happens by itself."""
        return min((one.next_due for one in self.told.values() if one.next_due is not None), default=None)

    def advance(self, started: date | None) -> Iterator[tuple[date, list[Telling]]]:
        """What happens by itself up to the last day started, each day's apart: the same however many days started at
        once.
        """
        while started is not None and (due := self.next_due) is not None and due <= started:
            ready = [one.account for one in self.told.values() if one.next_due is not None and one.next_due <= due]
            yield due, self._settle(ready, due, due)

    def take(self, fact: Fact, known_on: date, started: date | None, on: date) -> tuple[Outcome, list[Telling]]:
        """A fact, accepted while `known_on` was the last day of its log. `on`: the day that what it tells is told on.

        Raises Contradiction.
        """
        outcome = fact.take(self.facts, known_on)
        if outcome != "changed":
            return outcome, []
        self._note(fact)
        touched = fact.touches(self.facts, [one.account for one in self.told.values()])
        return outcome, self._settle(touched, started or DAWN, on)

    def ask(self, request: DisconnectionRequested, started: date | None, on: date) -> tuple[Outcome, list[Telling]]:
        """The answer, and before it whatever the account had not told yet. A request is answered once."""
        if request.request_id in self.facts.requests:
            return "repeat", []
        told = self._settle([request.account], started or DAWN, on)
        identity = holdover_id(self.uscc, request.account)
        self.facts.requests[request.request_id] = identity
        answered = answer(self.told[identity], self.changed.standings[identity], request.request_id, identity, on)
        self.changed.answered.append(Answered(request, identity, answered))
        return "changed", [*told, answered]

    def _settle(self, accounts: Iterable[Account], day: date, on: date) -> list[Telling]:
        said: list[Telling] = []
        for account in accounts:
            identity = holdover_id(self.uscc, account)
            told = self.told.setdefault(identity, Told(account))
            now = standing(self.facts, account, day)
            if (told.state, told.application_id) != (now.state, now.application_id):
                self.changed.bills.update(now.net_fen, now.left_out)
            self.changed.standings[identity] = now
            said += differences(told, now, identity, on, day)
        return said

    def _note(self, fact: Fact) -> None:
        if isinstance(fact, BillIssued | BillPaid):
            self.changed.bills.add(fact.bill_id)
        else:
            self.changed.applications.add(fact.application_id)
        if isinstance(fact, BillPaid):
            self.changed.payments.add(fact.payment_id)


Held = Days | Enterprise
# The key of a partition's days; no uscc looks like it.
PARTITION: Final = "@days"
