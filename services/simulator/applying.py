"""The applications that an enterprise hands in: for deferrals, now and then taken back, and refunds declined."""

import random

from services.simulator.calendar import WINDOW, day, day_text
from services.simulator.dues import Account, request
from services.simulator.firm import Firm, between
from services.simulator.labour import office_hour
from services.simulator.wire import Fact, HoldoverApplied, HoldoverWithdrawal, RefundDeclined

_BEFORE, _AFTER = (day("2020-01-10"), day("2020-01-31")), (day("2020-07-01"), day("2020-07-06"))
_APPLYING = 0.12
# Of those that were on record only from within the window: before it, an application stays undecided.
_LATE_APPLYING = 0.5


def applies(firm: Firm, rng: random.Random) -> bool:
    """Whether the firm is to apply for a deferral."""
    return rng.random() < (_LATE_APPLYING if _late(firm) else _APPLYING)


def _late(firm: Firm) -> bool:
    return firm.effective > max(firm.registered, WINDOW[0])


def application_facts(firm: Firm, strained: bool, accounts: list[Account], rng: random.Random) -> list[Fact]:
    """What `applies` said is `strained`; `accounts` are those it has bills of."""
    facts: list[Fact] = []
    if strained:
        _holdovers(firm, accounts, rng, facts)
    if rng.random() < 0.006:
        submitted = between(rng, *WINDOW)
        declined = RefundDeclined(
            uscc=firm.uscc,
            application_id=_id(rng),
            year=2019 if rng.random() < 0.85 else 2018,
            submitted_on=day_text(submitted),
        )
        facts.append(Fact(office_hour(rng, submitted), f"rd-{declined.application_id}", declined))
    return facts


def _holdovers(firm: Firm, accounts: list[Account], rng: random.Random, facts: list[Fact]) -> None:
    """One application for all its dues, or two at once: both for all, or each for some."""
    utilities = [account.utility for account in accounts] or ["electricity"]
    submitted = _submitted(firm, rng)
    if rng.random() < 0.92:
        _holdover(firm, utilities, submitted, rng, facts)
    elif len(utilities) > 1 and rng.random() < 0.5:
        _holdover(firm, utilities[:1], submitted, rng, facts)
        _holdover(firm, utilities[1:], submitted, rng, facts)
    else:
        _holdover(firm, utilities, submitted, rng, facts)
        _holdover(firm, utilities, submitted + between(rng, 0, 3), rng, facts)
    if accounts and rng.random() < (0.8 if submitted < firm.effective else 0.08):
        # The supplier has not heard of it yet.
        on = submitted + between(rng, 0, 2)
        request_id = f"{firm.organisation}-{day_text(on)}-cut"
        facts.append(request(firm.uscc, accounts[0], request_id, "arrears of last year", on, rng))


def _submitted(firm: Firm, rng: random.Random) -> int:
    kind = rng.random()
    if _late(firm) and kind < 0.6:
        return max(WINDOW[0], firm.effective - between(rng, 1, 14))
    if kind < 0.03:
        return between(rng, *_BEFORE)
    if kind < 0.06:
        return between(rng, *_AFTER)
    if kind < 0.14:
        # The window's edges, inside and out.
        return (WINDOW[0], WINDOW[1], _BEFORE[1], _AFTER[0])[between(rng, 0, 3)]
    return between(rng, *WINDOW)


def _holdover(firm: Firm, utilities: list[str], submitted: int, rng: random.Random, facts: list[Fact]) -> None:
    application_id = _id(rng)
    applied = HoldoverApplied(
        uscc=firm.uscc,
        application_id=application_id,
        utilities=tuple(utilities),
        declared_difficulty=rng.random() < 0.95,
        contact=f"office@{firm.uscc.lower()}.example",
        submitted_on=day_text(submitted),
    )
    facts.append(Fact(office_hour(rng, submitted), f"ha-{application_id}", applied))
    withdrawn = submitted + between(rng, 1, 40)
    if rng.random() < 0.06 and withdrawn <= WINDOW[1]:
        data = HoldoverWithdrawal(uscc=firm.uscc, application_id=application_id, submitted_on=day_text(withdrawn))
        facts.append(Fact(office_hour(rng, withdrawn), f"hw-{application_id}", data))


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(128):032x}"
