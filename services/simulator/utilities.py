"""Stands in for the suppliers while the deferred sums are repaid: enterprises pay, and supplies are asked to be cut.

It follows the days that it is told. What becomes of a holdover hangs on the seed and the holdover's id alone, and every
payment and request has an id that follows from what it is for.
"""

from datetime import date, timedelta

import msgspec

from services.simulator import dues
from services.simulator.calendar import day, unix_ms
from services.simulator.corruption import event_line
from services.simulator.drawing import chances, name
from services.simulator.labour import office_hour
from services.simulator.records import STRUCTURED, RawRecord
from services.simulator.utilities_behaviour import PUNCTUAL, Behaviour, payer
from services.simulator.utilities_books import Account, Books, Holdover
from services.simulator.wire import BillPaid, Fact

__all__ = ["PUNCTUAL", "Behaviour", "Utilities"]

# A bill that is no holdover's is asked about so many days after it was due.
_PATIENCE_DAYS = (30, 150)


class Utilities:
    """All suppliers together; `books` is what they know."""

    def __init__(self, seed: int, behaviour: Behaviour | None = None) -> None:
        self.books = Books()
        self._seed = seed
        self._behaviour = Behaviour() if behaviour is None else behaviour
        self._today = date.min
        # What was paid of each holdover's instalments: by number and part, the payment's id and fen.
        self._paid: dict[str, dict[tuple[int, int], tuple[str, int]]] = {}

    def day(self, on: date) -> list[RawRecord]:
        """The records of `upstream.utility.v1` from the days before `on` that were not told yet: send them, and let
        the day start after them. ValueError for a day that is over.
        """
        if on < self._today:
            raise ValueError(f"the suppliers are at {self._today}; {on} is over")
        self._today = on
        last = on - timedelta(1)
        facts: list[Fact] = []
        for _, holdover in sorted(self.books.holdovers.items()):
            if holdover.state in ("in_force", "defaulted"):
                self._repaid(holdover, last, facts)
                self._overdue(holdover, last, facts)
        self._unpaid(last, facts)
        facts.sort(key=lambda fact: (fact.time, fact.id))
        return [self._told(fact) for fact in facts]

    def _told(self, fact: Fact) -> RawRecord:
        line = event_line(fact)
        self.books.sent(msgspec.json.decode(line))
        return RawRecord(fact.data.uscc.encode(), line, STRUCTURED, unix_ms(fact.time))

    def _repaid(self, holdover: Holdover, last: date, facts: list[Fact]) -> None:
        """What the enterprise has paid up to `last`, the oldest instalment first."""
        habits = payer(self._seed, self._behaviour, holdover.holdover_id)
        bills_fen, paid_fen = self.books.sums_of(holdover.account)
        whole_fen = bills_fen - paid_fen
        before = self._paid.setdefault(holdover.holdover_id, {})
        for number, instalment in sorted(holdover.instalments.items()):
            # Who pays knows of it before it is told.
            known = (paid for (of, _), paid in before.items() if of == number)
            left = instalment.open_fen - sum(fen for one, fen in known if one not in self.books.told_paid)
            for turn, part in enumerate(habits.parts(number, instalment.due_on)):
                now = part.paid_on <= last and part.after_default == (holdover.state == "defaulted")
                fen, bill_id = part.fen(left, whole_fen), self._named(holdover)
                if not now or fen <= 0 or left <= 0 or bill_id is None or (number, turn) in before:
                    continue
                payment_id = name(self._seed, "repayment", holdover.holdover_id, str(number), str(turn))
                before[number, turn] = payment_id, fen
                facts.append(self._payment(holdover.account.uscc, bill_id, payment_id, part.paid_on, fen))
                left -= fen
                whole_fen -= fen

    def _named(self, holdover: Holdover) -> str | None:
        """The oldest bill of which something is deferred: which one is named makes no difference in repayment."""
        own = self.books.deferrable(holdover.account)
        return next((bill_id for bill_id in own if holdover.deferred.get(bill_id, 0) > 0), None)

    def _payment(self, uscc: str, bill_id: str, payment_id: str, paid_on: date, fen: int) -> Fact:
        data = BillPaid(uscc=uscc, bill_id=bill_id, payment_id=payment_id, amount_fen=fen, paid_on=paid_on.isoformat())
        return Fact(office_hour(chances(self._seed, payment_id), paid_on.toordinal()), f"bp-{payment_id}", data)

    def _overdue(self, holdover: Holdover, last: date, facts: list[Fact]) -> None:
        for number, instalment in sorted(holdover.instalments.items()):
            if instalment.overdue and instalment.open_fen:
                about = f"{number}-overdue"
                self._ask(holdover.holdover_id, holdover.account, about, self._behaviour.cut_overdue, last, facts)
        if holdover.state == "defaulted":
            about = f"{holdover.defaults}-default"
            self._ask(holdover.holdover_id, holdover.account, about, self._behaviour.cut_defaulted, last, facts)

    def _unpaid(self, last: date, facts: list[Fact]) -> None:
        """Bills long after their date. That they are deferred does not keep a supplier from asking; that the deferred
        sum is repaid does, and of a default it asks for itself.
        """
        for bill_id, bill in self.books.unpaid():
            holdover = self.books.holdover_of.get(bill.account)
            if bill.deferrable and holdover is not None and holdover.state in ("completed", "defaulted"):
                continue
            wait = chances(self._seed, "patience", bill_id).randint(*_PATIENCE_DAYS)
            if day(bill.due_on) + wait <= last.toordinal():
                self._ask(bill_id, bill.account, "unpaid", self._behaviour.cut_unpaid, last, facts)

    def _ask(self, whose: str, account: Account, about: str, share: float, last: date, facts: list[Fact]) -> None:
        """Once per reason, and about nobody who has no supply any more; `share` of all are asked about."""
        chance = chances(self._seed, "request", whose, about)
        request_id = name(self._seed, "request", whose, about)
        if chance.random() >= share or request_id in self.books.asked or account in self.books.cut.values():
            return
        of = dues.Account(account.utility, account.supplier_id, account.account_no, False)
        facts.append(dues.request(account.uscc, of, request_id, about, last.toordinal(), chance))
