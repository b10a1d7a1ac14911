"""How one account stands: a pure function of what is known of the enterprise and the day, in whatever order it came."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Literal, NamedTuple

import msgspec

from services.holdover.domain.facts import Bill, Facts, Payment, Ruling
from services.holdover.domain.identity import WITHOUT_SUPPLY, Account
from services.holdover.domain.schedule import Due, Instalment, graces, month_ends, paid, plan, repaid_on
from services.holdover.domain.states import IN_FORCE, State
from services.holdover.domain.terms import Terms

LeftOut = Literal["not_production", "no_grant", "outside_window"]
Versions = tuple[Bill, ...]


class Claim(NamedTuple):
    """The application that counts for a due, and the state without it: see `claim_on`. `changes_on`: when a withdrawal
    that is known begins to count.
    """

    application_id: str | None
    ruling: Ruling | None
    withdrawn_on: date | None
    otherwise: State
    changes_on: date | None


class Standing(msgspec.Struct, frozen=True):
    """One account on one day.

    `bills_fen`: of the bills in the holdover; `lowered_fen` and `repaid_fen`: of their payments, before and after
    repayment began. `net_fen` of each bill is signed: what is deferred of it, or by how much it is overpaid.
    `protected_until`: at the latest. `next_due`: the next day on which something happens by itself.
    """

    state: State
    application_id: str | None
    begun_on: date | None
    bills_fen: int
    lowered_fen: int
    repaid_fen: int
    net_fen: Mapping[str, int]
    left_out: Mapping[str, LeftOut]
    instalments: tuple[Instalment, ...]
    repayments: Mapping[str, Payment]
    protected_until: date | None
    undecided: bool
    next_due: date | None

    @property
    def paid_fen(self) -> int:
        return self.lowered_fen + self.repaid_fen

    @property
    def open_fen(self) -> int:
        """The running sum: bills minus payments."""
        return max(0, self.bills_fen - self.paid_fen)

    @property
    def surplus_fen(self) -> int:
        """What was paid beyond all bills: reported, for the supplier to give back."""
        return max(0, self.paid_fen - self.bills_fen)


class _Life(NamedTuple):
    """What repayment has come to: the plan, and the first day of each end it may have met."""

    instalments: list[Instalment]
    defaulted_on: date | None
    completed_on: date | None
    next_due: date | None


def claim_on(facts: Facts, utility: str, day: date) -> Claim:
    """Which of the applications for a due counts: the first one granted and not taken back. There is one holdover,
    however many applications ask for it. With none in force: the granted one that was taken back last.
    """
    live: list[tuple[date, str]] = []
    gone: list[tuple[date, str]] = []
    others: set[State] = set()
    to_come: list[date] = []
    for identity, application in facts.applications.items():
        if utility not in application.utilities:
            continue
        ruling, withdrawal = facts.rulings.get(identity), facts.withdrawals.get(identity)
        if withdrawal is not None and withdrawal.dated > day:
            to_come.append(withdrawal.dated)
            withdrawal = None
        if withdrawal is not None:
            others.add("withdrawn")
            if ruling is not None and ruling.outcome == "granted":
                gone.append((withdrawal.dated, identity))
        elif ruling is None or ruling.outcome == "pending":
            others.add("applied")
        elif ruling.outcome == "denied":
            others.add("denied")
        else:
            live.append((application.submitted_on, identity))
    ranked: tuple[State, ...] = ("applied", "withdrawn", "denied")
    otherwise: State = next((state for state in ranked if state in others), "none")
    changes_on = min(to_come, default=None)
    if live:
        _, counts = min(live)
        return Claim(counts, facts.rulings[counts], None, otherwise, changes_on)
    if gone:
        withdrawn_on, counts = max(gone)
        return Claim(counts, facts.rulings[counts], withdrawn_on, otherwise, changes_on)
    return Claim(None, None, None, otherwise, changes_on)


def standing(facts: Facts, account: Account, day: date) -> Standing:
    """`day`: the last one that started. Nothing here depends on the order in which the facts came."""
    claim = claim_on(facts, account.utility, day)
    terms = claim.ruling.terms if claim.ruling is not None else None
    own, left_out = _bills(facts, account, terms)
    since = claim.ruling.since if claim.ruling is not None else None
    if terms is None or since is None:
        return _nothing(claim, claim.otherwise, left_out)
    known = _first_known(facts, account, terms)
    if known is None:
        state: State = "granted" if claim.withdrawn_on is None else claim.otherwise
        return _nothing(claim, state, left_out)
    begins = max(terms.repay_from, since, known)
    payments = {identity: one for identity, one in facts.payments.items() if one.bill_id in own}
    repayments = {identity: one for identity, one in payments.items() if one.known_on >= begins}
    net = {identity: versions[-1].amount_fen for identity, versions in own.items()}
    bills_fen = sum(net.values())
    for identity, payment in payments.items():
        if identity not in repayments:
            net[payment.bill_id] -= payment.amount_fen
    lowered_fen = bills_fen - sum(net.values())
    if day < begins:
        life = _Life([], None, None, begins)
        ends = month_ends(begins, terms.instalments, terms.remind_days)[-1].due_on
    else:
        dues = _dues(facts, account, terms, begins, lowered_fen)
        life = _life(dues, terms, list(repayments.values()), day)
        ends = life.instalments[-1].due_on
    state = _state(claim, life, begins, day)
    in_force = state in IN_FORCE
    to_come = [one for one in (claim.changes_on, life.next_due if in_force else None) if one is not None]
    protected = in_force and account.utility != WITHOUT_SUPPLY
    return Standing(
        state,
        claim.application_id,
        max(since, known),
        bills_fen,
        lowered_fen,
        sum(one.amount_fen for one in repayments.values()),
        net,
        left_out,
        () if state == claim.otherwise else tuple(life.instalments),
        repayments,
        ends + timedelta(days=terms.grace_days) if protected else None,
        claim.otherwise == "applied",
        min(to_come, default=None),
    )


def _nothing(claim: Claim, state: State, left_out: Mapping[str, LeftOut]) -> Standing:
    """Nothing is deferred."""
    undecided = claim.otherwise == "applied"
    return Standing(state, claim.application_id, None, 0, 0, 0, {}, left_out, (), {}, None, undecided, claim.changes_on)


def _bills(facts: Facts, account: Account, terms: Terms | None) -> tuple[dict[str, Versions], dict[str, LeftOut]]:
    """The account's bills that are in the holdover, and why each other one is not."""
    own: dict[str, Versions] = {}
    left_out: dict[str, LeftOut] = {}
    for identity, versions in facts.bills.items():
        latest = versions[-1]
        if latest.account != account:
            continue
        if not latest.production_use:
            left_out[identity] = "not_production"
        elif terms is None:
            left_out[identity] = "no_grant"
        elif not terms.holds(latest.due_on):
            left_out[identity] = "outside_window"
        else:
            own[identity] = versions
    return own, left_out


def _amount(bill: Bill, account: Account, terms: Terms) -> int | None:
    """What this version brings to the account's holdover, None where it is not in it."""
    counts = bill.account == account and bill.production_use and terms.holds(bill.due_on)
    return bill.amount_fen if counts else None


def _first_known(facts: Facts, account: Account, terms: Terms) -> date | None:
    """Since when a bill of the holdover is known: also one that a correction has taken out since."""
    return min(
        (
            bill.known_on
            for versions in facts.bills.values()
            for bill in versions
            if _amount(bill, account, terms) is not None
        ),
        default=None,
    )


def _dues(facts: Facts, account: Account, terms: Terms, begins: date, lowered_fen: int) -> list[Due]:
    """The sum to repay, by the day from which it was known to be so; the first is of the day that repayment begins."""
    changes: dict[date, int] = {begins: 0}
    for versions in facts.bills.values():
        before = 0
        for bill in versions:
            amount = _amount(bill, account, terms) or 0
            if amount != before:
                day = max(begins, bill.known_on)
                changes[day] = changes.get(day, 0) + amount - before
            before = amount
    dues, bills_fen = [], 0
    for day in sorted(changes):
        bills_fen += changes[day]
        dues.append(Due(day, max(0, bills_fen - lowered_fen)))
    return dues


def _life(dues: list[Due], terms: Terms, payments: list[Payment], day: date) -> _Life:
    made = plan(dues, terms)
    total_fen, repaid_fen = dues[-1].total_fen, sum(one.amount_fen for one in payments)
    instalments = paid(made, repaid_fen)
    missed = graces(made, payments, terms.grace_days)
    completed_on = repaid_on(payments, total_fen, dues[0].since) if repaid_fen >= total_fen else None
    # A payment that is read ahead of its day completes nothing before it: a default may come first.
    ends = [] if completed_on is None else [completed_on]
    to_come = [*missed, *ends, *_dates(instalments)]
    return _Life(
        instalments,
        next((one for one in missed if one <= day), None),
        next((one for one in ends if one <= day), None),
        min((one for one in to_come if one > day), default=None),
    )


def _dates(instalments: Iterable[Instalment]) -> Iterable[date]:
    """When an instalment that is open is announced, and when it is overdue."""
    for one in instalments:
        if one.open_fen:
            yield one.announced_on
            yield one.due_on + timedelta(days=1)


def _state(claim: Claim, life: _Life, begins: date, day: date) -> State:
    """What came first stands: an application taken back after the end changes nothing."""
    taken_back = claim.withdrawn_on
    if life.defaulted_on is not None and (taken_back is None or life.defaulted_on <= taken_back):
        return "defaulted"
    if life.completed_on is not None and (taken_back is None or life.completed_on <= taken_back):
        return "completed"
    if taken_back is not None:
        return claim.otherwise
    return "repaying" if day >= begins else "open"
