"""What is told of an account: the difference between how it stands and what was told of it before."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from services.holdover.domain import words
from services.holdover.domain.identity import WITHOUT_SUPPLY, Account, order_id
from services.holdover.domain.standing import Standing
from services.holdover.domain.states import IN_FORCE, State, transition

Kind = Literal[
    "opened",
    "bill_deferred",
    "supply_protected",
    "protection_ended",
    "disconnection_refused",
    "disconnection_allowed",
    "instalment_due",
    "instalment_paid",
    "instalment_overdue",
    "completed",
    "defaulted",
    "withdrawn",
]


class Telling(NamedTuple):
    """One event of `holdover.orders.v1`: its kind, its number among the account's, and the fields of its own."""

    kind: Kind
    holdover_id: str
    account: Account
    on: date
    number: int
    fields: dict[str, Any]


class Order(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The order in force to keep a supply on, on both days and between. Its signature is made where it goes out."""

    order_id: str
    from_on: date
    until_on: date
    signature: str = ""


class ToldInstalment(msgspec.Struct, array_like=True, gc=False):
    """What a supplier was told of one instalment, in fen; 0: nothing."""

    announced_fen: int = 0
    overdue: bool = False
    paid_fen: int = 0


class Told(msgspec.Struct, array_like=True):
    """What was told of one account. `events` and `orders` count, for the ids; `bills` holds what of each was deferred,
    `payments` how much of each was told as paid. `instalments`: by number, from 1, and as many as were ever planned.
    `paid_fen`, `open_fen`: as they last were while anything was deferred.
    """

    account: Account
    state: State = "none"
    application_id: str | None = None
    events: int = 0
    orders: int = 0
    order: Order | None = None
    bills: dict[str, int] = msgspec.field(default_factory=dict)
    payments: dict[str, int] = msgspec.field(default_factory=dict)
    instalments: list[ToldInstalment] = msgspec.field(default_factory=list)
    next_due: date | None = None
    paid_fen: int = 0
    open_fen: int = 0

    def say(self, kind: Kind, holdover_id: str, on: date, **fields: Any) -> Telling:
        self.events += 1
        return Telling(kind, holdover_id, self.account, on, self.events, fields)


def differences(told: Told, now: Standing, holdover_id: str, on: date, day: date) -> Iterator[Telling]:
    """Everything that `told` does not say yet, in the order in which it goes out; `told` moves along."""
    step = transition(told.state, now.state)
    steps = step.told if step is not None else ()
    told.state, told.application_id, told.next_due = now.state, now.application_id, now.next_due
    if now.begun_on is not None:
        told.paid_fen, told.open_fen = now.paid_fen, now.open_fen
    if "opened" in steps:
        yield told.say("opened", holdover_id, on, application_id=now.application_id)
    if now.protected_until is not None:
        yield from _protect(told, now.protected_until, holdover_id, on)
    if now.state in IN_FORCE:
        yield from _deferred(told, now, holdover_id, on)
    if now.instalments:
        yield from _repaid(told, now, holdover_id, on)
    if now.state == "repaying":
        yield from _instalments(told, now, holdover_id, on, day)
    if now.protected_until is None and told.order is not None:
        yield told.say("protection_ended", holdover_id, on, order_id=told.order.order_id, reason=words.ENDED[now.state])
        told.order = None
    for word in steps:
        if word == "completed" or word == "defaulted" or word == "withdrawn":
            yield told.say(word, holdover_id, on, paid_fen=told.paid_fen, open_fen=told.open_fen)


class Verdict(NamedTuple):
    """May a supply be cut? `order_id`: of the order that forbids it; `reason`: a sentence, whatever the answer is."""

    allowed: bool
    order_id: str | None
    reason: str


def may_disconnect(told: Told, now: Standing) -> Verdict:
    """What was told before this stands: the order in force is one that the supplier has."""
    if told.order is not None:
        return Verdict(False, told.order.order_id, words.protected(told.order.until_on))
    if told.account.utility == WITHOUT_SUPPLY:
        return Verdict(False, None, words.NO_SUPPLY)
    if now.undecided:
        return Verdict(False, None, words.UNDECIDED)
    return Verdict(True, None, words.ALLOWED[now.state])


def answer(told: Told, now: Standing, request_id: str, holdover_id: str, on: date) -> Telling:
    """To a request to cut the supply."""
    verdict = may_disconnect(told, now)
    kind: Kind = "disconnection_allowed" if verdict.allowed else "disconnection_refused"
    return told.say(kind, holdover_id, on, request_id=request_id, order_id=verdict.order_id, reason=verdict.reason)


def _protect(told: Told, until_on: date, holdover_id: str, on: date) -> Iterator[Telling]:
    """One order at a time. The new one is told before the old one ends: between them the supply is protected too."""
    before = told.order
    if before is not None and before.until_on == until_on:
        return
    told.orders += 1
    told.order = Order(order_id(holdover_id, told.orders), on, until_on)
    fields = {"order_id": told.order.order_id, "from_on": on, "until_on": until_on}
    yield told.say("supply_protected", holdover_id, on, **fields)
    if before is not None:
        yield told.say("protection_ended", holdover_id, on, order_id=before.order_id, reason=words.REPLACED)


def _deferred(told: Told, now: Standing, holdover_id: str, on: date) -> Iterator[Telling]:
    """Bills that came, changed, or left: of those nothing is deferred any more."""
    if told.bills == now.net_fen:
        return
    for bill_id in sorted({*told.bills, *now.net_fen}):
        net = now.net_fen.get(bill_id, 0)
        if told.bills.get(bill_id) != net:
            told.bills[bill_id] = net
            yield told.say(
                "bill_deferred", holdover_id, on, bill_id=bill_id, amount_fen=max(0, net), total_fen=now.open_fen
            )
        if bill_id not in now.net_fen:
            del told.bills[bill_id]


def _repaid(told: Told, now: Standing, holdover_id: str, on: date) -> Iterator[Telling]:
    """Each payment's parts, the oldest instalment first. What was told of a part stands, also where a correction made
    the instalment smaller since: then as much of the payment is told again only of what is open.
    """
    while len(told.instalments) < len(now.instalments):
        told.instalments.append(ToldInstalment())
    for payment_id, payment in sorted(now.repayments.items(), key=lambda one: (one[1].dated, one[0])):
        left = payment.amount_fen - told.payments.get(payment_id, 0)
        for number, one in enumerate(now.instalments, 1):
            known = told.instalments[number - 1]
            part = min(left, one.paid_fen - known.paid_fen)
            if part <= 0:
                continue
            left -= part
            known.paid_fen += part
            told.payments[payment_id] = told.payments.get(payment_id, 0) + part
            yield told.say(
                "instalment_paid", holdover_id, on,
                number=number, due_on=one.due_on, amount_fen=part, payment_id=payment_id,
            )  # fmt: skip


def _instalments(told: Told, now: Standing, holdover_id: str, on: date, day: date) -> Iterator[Telling]:
    """Announced some days before its date, again where it became smaller, and overdue from the day after it."""
    for number, one in enumerate(now.instalments, 1):
        known = told.instalments[number - 1]
        if not one.open_fen or one.announced_on > day:
            continue
        if one.due_on >= day and known.announced_fen != one.amount_fen:
            known.announced_fen = one.amount_fen
            yield told.say("instalment_due", holdover_id, on, number=number, due_on=one.due_on, amount_fen=one.open_fen)
        if one.due_on < day and not known.overdue:
            known.overdue = True
            yield told.say(
                "instalment_overdue", holdover_id, on, number=number, due_on=one.due_on, amount_fen=one.open_fen
            )
