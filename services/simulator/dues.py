"""Utility bills and what becomes of them, and the applications an enterprise hands in."""

import random

from services.simulator.calendar import REFERENCE_MONTHS, Month, day, day_text
from services.simulator.firm import Firm, between
from services.simulator.labour import office_hour
from services.simulator.wire import (
    BillIssued,
    BillPaid,
    DisconnectionRequested,
    Fact,
    HoldoverApplied,
    HoldoverWithdrawal,
    RefundDeclined,
)

_BILLED = (REFERENCE_MONTHS[-1], *(Month(2020, month) for month in range(1, 7)))
_WINDOW = (day("2020-02-01"), day("2020-06-30"))
_BEFORE, _AFTER = (day("2020-01-10"), day("2020-01-31")), (day("2020-07-01"), day("2020-07-06"))
_LAST = day("2020-06-30")
# (utility, share of firms with such an account, most bills of it, yuan per employee and month)
_UTILITIES = (
    ("electricity", 0.95, 3, 180),
    ("water", 0.35, 2, 30),
    ("gas", 0.2, 2, 90),
    ("provident_fund", 0.15, 2, 420),
)


def utility_facts(firm: Firm, rng: random.Random) -> list[Fact]:
    facts: list[Fact] = []
    for utility, share, most, yuan in _UTILITIES:
        if rng.random() >= share:
            continue
        supplier = f"{utility}-{firm.prefecture.code}-{between(rng, 1, 3)}"
        account = f"{int(rng.random() * 10**10):010d}"
        production = rng.random() < 0.85
        count = between(rng, 1, most)
        start = between(rng, 0, len(_BILLED) - count)
        for month in _BILLED[start : start + count]:
            if month.last < firm.registered or (firm.deregistered is not None and firm.deregistered < month.first):
                continue
            amount = int((1 + firm.insured) * yuan * 100 * rng.lognormvariate(0, 0.5)) + 1
            bill = BillIssued(
                uscc=firm.uscc,
                bill_id=f"{firm.organisation}-{utility}-{month.compact}",
                utility=utility,
                supplier_id=supplier,
                account_no=account,
                period=month.period,
                amount_fen=amount,
                due_on=day_text(month.last + 20),
                production_use=production,
            )
            issued = month.last - between(rng, 0, 4)
            facts.append(Fact(office_hour(rng, issued), f"bi-{bill.bill_id}-1", bill))
            _after_the_bill(bill, issued, rng, facts)
    return facts


def _after_the_bill(bill: BillIssued, issued: int, rng: random.Random, facts: list[Fact]) -> None:
    later = issued + between(rng, 2, 30)
    kind = rng.random()
    if later > _LAST or kind >= 0.32:
        return
    if kind < 0.3:
        amount = bill.amount_fen if rng.random() < 0.8 else max(1, bill.amount_fen // between(rng, 2, 5))
        payment_id = f"{bill.bill_id}-p1"
        paid = BillPaid(
            uscc=bill.uscc,
            bill_id=bill.bill_id,
            payment_id=payment_id,
            amount_fen=amount,
            paid_on=day_text(later),
        )
        facts.append(Fact(office_hour(rng, later), f"bp-{payment_id}", paid))
        return
    request_id = f"{bill.bill_id}-cut"
    request = DisconnectionRequested(
        uscc=bill.uscc,
        request_id=request_id,
        utility=bill.utility,
        supplier_id=bill.supplier_id,
        account_no=bill.account_no,
        reason="bill unpaid",
        requested_on=day_text(later),
    )
    facts.append(Fact(office_hour(rng, later), f"dr-{request_id}", request))


def application_facts(firm: Firm, utilities: list[str], rng: random.Random) -> list[Fact]:
    """Holdover applications (now and then withdrawn) and refunds declined; `utilities` are those it has bills of."""
    facts: list[Fact] = []
    if rng.random() < 0.03:
        _holdover(firm, utilities or ["electricity"], rng, facts)
    if rng.random() < 0.006:
        submitted = between(rng, *_WINDOW)
        declined = RefundDeclined(
            uscc=firm.uscc,
            application_id=_id(rng),
            year=2019 if rng.random() < 0.85 else 2018,
            submitted_on=day_text(submitted),
        )
        facts.append(Fact(office_hour(rng, submitted), f"rd-{declined.application_id}", declined))
    return facts


def _holdover(firm: Firm, utilities: list[str], rng: random.Random, facts: list[Fact]) -> None:
    kind = rng.random()
    if kind < 0.04:
        submitted = between(rng, *_BEFORE)
    elif kind < 0.08:
        submitted = between(rng, *_AFTER)
    elif kind < 0.16:
        # The window's edges, inside and out.
        submitted = (_WINDOW[0], _WINDOW[1], _BEFORE[1], _AFTER[0])[between(rng, 0, 3)]
    else:
        submitted = between(rng, *_WINDOW)
    application_id = _id(rng)
    applied = HoldoverApplied(
        uscc=firm.uscc,
        application_id=application_id,
        utilities=tuple(utilities),
        declared_difficulty=rng.random() < 0.92,
        contact=f"office@{firm.uscc.lower()}.example",
        submitted_on=day_text(submitted),
    )
    at = office_hour(rng, submitted)
    facts.append(Fact(at, f"ha-{application_id}", applied))
    withdrawn = submitted + between(rng, 1, 20)
    if rng.random() < 0.05 and withdrawn <= _LAST:
        data = HoldoverWithdrawal(uscc=firm.uscc, application_id=application_id, submitted_on=day_text(withdrawn))
        facts.append(Fact(office_hour(rng, withdrawn), f"hw-{application_id}", data))


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(128):032x}"
