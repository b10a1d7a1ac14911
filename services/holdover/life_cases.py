"""For this service's tests: one enterprise whose records are taken as they are added, without a store."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.holdover.cases import POWER, USCC, Logs, events, kinds, take
from services.holdover.domain.enterprise import Enterprise, Held
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.domain.standing import Standing, standing
from shared.streaming.records import Output, Record, States

BEGINS = date(2020, 7, 1)


class Life:
    """One enterprise's records, taken as they are added. `told` is what the last step told."""

    def __init__(self) -> None:
        self.logs, self.states = Logs(), States[Held]({})
        self.day_: date = date(1900, 1, 1)
        self.told: list[Any] = []

    def take(self, *records: Record) -> list[str]:
        self.outputs: Sequence[Output] = take(self.states, records)
        self.told = events(self.outputs)
        return kinds(self.outputs)

    def day(self, day: date) -> list[str]:
        """The day, and then a request for an account that nobody knows: it brings the enterprise to the day."""
        self.day_ = day
        asked = self.logs.asked(f"r-{day}-{len(self.logs.facts)}", Account("gas", "nobody", "0"))
        told = self.take(*self.logs.day(day), asked)
        self.told.pop()
        return told[:-1]

    def now(self, account: Account = POWER) -> Standing:
        known = self.states.get(USCC)
        assert isinstance(known, Enterprise)
        return standing(known.facts, account, self.day_)

    def order(self, account: Account = POWER) -> str | None:
        known = self.states.get(USCC)
        assert isinstance(known, Enterprise)
        order = known.told[holdover_id(USCC, account)].order
        return None if order is None else order.order_id
