"""The facts of a case as officers write them, and as the authorities send them: CloudEvents, one line each.

A case shows only what matters. The rest is an ordinary firm's: see `ORDINARY` and the defaults of each kind. How to
write each kind is in policy/xinjiang-2020/cases/README.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.eligibility.policy_case_yaml import Node
from shared.contracts.vocabulary import INDUSTRIES, INSURANCES, PREFECTURES
from shared.uscc import with_check_character

Data = dict[str, Any]

# By employees alone small (`other`: 10 to 99), in a prefecture of the ordinary refund rate, since before every limit.
# Revenue and assets, which `other` does not ask, are 0: so a case of another industry says all that it stands on.
ORDINARY: Data = {
    "name": "Ordinary Trading",
    "industry": "other",
    "prefecture": "650100",
    "registered_on": "2015-03-02",
    "effective_on": "2019-01-01",
    "employees": 50,
    "annual_revenue_fen": 0,
    "total_assets_fen": 0,
    "payee": None,
}
UTILITIES = ("electricity", "water", "gas", "provident_fund")
FIRMS = ("A", "B")
USCC = {firm: with_check_character(f"91650100MA{number:07d}") for number, firm in enumerate(FIRMS, 1)}
_FIRST_TOLD = datetime(2020, 7, 15, 4, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Sent:
    """One record on its way to intake; `rejected`: the code with which it must come back, None where it is accepted."""

    line: bytes
    rejected: str | None
    at: int


@dataclass(slots=True)
class Telling:
    """Turns the facts of one case into records, in the order written; numbers them, so that every id is new."""

    firm: Data = field(default_factory=lambda: dict(ORDINARY))
    told: int = 0
    named: dict[str, int] = field(default_factory=dict)

    def register(self, about: Node | None) -> Iterator[Sent]:
        """The firm that a case is about; where the case says nothing of it, the ordinary one."""
        if about is not None:
            self.firm |= _registration(about)
        yield self._sent("cn.tax.enterprise.registered.v1", {**self.firm, "version": 1}, about.line if about else 0)

    def tell(self, fact: Node) -> Iterator[Sent]:
        """`fact`: one key that names its kind, and what may stand beside it (`BESIDE`)."""
        found = fact.fields((*_KINDS, *BESIDE))
        kinds = [name for name in found if name in _KINDS]
        if len(kinds) != 1:
            fact.refuse(f"a fact names exactly one of: {', '.join(_KINDS)}.")
        kind = _KINDS[kinds[0]]
        versioned = {"version": found["version"].whole()} if "version" in found else {}
        if versioned and not kind.versioned:
            found["version"].refuse(f"`{kinds[0]}` has no versions.")
        rejected = found["rejected"].one_of(REJECTS) if "rejected" in found else None
        firm = found["firm"].one_of(FIRMS) if "firm" in found else "A"
        event = found["event"].text() if "event" in found else None
        for data in kind.read(found[kinds[0]], self):
            sent = self._sent(kind.type, data | versioned, fact.line, firm, rejected, event)
            yield sent
            if "twice" in found and found["twice"].yes():
                yield sent

    def next(self, what: str) -> str:
        """A new id: `payment 1`, `payment 2`."""
        self.named[what] = self.named.get(what, 0) + 1
        return f"{what} {self.named[what]}"

    def _sent(
        self, kind: str, data: Data, at: int, firm: str = "A", rejected: str | None = None, event: str | None = None
    ) -> Sent:
        self.told += 1
        record = {
            "specversion": "1.0",
            "id": event or f"fact {self.told}",
            "source": "//case",
            "type": kind,
            "subject": USCC[firm],
            "time": _FIRST_TOLD + timedelta(minutes=self.told),
            "data": {"uscc": USCC[firm], **data},
        }
        return Sent(_encode(record), rejected, at)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fact: its event type, and from what is written to the data of one event or several."""

    type: str
    read: Callable[[Node, Telling], Iterator[Data]]
    versioned: bool = False


def _registration(about: Node) -> Data:
    """Only what is written."""
    found = about.fields(_REGISTRATION)
    return {_REGISTRATION[name][0]: _REGISTRATION[name][1](value) for name, value in found.items()}


_REGISTRATION: dict[str, tuple[str, Callable[[Node], Any]]] = {
    "industry": ("industry", lambda node: node.one_of(INDUSTRIES)),
    "prefecture": ("prefecture", lambda node: node.one_of(PREFECTURES)),
    "effective": ("effective_on", Node.day),
    "employees": ("employees", Node.whole),
    "revenue": ("annual_revenue_fen", Node.fen),
    "assets": ("total_assets_fen", Node.fen),
}


def _registered(what: Node, telling: Telling) -> Iterator[Data]:
    yield telling.firm | _registration(what)


def _deregistered(what: Node, telling: Telling) -> Iterator[Data]:
    yield {"deregistered_on": what.day()}


def _assessed(what: Node, telling: Telling) -> Iterator[Data]:
    found = what.fields(("of", "amount", "id"), ("of", "amount"))
    insurance, period = _contribution(found["of"])
    yield {
        "assessment_id": found["id"].text() if "id" in found else f"{insurance}/{period}",
        "insurance": insurance,
        "period": period,
        "employer_amount_fen": found["amount"].fen(),
        "due_on": f"{period}-15",
    }


def _paid(what: Node, telling: Telling) -> Iterator[Data]:
    found = what.fields(("assessment", "amount", "id", "on"), ("assessment", "amount"))
    yield {
        "assessment_id": found["assessment"].text(),
        "payment_id": found["id"].text() if "id" in found else telling.next("payment"),
        "amount_fen": found["amount"].fen(),
        "paid_on": found["on"].day() if "on" in found else "2020-03-10",
    }


def _monthly(count: str) -> Callable[[Node, Telling], Iterator[Data]]:
    def read(what: Node, telling: Telling) -> Iterator[Data]:
        for months, number in what.entries():
            for period in _months(months):
                yield {"period": period, count: number.whole()}

    return read


def _premium(what: Node, telling: Telling) -> Iterator[Data]:
    for year, paid in what.entries():
        yield {"year": year.whole(), "unemployment_premium_paid_fen": paid.fen()}


def _declined(what: Node, telling: Telling) -> Iterator[Data]:
    found = what.fields(("year", "on", "id"), ("year",))
    yield {
        "application_id": found["id"].text() if "id" in found else telling.next("decline"),
        "year": found["year"].whole(),
        "submitted_on": found["on"].day() if "on" in found else "2020-04-01",
    }


def _applied(what: Node, telling: Telling) -> Iterator[Data]:
    found = what.fields(("id", "on", "difficulty", "for"), ("id", "on"))
    yield {
        "application_id": found["id"].text(),
        "utilities": [due.one_of(UTILITIES) for due in found["for"].items()] if "for" in found else ["electricity"],
        "declared_difficulty": found["difficulty"].yes() if "difficulty" in found else True,
        "contact": "0991-0000000",
        "submitted_on": found["on"].day(),
    }


def _withdrawn(what: Node, telling: Telling) -> Iterator[Data]:
    found = what.fields(("id", "on"), ("id", "on"))
    yield {"application_id": found["id"].text(), "submitted_on": found["on"].day()}


def _contribution(key: Node) -> tuple[str, str]:
    insurance, slash, period = key.text().partition("/")
    if insurance not in INSURANCES or not slash:
        key.refuse(f"`{key.text()}` is no contribution; write for example `pension/2020-02`.")
    return insurance, Node.month(_part(key, period))


def _months(key: Node) -> Iterator[str]:
    """`2019-12`, or `2019-01 to 2019-12`: every month from the first to the last."""
    first, _, last = key.text().partition(" to ")
    first, last = _part(key, first).month(), _part(key, last or first).month()
    if last < first:
        key.refuse(f"`{key.text()}` ends before it begins.")
    while first <= last:
        yield first
        year, month = int(first[:4]), int(first[5:])
        first = f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def _part(node: Node, text: str) -> Node:
    """A part of a text, at the text's place."""
    raw = type(node.raw)(node.raw.tag, text, node.raw.start_mark, node.raw.end_mark)
    return Node(raw, node.file)


_KINDS: dict[str, Kind] = {
    "registered": Kind("cn.tax.enterprise.registered.v1", _registered, versioned=True),
    "deregistered": Kind("cn.tax.enterprise.deregistered.v1", _deregistered),
    "assessed": Kind("cn.tax.contribution.assessed.v1", _assessed, versioned=True),
    "paid": Kind("cn.tax.contribution.paid.v1", _paid),
    "headcount": Kind("cn.insurance.headcount.reported.v1", _monthly("insured_employees"), versioned=True),
    "layoffs": Kind("cn.insurance.layoffs.reported.v1", _monthly("laid_off"), versioned=True),
    "premium": Kind("cn.insurance.year.settled.v1", _premium, versioned=True),
    "declined": Kind("relief.refund.declined.v1", _declined),
    "applied": Kind("relief.holdover.applied.v1", _applied),
    "withdrawn": Kind("relief.holdover.withdrawal.v1", _withdrawn),
}
BESIDE = ("version", "firm", "twice", "event", "rejected")
REJECTS = ("ID_CONFLICT", "VERSION_CONFLICT")
