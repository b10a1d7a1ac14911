"""The rules once more, for the tests: read day by day and fen by fen, with nothing of the domain's own reckoning."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from services.holdover.domain.arrivals import (
    ApplicationHandedIn,
    ApplicationRuled,
    ApplicationTakenBack,
    BillIssued,
    BillPaid,
    Fact,
)
from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms

ONE = timedelta(days=1)


class Seen(NamedTuple):
    """A fact, and the last day that had started in its log when it came."""

    known_on: date
    fact: Fact


class Pile(NamedTuple):
    due_on: date
    amount_fen: int
    paid_fen: int


class Reading(NamedTuple):
    state: str
    bills_fen: int
    lowered_fen: int
    repaid_fen: int
    net_fen: dict[str, int]
    left_out: dict[str, str]
    instalments: list[Pile]


def read(seen: Sequence[Seen], account: Account, day: date) -> Reading:
    """How the account stands on `day`, the last that started in both logs."""
    granted, withdrawn_on, otherwise = _who_counts(seen, account.utility, day)
    issued = _newest_of_each(seen)
    mine = {name: bill for name, (_, bill) in issued.items() if bill.account == account}
    terms = granted[1] if granted else None
    left_out = {name: why for name, bill in mine.items() if (why := _why_not(bill, terms))}
    covered = {name: bill for name, bill in mine.items() if name not in left_out}
    if granted is None or terms is None:
        return Reading(otherwise, 0, 0, 0, {}, left_out, [])
    known = [one.known_on for one in _versions(seen) if _counts(one.fact, account, terms)]
    if not known:
        return Reading("granted" if withdrawn_on is None else otherwise, 0, 0, 0, {}, left_out, [])
    begins = max(terms.repay_from, granted[0], min(known))
    payments = [(known_on, one) for known_on, one in _payments(seen) if one.bill_id in covered]
    early = [one for known_on, one in payments if known_on < begins]
    late = [(min(one.paid_on, known_on), one.amount_fen) for known_on, one in payments if known_on >= begins]
    net = {
        name: bill.amount_fen - sum(one.amount_fen for one in early if one.bill_id == name)
        for name, bill in covered.items()
    }
    lowered = sum(payment.amount_fen for payment in early)
    sums = sum(bill.amount_fen for bill in covered.values()), lowered, sum(fen for _, fen in late)
    if day < begins:
        state = "open" if withdrawn_on is None else otherwise
        return Reading(state, *sums, net, left_out, [])
    piles = _pile_up(seen, account, terms, begins, lowered, day)
    full = _pour(piles, [fen for _, fen in late])
    ends = _ends(piles, late, terms, begins, day)
    # What is paid on the day after the grace is paid too late, also where it pays all.
    first = min(ends, key=lambda end: (end[0], end[1] != "defaulted"), default=None)
    if first is not None and (withdrawn_on is None or first[0] <= withdrawn_on):
        return Reading(first[1], *sums, net, left_out, full)
    if withdrawn_on is not None:
        return Reading(otherwise, *sums, net, left_out, [])
    return Reading("repaying", *sums, net, left_out, full)


def _payments(seen: Iterable[Seen]) -> list[tuple[date, BillPaid]]:
    found: dict[str, tuple[date, BillPaid]] = {}
    for one in seen:
        if isinstance(one.fact, BillPaid):
            found.setdefault(one.fact.payment_id, (one.known_on, one.fact))
    return list(found.values())


def _who_counts(
    seen: Sequence[Seen], utility: str, day: date
) -> tuple[tuple[date, Terms | None] | None, date | None, str]:
    """(since when and by which terms, when it was taken back, the state without it)."""
    asks = {one.fact.application_id: one.fact for one in seen if isinstance(one.fact, ApplicationHandedIn)}
    backs: dict[str, date] = {}
    for one in seen:
        if isinstance(one.fact, ApplicationTakenBack):
            backs.setdefault(one.fact.application_id, min(one.fact.submitted_on, one.known_on))
    standing, ended, words = [], [], set()
    for name, ask in asks.items():
        if utility not in ask.utilities:
            continue
        since, terms, outcome, revision = date.max, None, "pending", 0
        for one in seen:
            ruled = one.fact
            if isinstance(ruled, ApplicationRuled) and ruled.application_id == name and ruled.revision > revision:
                since = one.known_on if outcome != "granted" else since
                revision, outcome, terms = ruled.revision, ruled.outcome, ruled.terms
        if name in backs and backs[name] <= day:
            words.add("withdrawn")
            if outcome == "granted":
                ended.append((backs[name], name, since, terms))
        elif outcome == "granted":
            standing.append((ask.submitted_on, name, since, terms))
        else:
            words.add("applied" if outcome == "pending" else "denied")
    otherwise = "none"
    for word in ("denied", "withdrawn", "applied"):
        otherwise = word if word in words else otherwise
    if standing:
        counts = sorted(standing)[0]
        return (counts[2], counts[3]), None, otherwise
    if ended:
        counts = sorted(ended)[-1]
        return (counts[2], counts[3]), counts[0], otherwise
    return None, None, otherwise


def _versions(seen: Iterable[Seen]) -> list[Seen]:
    """The versions of bills that counted when they came: each above the one before it."""
    highest: dict[str, int] = {}
    found = []
    for one in seen:
        if isinstance(one.fact, BillIssued) and one.fact.version > highest.get(one.fact.bill_id, 0):
            highest[one.fact.bill_id] = one.fact.version
            found.append(one)
    return found


def _newest_of_each(seen: Iterable[Seen], until: date = date.max) -> dict[str, tuple[date, BillIssued]]:
    return {
        one.fact.bill_id: (one.known_on, one.fact)
        for one in _versions(seen)
        if isinstance(one.fact, BillIssued) and one.known_on <= until
    }


def _why_not(bill: BillIssued, terms: Terms | None) -> str | None:
    if not bill.production_use:
        return "not_production"
    if terms is None:
        return "no_grant"
    return None if terms.window_first <= bill.due_on <= terms.window_last else "outside_window"


def _counts(fact: object, account: Account, terms: Terms) -> bool:
    return isinstance(fact, BillIssued) and fact.account == account and _why_not(fact, terms) is None


def _pile_up(
    seen: Sequence[Seen], account: Account, terms: Terms, begins: date, lowered: int, day: date
) -> list[tuple[date, int]]:
    """(date, fen) of each instalment, after every day on which anything became known."""
    dates: list[date] = []
    piles: list[int] = []
    before = -1
    today = begins
    while today <= max(day, *(one.known_on for one in seen)):
        newest = _newest_of_each(seen, today).values()
        total = max(0, sum(bill.amount_fen for _, bill in newest if _counts(bill, account, terms)) - lowered)
        if total != before:
            stands = [number for number, due in enumerate(dates) if due - terms.remind_days * ONE <= today]
            if not dates:
                dates = _ends_of_months(today, terms, terms.instalments)
            open_ones = [number for number in range(len(dates)) if number not in stands]
            kept = sum(piles[number] for number in stands)
            if total > kept and not open_ones:
                dates += _ends_of_months(today, terms, 1)
                open_ones = [len(dates) - 1]
            piles += [0] * (len(dates) - len(piles))
            for number in open_ones:
                piles[number] = 0
            _fill(piles, open_ones, max(0, total - kept))
            for _ in range(max(0, kept - total)):
                last = max(number for number in stands if piles[number])
                piles[last] -= 1
        before, today = total, today + ONE
    return list(zip(dates, piles, strict=True))


def _fill(piles: list[int], numbers: list[int], fen: int) -> None:
    while numbers and fen >= len(numbers):
        for number in numbers:
            piles[number] += 1
            fen -= 1
    if numbers:
        piles[numbers[0]] += fen


def _ends_of_months(today: date, terms: Terms, count: int) -> list[date]:
    found: list[date] = []
    one = today
    while len(found) < count:
        if one.month != (one + ONE).month and one - terms.remind_days * ONE > today:
            found.append(one)
        one += ONE
    return found


def _pour(piles: Sequence[tuple[date, int]], amounts: Iterable[int]) -> list[Pile]:
    filled = [0] * len(piles)
    number = 0
    for _ in range(sum(amounts)):
        while number < len(piles) and filled[number] == piles[number][1]:
            number += 1
        if number < len(piles):
            filled[number] += 1
    return [Pile(due, fen, got) for (due, fen), got in zip(piles, filled, strict=True)]


def _ends(
    piles: Sequence[tuple[date, int]], late: Sequence[tuple[date, int]], terms: Terms, begins: date, day: date
) -> list[tuple[date, str]]:
    """When it was repaid, and when an instalment was seen unpaid after its grace."""
    found = []
    for number, (due, _) in enumerate(piles):
        last = due + terms.grace_days * ONE
        in_time = _pour(piles, [fen for dated, fen in late if dated <= last])[number]
        if last < day and in_time.paid_fen < in_time.amount_fen:
            found.append((last + ONE, "defaulted"))
    if sum(fen for _, fen in late) >= sum(fen for _, fen in piles):
        today = begins
        while sum(fen for dated, fen in late if dated <= today) < sum(fen for _, fen in piles):
            today += ONE
        if today <= day:
            found.append((today, "completed"))
    return found
