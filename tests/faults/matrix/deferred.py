"""Holdovers as they were found, in holdover's tables and on the orders topic, against how they must stand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import psycopg

from tests.faults.matrix.counting import Counts
from tests.faults.oracle_holdovers import NO_SUPPLY, Account, Stand, later
from tests.integration.running import Running

_LAST_WORDS = {"open": "opened", "repaying": "opened", "completed": "completed", "defaulted": "defaulted"}
_WORDS = ("opened", "completed", "defaulted", "withdrawn")


@dataclass(slots=True)
class Held:
    """One account as the tables have it; instalments: (due on, fen, paid fen)."""

    state: str
    sums: tuple[int, int, int]
    protected: bool
    instalments: list[tuple[str, int, int]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def held(running: Running, enterprises: Iterable[str]) -> dict[Account, Held]:
    with psycopg.connect(running.environment["RELIEF_POSTGRES_URL"], autocommit=True) as db:
        of = (sorted(enterprises),)
        rows = db.execute(
            "SELECT uscc, utility, supplier_id, account_no, holdover_id, state, bills_fen, lowered_fen, repaid_fen,"
            " order_id IS NOT NULL FROM holdover.account WHERE uscc = ANY(%s)",
            of,
        ).fetchall()
        found = {row[4]: Held(row[5], row[6:9], row[9]) for row in rows}
        for name, due_on, fen, paid in db.execute(
            "SELECT holdover_id, due_on, amount_fen, paid_fen FROM holdover.instalment WHERE uscc = ANY(%s)"
            " ORDER BY holdover_id, number",
            of,
        ):
            found[name].instalments.append((due_on.isoformat(), fen, paid))
        for name, bill, why in db.execute(
            "SELECT holdover_id, bill_id, left_out FROM holdover.bill WHERE uscc = ANY(%s) AND left_out IS NOT NULL", of
        ):
            found[name].left_out[bill] = why
    return {tuple(row[:4]): found[row[4]] for row in rows}


@dataclass(slots=True)
class Heard:
    """What its supplier was told of one account, in order: (kind, data)."""

    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for what, data in self.said if what == kind]

    @property
    def word(self) -> str:
        return next((what for what, _ in reversed(self.said) if what in _WORDS), "")


def heard(orders: Mapping[str, Mapping[str, Any]]) -> dict[Account, Heard]:
    """`orders`: the events of the topic by id, each once, in order."""
    found: dict[Account, Heard] = defaultdict(Heard)
    for event in orders.values():
        data = event["data"]
        kind = event["type"].removeprefix("relief.holdover.").removesuffix(".v1")
        found[data["uscc"], data["utility"], data["supplier_id"], data["account_no"]].said.append((kind, data))
    return found


def count_holdovers(
    stands: Mapping[Account, Stand], found: Mapping[Account, Held], told: Mapping[Account, Heard], today: str
) -> Counts:
    """Both places that say how the accounts stand on `today`."""
    lost = [f"holdover lacks {account}" for account in stands.keys() - found.keys()]
    wrong = [f"holdover has {account}, which nobody named" for account in found.keys() - stands.keys()]
    repeated: list[str] = []
    for account in sorted(stands.keys() & found.keys()):
        stand, heard_of = stands[account], told.get(account, Heard())
        wrong += [f"holdover, {account}: {one}" for one in _differing(account, stand, found[account])]
        wrong += [f"orders, {account}: {one}" for one in _told_otherwise(account, stand, heard_of)]
        lost += [f"orders, {account}: {one}" for one in _untold(stand, heard_of, today)]
        repeated += [f"orders, {account}: {one}" for one in _told_twice(heard_of)]
    return Counts(tuple(lost), tuple(repeated), tuple(wrong))


def count_answers(expected: Mapping[str, bool | None], told: Mapping[Account, Heard]) -> Counts:
    """`expected`: by request, whether the supply may be cut, None where it hangs on who came first."""
    answers: dict[str, list[bool]] = {name: [] for name in expected}
    wrong = []
    for account, one in told.items():
        for kind, data in one.said:
            if kind.startswith("disconnection_"):
                if data["request_id"] not in answers:
                    wrong.append(f"{account}: a request that nobody made, {data['request_id']}, was answered")
                answers.setdefault(data["request_id"], []).append(kind == "disconnection_allowed")
    lost = [f"request {name} has no answer" for name in expected if not answers[name]]
    repeated = [f"request {name} was answered {len(of)} times" for name, of in answers.items() if len(of) > 1]
    for name, allowed in expected.items():
        if allowed is not None and answers[name] and answers[name][0] != allowed:
            wrong.append(f"request {name} was {'allowed' if answers[name][0] else 'refused'}")
    return Counts(tuple(lost), tuple(repeated), tuple(wrong))


def _differing(account: Account, stand: Stand, found: Held) -> Iterator[str]:
    sums = stand.bills_fen, stand.lowered_fen, stand.repaid_fen
    plan = [(one.due_on, one.amount_fen, one.paid_fen) for one in stand.instalments]
    places = {
        "state": (stand.state, found.state),
        "bills, lowered, repaid": (sums, found.sums),
        "left out": (dict(stand.left_out), found.left_out),
        "instalments": (plan, found.instalments),
        "protected": (stand.in_force and account[1] != NO_SUPPLY, found.protected),
    }
    for name, (wanted, is_so) in places.items():
        if wanted != is_so:
            yield f"{name}: {is_so}, expected {wanted}"


def _told_otherwise(account: Account, stand: Stand, told: Heard) -> Iterator[str]:
    word = _LAST_WORDS.get(stand.state)
    if told.word != word if word is not None else told.word == "opened":
        yield f"the last word is {told.word!r}, and it is {stand.state}"
    orders = {data["order_id"] for data in told.of("supply_protected")}
    standing = orders - {data["order_id"] for data in told.of("protection_ended")}
    if len(standing) != (stand.in_force and account[1] != NO_SUPPLY):
        yield f"{len(standing)} orders protect the supply of an account that is {stand.state}"
    if stand.in_force:
        last = {data["bill_id"]: data["amount_fen"] for data in told.of("bill_deferred")}
        for bill in sorted({*last, *stand.deferred_fen}):
            wanted = max(0, stand.deferred_fen.get(bill, 0))
            if bill in last and last[bill] != wanted:
                yield f"{last[bill]} fen of bill {bill} were told to be deferred, expected {wanted}"
    parts = told.of("instalment_paid")
    paid, poured = sum(data["amount_fen"] for data in parts), sum(one.paid_fen for one in stand.instalments)
    # What was told of a part stands also where a correction made the instalment smaller, or took its payment along.
    if stand.instalments and not stand.corrected and paid != poured:
        yield f"{paid} fen were told to be paid of instalments, expected {poured}"


def _untold(stand: Stand, told: Heard, today: str) -> Iterator[str]:
    deferred = {data["bill_id"] for data in told.of("bill_deferred")}
    if stand.in_force:
        yield from (f"bill {bill} was not told to be deferred" for bill in sorted(stand.deferred_fen.keys() - deferred))
    if stand.state != "repaying" or stand.corrected:
        return
    announced = {(data["number"], data["due_on"]) for data in told.of("instalment_due")}
    overdue = {(data["number"], data["due_on"]) for data in told.of("instalment_overdue")}
    for number, one in enumerate(stand.instalments, 1):
        if one.amount_fen == one.paid_fen:
            continue
        # One that was announced while the account was in default is told when it is overdue.
        if one.announced_on <= today <= one.due_on and (number, one.due_on) not in announced:
            yield f"instalment {number} of {one.due_on} was not announced"
        if later(one.due_on, 1) <= today and (number, one.due_on) not in overdue:
            yield f"instalment {number} of {one.due_on} was not told to be overdue"


def _told_twice(told: Heard) -> Iterator[str]:
    """A step that is there again without another one between that would make it news."""
    words = [what for what, _ in told.said if what in _WORDS]
    for before, after in pairwise(words):
        if before == after:
            yield f"{after} was told twice in a row"
    last: dict[str, int] = {}
    for data in told.of("bill_deferred"):
        if data["amount_fen"] and last.get(data["bill_id"]) == data["amount_fen"]:
            yield f"bill {data['bill_id']} was told twice to be deferred with {data['amount_fen']} fen"
        last[data["bill_id"]] = data["amount_fen"]
    overdue = Counter((data["number"], data["due_on"]) for data in told.of("instalment_overdue"))
    yield from (f"instalment {number} was told overdue {n} times" for (number, _), n in overdue.items() if n > 1)
