"""Utility bills and what becomes of them: payments, corrections, requests to cut the supply."""

import random
from dataclasses import dataclass

import msgspec

from services.simulator.calendar import REFERENCE_MONTHS, WINDOW, Month, day, day_text
from services.simulator.firm import Firm, between
from services.simulator.labour import office_hour
from services.simulator.wire import BillIssued, BillPaid, DisconnectionRequested, Fact

BILLED = (REFERENCE_MONTHS[-1], *(Month(2020, month) for month in range(1, 7)))
_LAST = day("2020-06-30")
_USUAL_DAYS = 20
# The last day outside and the first inside of the window, and the other way round: a bill may fall due on any of them.
_EDGES = (WINDOW[0] - 1, *WINDOW, WINDOW[1] + 1)
_EDGE_DAYS = 35
# (utility, share of firms with such an account, most bills of it, yuan per employee and month)
_UTILITIES = (
    ("electricity", 0.95, 3, 180),
    ("water", 0.35, 2, 30),
    ("gas", 0.2, 2, 90),
    ("provident_fund", 0.15, 2, 420),
)


@dataclass(frozen=True, slots=True)
class Account:
    """A supplier's account of a firm; `production`: what it supplies is used for production."""

    utility: str
    supplier_id: str
    account_no: str
    production: bool


@dataclass(frozen=True, slots=True)
class _Habits:
    """Shares of bills: those that are paid at all before July, and of the others those followed by a request to cut."""

    pays: float
    cut: float


_USUAL, _STRAINED = _Habits(0.29, 0.02), _Habits(0.16, 0.2)


def utility_facts(firm: Firm, strained: bool, rng: random.Random) -> tuple[list[Fact], list[Account]]:
    """All that its suppliers tell of a firm, and its accounts with bills; `strained`: it is to apply for a deferral."""
    facts: list[Fact] = []
    accounts: list[Account] = []
    for utility, share, most, yuan in _UTILITIES:
        if rng.random() >= share:
            continue
        account = Account(
            utility,
            f"{utility}-{firm.prefecture.code}-{between(rng, 1, 3)}",
            f"{int(rng.random() * 10**10):010d}",
            rng.random() < 0.85,
        )
        count = between(rng, 1, most)
        start = between(rng, 0, len(BILLED) - count)
        before = len(facts)
        for month in BILLED[start : start + count]:
            if month.last >= firm.registered and (firm.deregistered is None or firm.deregistered >= month.first):
                _bill(firm, account, month, yuan, _STRAINED if strained else _USUAL, rng, facts)
        if len(facts) > before:
            accounts.append(account)
    if rng.random() < 0.005:
        _unknown_account(firm, rng, facts)
    return facts, accounts


def _bill(
    firm: Firm, account: Account, month: Month, yuan: int, habits: _Habits, rng: random.Random, facts: list[Fact]
) -> None:
    bill = BillIssued(
        uscc=firm.uscc,
        bill_id=f"{firm.organisation}-{account.utility}-{month.compact}",
        utility=account.utility,
        supplier_id=account.supplier_id,
        account_no=account.account_no,
        period=month.period,
        amount_fen=int((1 + firm.insured) * yuan * 100 * rng.lognormvariate(0, 0.5)) + 1,
        due_on=day_text(_due(month, rng)),
        production_use=account.production,
    )
    issued = month.last - between(rng, 0, 4)
    # Not of June: what comes after the last of the region's days is the live suppliers' to tell.
    corrected = rng.random() < 0.02 and month is not BILLED[-1]
    facts.append(Fact(office_hour(rng, issued), f"bi-{bill.bill_id}-1", bill, corrected))
    if corrected:
        at = office_hour(rng, issued + between(rng, 1, 30))
        facts.append(Fact(at, f"bi-{bill.bill_id}-2", _correction(bill, rng)))
    kind = rng.random()
    if kind < habits.pays:
        _payments(bill, issued, rng, facts)
    elif rng.random() < habits.cut:
        on = issued + between(rng, 2, 60)
        if on <= _LAST:
            facts.append(request(bill.uscc, account, f"{bill.bill_id}-cut", "bill unpaid", on, rng))


def _due(month: Month, rng: random.Random) -> int:
    """Usually twenty days after its month; some on an edge of the window that comes soon."""
    edges = [edge for edge in _EDGES if 0 <= edge - month.last <= _EDGE_DAYS]
    if edges and rng.random() < 0.2:
        return edges[int(rng.random() * len(edges))]
    return month.last + _USUAL_DAYS


def _correction(bill: BillIssued, rng: random.Random) -> BillIssued:
    """Version 2: mostly another amount; some were on a wrong account, or for another use."""
    kind = rng.random()
    if kind < 0.2:
        return msgspec.structs.replace(bill, version=2, account_no=f"{int(rng.random() * 10**10):010d}")
    if kind < 0.4:
        return msgspec.structs.replace(bill, version=2, production_use=not bill.production_use)
    amount = bill.amount_fen * between(rng, 50, 150) // 100 + 1
    return msgspec.structs.replace(bill, version=2, amount_fen=amount)


def _payments(bill: BillIssued, issued: int, rng: random.Random, facts: list[Fact]) -> None:
    """In full, in part, in two parts, too much, or before the bill is out."""
    amounts, on = [bill.amount_fen], issued + between(rng, 2, 30)
    kind = rng.random()
    if kind < 0.15:
        amounts = [bill.amount_fen // between(rng, 2, 5)]
    elif kind < 0.22:
        amounts = [bill.amount_fen // 2, bill.amount_fen - bill.amount_fen // 2]
    elif kind < 0.26:
        amounts = [bill.amount_fen + 1 + bill.amount_fen * between(rng, 0, 20) // 100]
    elif kind < 0.29:
        on = issued - between(rng, 1, 5)
    for number, amount in enumerate(amounts, start=1):
        paid_on = on + (number - 1) * 6
        if amount == 0 or paid_on > _LAST:
            continue
        payment_id = f"{bill.bill_id}-p{number}"
        paid = BillPaid(
            uscc=bill.uscc,
            bill_id=bill.bill_id,
            payment_id=payment_id,
            amount_fen=amount,
            paid_on=day_text(paid_on),
        )
        facts.append(Fact(office_hour(rng, paid_on), f"bp-{payment_id}", paid))


def request(uscc: str, account: Account, request_id: str, reason: str, on: int, rng: random.Random) -> Fact:
    """A supplier asks whether it may cut the supply; `on` is an ordinal."""
    data = DisconnectionRequested(
        uscc=uscc,
        request_id=request_id,
        utility=account.utility,
        supplier_id=account.supplier_id,
        account_no=account.account_no,
        reason=reason,
        requested_on=day_text(on),
    )
    return Fact(office_hour(rng, on), f"dr-{request_id}", data)


def _unknown_account(firm: Firm, rng: random.Random, facts: list[Fact]) -> None:
    """A request about an account that never had a bill."""
    number = f"{int(rng.random() * 10**10):010d}"
    account = Account("electricity", f"electricity-{firm.prefecture.code}-{between(rng, 1, 3)}", number, False)
    on = between(rng, *WINDOW)
    facts.append(request(firm.uscc, account, f"{firm.organisation}-{number}-cut", "nobody signed for it", on, rng))
