"""The oracle's third part: how each supplier's account stands, and what its suppliers must have been told.

Written from the policy (measures M3 and M5) and from what holdover promises to the suppliers, never from its code.
Dates stay text, as everywhere in the oracle; only the calendar makes days of them.

What the upstream files alone do not say is on which day something became known: authorities and days come by several
logs. So that is an argument, read off the logs; everything else is worked out here.

Readings, beyond those of `oracle`:
 1. A fact is known from the last day that had started in its log when it was accepted; a grant from the last day that
    had started among the decisions, when it last turned to granted.
 2. A payment, and a withdrawal, counts from its own date, or from the day it was known if that is earlier.
 3. Of several granted applications for a due the first submitted counts, by its id where that is equal.
 4. A bill belongs to the account that its highest version names, and takes its payments along.
 5. Repayment begins on `REPAY_FROM`, or when the grant and a bill of the window are both known, if that is later. A
    correction that has taken the bill out since does not move it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from .oracle_records import APPLIED, BILL, BILL_PAID, DISCONNECTION, WITHDRAWN, Fact
from .oracle_rules import WINDOW, Decision, Key

REPAY_FROM = "2020-07-01"
INSTALMENTS = 6
ANNOUNCED_DAYS = 7
GRACE_DAYS = 15
NO_SUPPLY = "provident_fund"

Account = tuple[str, str, str, str]
"""(uscc, utility, supplier, account number)"""


@dataclass(frozen=True)
class Known:
    """`facts`: by enterprise and event id, the day a fact became known. `granted`: by enterprise and application, since
    when without a break. `day`: the last one that started everywhere."""

    facts: Mapping[tuple[str, str], str]
    granted: Mapping[tuple[str, str], str]
    day: str

    def on(self, fact: Fact) -> str:
        return self.facts[fact.uscc, fact.event_id]


@dataclass
class Instalment:
    due_on: str
    amount_fen: int = 0
    paid_fen: int = 0

    @property
    def announced_on(self) -> str:
        return later(self.due_on, -ANNOUNCED_DAYS)


@dataclass(frozen=True)
class Stand:
    """One account. `deferred_fen`: of each bill, below 0 where it is overpaid. `corrected`: whether the sum or a bill
    changed once repayment had begun. `undecided`: an application for this due waits for its decision."""

    state: str
    bills_fen: int = 0
    lowered_fen: int = 0
    repaid_fen: int = 0
    deferred_fen: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    instalments: tuple[Instalment, ...] = ()
    corrected: bool = False
    undecided: bool = False

    @property
    def in_force(self) -> bool:
        return self.state in ("open", "repaying")

    def may_cut(self, utility: str) -> bool:
        """Whether the supply may be cut while it stands so."""
        return utility != NO_SUPPLY and not self.in_force and not self.undecided


def later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days)).isoformat()


def stands(facts: Iterable[Fact], decisions: Mapping[Key, Decision], known: Known) -> dict[Account, Stand]:
    """`facts`: all that were accepted, in order. Every account that a bill or a request has named."""
    by_uscc: dict[str, list[Fact]] = {}
    for fact in facts:
        by_uscc.setdefault(fact.uscc, []).append(fact)
    found: dict[Account, Stand] = {}
    for uscc, own in by_uscc.items():
        enterprise = _Enterprise(uscc, own, decisions, known)
        named = dict.fromkeys(_account(fact) for fact in own if fact.type in (BILL, DISCONNECTION))
        found |= {account: enterprise.stand(account) for account in named}
    return found


def _account(fact: Fact) -> Account:
    return fact.uscc, fact.text["utility"], fact.text["supplier_id"], fact.text["account_no"]


def _covered(bill: Fact) -> bool:
    return bill.flag["production_use"] and WINDOW[0] <= bill.text["due_on"] <= WINDOW[1]


class _Enterprise:
    def __init__(self, uscc: str, facts: list[Fact], decisions: Mapping[Key, Decision], known: Known) -> None:
        self._uscc, self._known = uscc, known
        self._outcomes = {key: one.outcome for (whose, what, key), one in decisions.items() if what == "holdover"
                          and whose == uscc}  # fmt: skip
        self._applications = [fact for fact in facts if fact.type == APPLIED]
        self._taken_back = {
            fact.text["application_id"]: min(fact.text["submitted_on"], known.on(fact))
            for fact in facts
            if fact.type == WITHDRAWN
        }
        self._bills: dict[str, list[Fact]] = {}
        for fact in facts:
            if fact.type == BILL:
                self._bills.setdefault(fact.text["bill_id"], []).append(fact)
        self._payments = [fact for fact in facts if fact.type == BILL_PAID]

    def stand(self, account: Account) -> Stand:
        since, taken_back_on, otherwise = self._claim(account[1])
        undecided = otherwise == "applied"
        mine = {name: versions[-1] for name, versions in self._bills.items() if _account(versions[-1]) == account}
        in_it = {name: bill for name, bill in mine.items() if since is not None and _covered(bill)}
        left_out = {name: _why_not(bill, since) for name, bill in mine.items() if name not in in_it}
        ever = [self._known.on(bill) for bill in self._versions() if _account(bill) == account and _covered(bill)]
        if since is None or not ever:
            state = "granted" if since is not None and taken_back_on is None else otherwise
            return Stand(state, left_out=left_out, undecided=undecided)
        begins = max(REPAY_FROM, since, min(ever))
        paid = [one for one in self._payments if one.text["bill_id"] in in_it]
        early = [one for one in paid if self._known.on(one) < begins]
        late = sorted((min(one.text["paid_on"], self._known.on(one)), one.number["amount_fen"])
                      for one in paid if one not in early)  # fmt: skip
        deferred = {name: bill.number["amount_fen"] for name, bill in in_it.items()}
        bills_fen = sum(deferred.values())
        for one in early:
            deferred[one.text["bill_id"]] -= one.number["amount_fen"]
        lowered_fen = bills_fen - sum(deferred.values())
        state, plan, corrected = "open", list[Instalment](), False
        if self._known.day >= begins:
            sums = self._sums(account, begins, lowered_fen)
            plan = _planned(sums)
            corrected = len({fen for _, fen in sums}) > 1 or self._corrected(account, begins)
            _pour(plan, sum(fen for _, fen in late))
            state = "repaying"
        end = min(_ends(plan, late, begins, self._known.day), default=None) if plan else None
        if end is not None and (taken_back_on is None or end[0] <= taken_back_on):
            state = "completed" if end[1] else "defaulted"
        elif taken_back_on is not None:
            state, plan = otherwise, []
        return Stand(state, bills_fen, lowered_fen, sum(fen for _, fen in late), deferred, left_out, tuple(plan),
                     corrected, undecided)  # fmt: skip

    def _claim(self, utility: str) -> tuple[str | None, str | None, str]:
        """Since when the due is granted, when that was taken back, and the state where nothing is in force."""
        granted, ended, words = [], [], set()
        for one in self._applications:
            if utility not in json.loads(one.content)[1]["utilities"]:
                continue
            name = one.text["application_id"]
            outcome, back = self._outcomes[name], self._taken_back.get(name, "9999-12-31")
            since = self._known.granted.get((self._uscc, name), "") if outcome == "granted" else ""
            if back <= self._known.day:
                words.add("withdrawn")
                if outcome == "granted":
                    ended.append((back, name, since))
            elif outcome == "granted":
                granted.append((one.text["submitted_on"], name, since))
            else:
                words.add("applied" if outcome == "pending" else "denied")
        otherwise = next((word for word in ("applied", "withdrawn", "denied") if word in words), "none")
        if granted:
            return min(granted)[2], None, otherwise
        if ended:
            back, _, since = max(ended)
            return since, back, otherwise
        return None, None, otherwise

    def _corrected(self, account: Account, begins: str) -> bool:
        """Whether a version that is not the first came on the day that repayment began, or later: what was told in
        between, of another sum or of a bill that has gone to another account, stands."""
        of_it = [versions for versions in self._bills.values() if any(_account(one) == account for one in versions)]
        return any(self._known.on(one) >= begins for versions in of_it for one in versions[1:])

    def _versions(self) -> list[Fact]:
        return [bill for versions in self._bills.values() for bill in versions]

    def _sums(self, account: Account, begins: str, lowered_fen: int) -> list[tuple[str, int]]:
        """What was to be repaid from each day on, as it was known then; the first is of the day repayment begins."""
        days = {begins} | {self._known.on(bill) for bill in self._versions() if self._known.on(bill) > begins}
        sums = []
        for day in sorted(days):
            newest = [[one for one in versions if self._known.on(one) <= day][-1:] for versions in self._bills.values()]
            counting = [one for of in newest for one in of if _account(one) == account and _covered(one)]
            sums.append((day, max(0, sum(one.number["amount_fen"] for one in counting) - lowered_fen)))
        return sums


def _why_not(bill: Fact, since: str | None) -> str:
    if not bill.flag["production_use"]:
        return "not_production"
    return "no_grant" if since is None else "outside_window"


def _planned(sums: list[tuple[str, int]]) -> list[Instalment]:
    """What was announced stands, and changes go to the others; with none left it is one more. Downwards the latest of
    those announced give way first."""
    plan: list[Instalment] = []
    for day, total_fen in sums:
        stand = [one for one in plan if one.announced_on <= day]
        others = plan[len(stand) :] if plan else _month_ends(day, INSTALMENTS)
        rest = total_fen - sum(one.amount_fen for one in stand)
        if rest > 0 and not others:
            others = _month_ends(day, 1)
        for place, one in enumerate(others):
            one.amount_fen = max(0, rest) // len(others) + (max(0, rest) % len(others) if place == 0 else 0)
        for one in reversed(stand):
            less = min(one.amount_fen, max(0, -rest))
            one.amount_fen -= less
            rest += less
        plan = stand + others
    return plan


def _month_ends(after: str, count: int) -> list[Instalment]:
    """On the next last days of months that can still be announced."""
    found: list[Instalment] = []
    day = after
    while len(found) < count:
        if later(day, 1)[8:] == "01" and Instalment(day).announced_on > after:
            found.append(Instalment(day))
        day = later(day, 1)
    return found


def _pour(plan: list[Instalment], fen: int) -> None:
    """The oldest first."""
    for one in plan:
        one.paid_fen = min(fen, one.amount_fen)
        fen -= one.paid_fen


def _ends(plan: list[Instalment], late: list[tuple[str, int]], begins: str, today: str) -> Iterable[tuple[str, bool]]:
    """(day, whether repaid): when each grace ended that was not kept, and when all was repaid. What is paid on the day
    after the grace is too late, also where it pays all: False sorts first."""
    asked = 0
    for one in plan:
        asked += one.amount_fen
        last = later(one.due_on, GRACE_DAYS)
        if last < today and sum(fen for dated, fen in late if dated <= last) < asked:
            yield later(last, 1), False
    given, day = 0, begins
    for dated, fen in late:
        if given < asked:
            given, day = given + fen, max(day, dated)
    if given >= asked:
        yield day, True
