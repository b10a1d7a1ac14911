"""What the suppliers know: their own bills, payments and requests, and what `holdover.orders.v1` has told them.

They assert nothing. What must not be is counted, for whoever looks: `cut_while_protected` and `told_beyond_paid`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from services.simulator.calendar import WINDOW, day_text

State = Literal["in_force", "completed", "defaulted", "withdrawn"]
_WINDOW = (day_text(WINDOW[0]), day_text(WINDOW[1]))


class Account(NamedTuple):
    uscc: str
    utility: str
    supplier_id: str
    account_no: str


class Bill(NamedTuple):
    """The latest version; `due_on` as YYYY-MM-DD."""

    version: int
    account: Account
    amount_fen: int
    due_on: str
    production_use: bool

    @property
    def deferrable(self) -> bool:
        return self.production_use and _WINDOW[0] <= self.due_on <= _WINDOW[1]


@dataclass(slots=True)
class Instalment:
    """As announced, less what was told to be paid of it since."""

    due_on: date
    open_fen: int
    overdue: bool = False


@dataclass(slots=True)
class Holdover:
    """One account's, by what was told of it. `deferred`: what was last told to be deferred of each bill, in fen."""

    holdover_id: str
    account: Account
    state: State = "in_force"
    deferred: dict[str, int] = field(default_factory=dict)
    instalments: dict[int, Instalment] = field(default_factory=dict)
    defaults: int = 0
    cured: int = 0


@dataclass(slots=True)
class Sums:
    """One utility's holdovers that are in force, completed or defaulted, as its suppliers add them up, in fen.

    `bills_fen` of the bills of the window for production, `paid_fen` of what was paid for those. Counts: holdovers by
    what was told last, ever `protected` and still; answers; `cured`: defaults that a payment in time undid.
    """

    in_force: int = 0
    completed: int = 0
    defaulted: int = 0
    withdrawn: int = 0
    cured: int = 0
    ever_protected: int = 0
    protected: int = 0
    refused: int = 0
    allowed: int = 0
    bills_fen: int = 0
    paid_fen: int = 0
    open_fen: int = 0
    surplus_fen: int = 0


class _Told(msgspec.Struct, gc=False):
    """The fields of all events of the topic that a supplier reads."""

    holdover_id: str
    uscc: str
    utility: str
    supplier_id: str
    account_no: str
    on: date
    order_id: str | None = None
    from_on: date | None = None
    until_on: date | None = None
    bill_id: str = ""
    payment_id: str = ""
    request_id: str = ""
    number: int = 0
    due_on: date = date.min
    amount_fen: int = 0


class _Event(msgspec.Struct, gc=False):
    id: str
    type: str
    data: _Told


class Books:
    """`cut`: accounts without supply, by holdover id. `reconnected`: how many got it back, by an order or since all is
    repaid. `told_paid`: what was told of each payment as paid of instalments, in fen.
    """

    def __init__(self) -> None:
        self.bills: dict[str, Bill] = {}
        self.bills_of: dict[Account, set[str]] = {}
        self.payments: dict[str, tuple[str, int]] = {}
        self.paid: Counter[str] = Counter()
        self.asked: set[str] = set()
        self.holdovers: dict[str, Holdover] = {}
        self.holdover_of: dict[Account, Holdover] = {}
        self.orders: dict[str, dict[str, tuple[date, date]]] = {}
        self.ever_protected: dict[str, str] = {}
        self.answers: dict[str, tuple[str, Literal["refused", "allowed"]]] = {}
        self.cut: dict[str, Account] = {}
        self.reconnected = 0
        self.cut_while_protected = 0
        self.told_beyond_paid = 0
        self.told_paid: Counter[str] = Counter()
        self._seen: set[str] = set()

    def sent(self, event: dict[str, Any]) -> None:
        """A fact of theirs that was accepted: a bill, a payment, a request. In any order, and more than once."""
        data = event["data"]
        match event["type"]:
            case "cn.utility.bill.issued.v1":
                self._billed(data)
            case "cn.utility.bill.paid.v1":
                if data["payment_id"] not in self.payments:
                    self.payments[data["payment_id"]] = data["bill_id"], data["amount_fen"]
                    self.paid[data["bill_id"]] += data["amount_fen"]
            case "cn.utility.disconnection.requested.v1":
                self.asked.add(data["request_id"])

    def _billed(self, data: dict[str, Any]) -> None:
        account = Account(data["uscc"], data["utility"], data["supplier_id"], data["account_no"])
        bill = Bill(data.get("version", 1), account, data["amount_fen"], data["due_on"], data["production_use"])
        before = self.bills.get(data["bill_id"])
        if before is not None:
            if before.version >= bill.version:
                return
            self.bills_of[before.account].discard(data["bill_id"])
        self.bills[data["bill_id"]] = bill
        self.bills_of.setdefault(account, set()).add(data["bill_id"])

    def told(self, event: dict[str, Any]) -> None:
        """An event of `holdover.orders.v1`, one enterprise's in their order; a repeat changes nothing.

        msgspec.ValidationError for anything else.
        """
        read = msgspec.convert(event, _Event)
        if read.id in self._seen:
            return
        self._seen.add(read.id)
        kind, data = read.type.split(".")[2], read.data
        match kind:
            case "supply_protected" | "protection_ended":
                self._ordered(kind, data)
            case "disconnection_refused" | "disconnection_allowed":
                self._answered(kind, data)
            case "opened":
                account = Account(data.uscc, data.utility, data.supplier_id, data.account_no)
                holdover = self.holdovers.setdefault(data.holdover_id, Holdover(data.holdover_id, account))
                self._opened(self.holdover_of.setdefault(account, holdover))
            case "completed" | "defaulted" | "withdrawn":
                self._ended(self.holdovers[data.holdover_id], kind)
            case "bill_deferred":
                self.holdovers[data.holdover_id].deferred[data.bill_id] = data.amount_fen
            case "instalment_due" | "instalment_overdue" | "instalment_paid":
                self._instalment(kind, self.holdovers[data.holdover_id], data)

    def _ordered(self, kind: str, data: _Told) -> None:
        orders = self.orders.setdefault(data.holdover_id, {})
        assert data.order_id is not None
        if kind == "protection_ended":
            orders.pop(data.order_id, None)
            return
        assert data.from_on is not None
        assert data.until_on is not None
        orders[data.order_id] = data.from_on, data.until_on
        self.ever_protected[data.holdover_id] = data.utility
        self._reconnect(data.holdover_id)

    def _reconnect(self, holdover_id: str) -> None:
        self.reconnected += self.cut.pop(holdover_id, None) is not None

    def _answered(self, kind: str, data: _Told) -> None:
        """Who is allowed to cuts at once, and believes the answer, not the orders."""
        answer: Literal["refused", "allowed"] = "allowed" if kind == "disconnection_allowed" else "refused"
        self.answers[data.request_id] = data.utility, answer
        if answer == "allowed":
            self.cut[data.holdover_id] = Account(data.uscc, data.utility, data.supplier_id, data.account_no)
            self.cut_while_protected += self.protected_on(data.holdover_id, data.on)

    def _opened(self, holdover: Holdover) -> None:
        holdover.cured += holdover.state == "defaulted"
        holdover.state = "in_force"

    def _ended(self, holdover: Holdover, kind: Literal["completed", "defaulted", "withdrawn"]) -> None:
        holdover.cured += holdover.state == "defaulted" and kind == "completed"
        holdover.defaults += kind == "defaulted"
        holdover.state = kind
        if kind == "completed":
            self._reconnect(holdover.holdover_id)

    def _instalment(self, kind: str, holdover: Holdover, data: _Told) -> None:
        known = holdover.instalments.get(data.number)
        if kind == "instalment_paid":
            if known is not None:
                known.open_fen = max(0, known.open_fen - data.amount_fen)
            self.told_paid[data.payment_id] += data.amount_fen
            paid = self.payments.get(data.payment_id, ("", 0))[1]
            self.told_beyond_paid += self.told_paid[data.payment_id] > paid
        elif known is None or kind == "instalment_due":
            holdover.instalments[data.number] = Instalment(data.due_on, data.amount_fen, kind == "instalment_overdue")
        else:
            known.overdue = True

    def protected_on(self, holdover_id: str, on: date) -> bool:
        """Whether an order to keep the supply on covers the day."""
        return any(first <= on <= last for first, last in self.orders.get(holdover_id, {}).values())

    def deferrable(self, account: Account) -> list[str]:
        """The account's bills that a holdover defers, oldest first."""
        own = [(self.bills[one].due_on, one) for one in self.bills_of.get(account, ()) if self.bills[one].deferrable]
        return [one for _, one in sorted(own)]

    def sums_of(self, account: Account) -> tuple[int, int]:
        """What the bills of the account's holdover come to, and what was paid for them, in fen."""
        own = self.deferrable(account)
        return sum(self.bills[one].amount_fen for one in own), sum(self.paid[one] for one in own)

    def unanswered(self) -> set[str]:
        """Requests without an answer."""
        return self.asked - self.answers.keys()

    def sums(self) -> dict[str, Sums]:
        """By utility, those with something to say."""
        found: dict[str, Sums] = {}
        for holdover in self.holdovers.values():
            mine = found.setdefault(holdover.account.utility, Sums())
            setattr(mine, holdover.state, getattr(mine, holdover.state) + 1)
            mine.cured += holdover.cured
            if holdover.state == "withdrawn":
                continue
            bills_fen, paid_fen = self.sums_of(holdover.account)
            mine.bills_fen += bills_fen
            mine.paid_fen += paid_fen
            mine.open_fen += max(0, bills_fen - paid_fen)
            mine.surplus_fen += max(0, paid_fen - bills_fen)
        for utility, answer in self.answers.values():
            mine = found.setdefault(utility, Sums())
            setattr(mine, answer, getattr(mine, answer) + 1)
        for holdover_id, utility in self.ever_protected.items():
            found[utility].ever_protected += 1
            found[utility].protected += bool(self.orders[holdover_id])
        return dict(sorted(found.items()))

    def unpaid(self) -> Iterator[tuple[str, Bill]]:
        """Bills of which something is open, by id."""
        return ((one, bill) for one, bill in sorted(self.bills.items()) if self.paid[one] < bill.amount_fen)
