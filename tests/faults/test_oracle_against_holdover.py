"""The oracle's reading of holdovers and holdover's own, over histories drawn at random: two codes, one law."""

import random
from datetime import date, timedelta

from services.holdover.domain.arrivals import ApplicationHandedIn, ApplicationRuled, ApplicationTakenBack, BillIssued
from services.holdover.domain.arrivals import BillPaid as Paid
from services.holdover.domain.facts import Facts
from services.holdover.domain.identity import Account
from services.holdover.domain.standing import standing
from services.holdover.domain.terms import Terms

from .oracle import judge
from .oracle_events import Event, applied, bill, bill_paid, changed, line, registered, uscc, withdrawn
from .oracle_holdovers import Known, stands
from .oracle_records import APPLIED, BILL, BILL_PAID, WITHDRAWN, Fact

FIRM = uscc(1)
FIRST = date(2020, 2, 20)
TERMS = Terms(date(2020, 2, 1), date(2020, 6, 30), date(2020, 7, 1), 6, 15, 7)
# The last day of deferral, of an announcement, of a grace, and the days after them.
EDGES = [date(2020, *day) for day in ((6, 30), (7, 1), (7, 23), (7, 24), (8, 15), (8, 16), (9, 15), (9, 16))]
HISTORIES = 600


def history(rng: random.Random) -> list[Event]:
    """Bills of two accounts, corrected, moved, paid; applications that are granted, denied and taken back."""
    events = [registered(FIRM)]
    for number in range(rng.randrange(1, 3)):
        on = rng.choice(["2020-03-02", "2020-04-02", "2020-07-02"])
        events.append(applied(FIRM, f"a{number}", on, "gas", difficulty=rng.random() < 0.9))
        if rng.random() < 0.3:
            events.append(withdrawn(FIRM, f"a{number}", day(rng)))
    for number in range(rng.randrange(4)):
        name = f"b{number}"
        for version in range(1, rng.choice([2, 2, 3, 4])):
            fields = {
                "account_no": rng.choice("778"), "production_use": rng.random() < 0.9,
                "due_on": rng.choice(["2020-04-20", "2020-06-30", "2020-07-01"]),
            }  # fmt: skip
            events.append(changed(bill(FIRM, name, rng.randrange(400), version), **fields))
        for payment in range(rng.randrange(3)):
            paid = bill_paid(FIRM, name, f"{name}-p{payment}", rng.randrange(1, 300))
            events.append(changed(paid, paid_on=day(rng)))
    return events


def day(rng: random.Random) -> str:
    return (rng.choice(EDGES) if rng.random() < 0.3 else FIRST + timedelta(rng.randrange(340))).isoformat()


def take(facts: Facts, fact: Fact, known_on: date) -> None:
    text, number = fact.text, fact.number
    if fact.type == APPLIED:
        told = ApplicationHandedIn(FIRM, text["application_id"], ("gas",), date.fromisoformat(text["submitted_on"]))
        told.take(facts, known_on)
    elif fact.type == WITHDRAWN:
        back = ApplicationTakenBack(FIRM, text["application_id"], date.fromisoformat(text["submitted_on"]))
        back.take(facts, known_on)
    elif fact.type == BILL:
        account = Account("gas", text["supplier_id"], text["account_no"])
        due_on = date.fromisoformat(text["due_on"])
        issued = BillIssued(FIRM, text["bill_id"], fact.version, account, text["period"], due_on,
                            number["amount_fen"], fact.flag["production_use"])  # fmt: skip
        issued.take(facts, known_on)
    elif fact.type == BILL_PAID:
        paid_on = date.fromisoformat(text["paid_on"])
        Paid(FIRM, text["bill_id"], text["payment_id"], number["amount_fen"], paid_on).take(facts, known_on)


def compared(rng: random.Random) -> set[str]:
    """Both readings of one history; the states that were compared."""
    verdicts = judge(line(one) for one in history(rng))
    # Days go on while facts come, in the order of the file.
    lasting = rng.choice([60, 180, 340])
    came = sorted(FIRST + timedelta(rng.randrange(lasting)) for _ in verdicts.facts)
    facts = Facts()
    known: dict[tuple[str, str], str] = {}
    for fact, on in zip(verdicts.facts, came, strict=True):
        known[fact.uscc, fact.event_id] = on.isoformat()
        take(facts, fact, on)
    granted: dict[tuple[str, str], str] = {}
    for (_, measure, key), decision in verdicts.decisions.items():
        if measure == "holdover" and decision.outcome in ("granted", "denied"):
            since = FIRST + timedelta(rng.randrange(lasting))
            terms = TERMS if decision.outcome == "granted" else None
            ApplicationRuled(FIRM, key, 1, decision.outcome, terms).take(facts, since)  # type: ignore[arg-type]
            if decision.outcome == "granted":
                granted[FIRM, key] = since.isoformat()
    later = [one for one in EDGES if one >= max(came)]
    today = rng.choice(later) if later and rng.random() < 0.5 else max(came) + timedelta(rng.randrange(lasting))
    found = stands(verdicts.facts, verdicts.decisions, Known(known, granted, today.isoformat()))
    for (_, _, supplier, number), mine in found.items():
        theirs = standing(facts, Account("gas", supplier, number), today)
        assert (mine.state, mine.bills_fen, mine.lowered_fen, mine.repaid_fen) == (
            theirs.state, theirs.bills_fen, theirs.lowered_fen, theirs.repaid_fen,
        )  # fmt: skip
        assert dict(mine.deferred_fen) == dict(theirs.net_fen)
        assert dict(mine.left_out) == dict(theirs.left_out)
        assert mine.undecided == theirs.undecided
        assert [(one.due_on, one.amount_fen, one.paid_fen) for one in mine.instalments] == [
            (one.due_on.isoformat(), one.amount_fen, one.paid_fen) for one in theirs.instalments
        ]
    return {one.state for one in found.values()}


def test_both_readings_say_the_same_of_histories_drawn_at_random() -> None:
    states: set[str] = set()
    for seed in range(HISTORIES):
        states |= compared(random.Random(seed))
    assert states >= {"open", "repaying", "completed", "defaulted", "withdrawn", "denied"}
