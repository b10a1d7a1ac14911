"""The oracle's fourth part: what must have become of each payment, by what lies at the bank and what the bank says.

A payment's id follows from what it is for (docs of the contract: a hash over enterprise, measure, key and number), so a
file at the bank is understood without asking anybody. How many payments an entitlement took hangs on the order in which
corrections came, and is not said here; that they come to what was decided, and went out once, is.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from .oracle_records import REGISTERED, Fact
from .oracle_rules import Decision, Key

PROGRAMMES = {"refund": "JobStabilisation", "contribution_return": "ContributionReturn"}
# No entitlement of a region is corrected so often.
_NUMBERS = range(1, 100)
_REFUND = "relief.refund."


@dataclass(frozen=True)
class Order:
    """One payment in a file at the bank."""

    payment_id: str
    fen: int
    account_number: str


@dataclass(frozen=True)
class Book:
    """What the bank itself says: fen by payment id, ids that it refused, fen by claim that came back."""

    paid: Mapping[str, int]
    rejected: frozenset[str]
    received: Mapping[str, int]


@dataclass
class Findings:
    """A sentence each."""

    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def orders_in(content: bytes) -> list[Order]:
    """Those of a pain.001, read with nothing but the names of its elements."""
    found = []
    for node in ElementTree.fromstring(content).findall(".//{*}CdtTrfTxInf"):
        yuan, _, rest = _text(node, "{*}Amt/{*}InstdAmt").partition(".")
        fen = int(yuan) * 100 + int((rest + "00")[:2])
        number = _text(node, "{*}CdtrAcct/{*}Id/{*}Othr/{*}Id")
        found.append(Order(_text(node, "{*}PmtId/{*}EndToEndId"), fen, number))
    return found


def _text(node: ElementTree.Element, path: str) -> str:
    found = node.findtext(path)
    assert found, f"a payment without {path}"
    return found


def names(decisions: Iterable[Key]) -> dict[str, Key]:
    """By every payment id that these decisions may have, what it is for."""
    keys = [key if key[1] != "exemption" else (key[0], "contribution_return", key[2]) for key in decisions]
    return {_hash(*key, str(n)): key for key in keys if key[1] in PROGRAMMES for n in _NUMBERS}


def _hash(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.hexdigest()


class Payments:
    """All payments of one region, in the end. `told`: the events of the ledger topic, each id once."""

    def __init__(
        self,
        facts: Sequence[Fact],
        decisions: Mapping[Key, Decision],
        files: Mapping[str, Sequence[Order]],
        book: Book,
        told: Iterable[Mapping[str, object]],
    ) -> None:
        self._decisions, self._book = decisions, book
        self._keys = names(decisions)
        self._orders = [one for orders in files.values() for one in orders if one.payment_id in self._keys]
        self._accounts, self._payable = _accounts(facts)
        self._told: dict[str, list[tuple[str, str, int]]] = {}
        for event in told:
            data = event["data"]
            assert isinstance(data, dict)
            kind = str(event["type"]).removeprefix(_REFUND).removesuffix(".v1")
            step = (kind, data["clawback_id"] or data["payment_id"], data["amount_fen"])
            self._told.setdefault(data["payment_id"], []).append(step)

    def findings(self) -> Findings:
        """Every payment, then every entitlement, then every claim."""
        found = Findings()
        given = Counter(one.payment_id for one in self._orders)
        found.repeated += [f"payment {name} lies at the bank {n} times" for name, n in given.items() if n > 1]
        for one in self._orders:
            if one.account_number not in self._accounts.get(self._keys[one.payment_id][0], ()):
                found.wrong.append(f"payment {one.payment_id} goes to an account that its enterprise never named")
        sums = {one.payment_id: one.fen for one in self._orders}
        for name in sorted({*self._told, *sums}):
            if name not in self._keys:
                found.wrong.append(f"payment {name} was told and is for nothing that was decided")
            else:
                self._one(found, name, sums.get(name))
        self._claims(found)
        return found

    def accounts(self) -> Counter[str]:
        """Debit minus credit, in fen, of the accounts that payments move besides the expenses; without zeros."""
        balance: Counter[str] = Counter()
        for key, decision in self._decisions.items():
            if key[1] in PROGRAMMES:
                balance[f"Liabilities:Payable:Refunds:{PROGRAMMES[key[1]]}"] -= decision.amount_fen
        for name, key in self._keys.items():
            programme, paid = PROGRAMMES[key[1]], self._book.paid.get(name, 0)
            claimed = self._sum(name, "clawback_raised")
            back = sum(self._book.received.get(claim, 0) for claim in self._claimed(name))
            balance[f"Liabilities:Payable:Refunds:{programme}"] += paid - claimed
            balance[f"Assets:Receivable:Clawback:{programme}"] += claimed - back
            balance["Assets:Bank:Fund"] += back - paid
        return Counter({account: fen for account, fen in balance.items() if fen})

    def _one(self, found: Findings, name: str, fen: int | None) -> None:
        """Told as often, and with the sum, that the bank's files and words imply."""
        paid, rejected = self._book.paid.get(name), name in self._book.rejected
        wanted = {"submitted": fen, "settled": paid, "rejected": fen if rejected else None}
        for kind, amount in wanted.items():
            steps = [step[2] for step in self._told.get(name, ()) if step[0] == kind]
            if amount is not None and not steps:
                found.lost.append(f"payment {name} is {kind} and was not told so")
            if len(steps) > 1:
                found.repeated.append(f"payment {name} was told {kind} {len(steps)} times")
            if steps and steps[0] != amount:
                found.wrong.append(f"payment {name} was told {kind} with {steps[0]} fen, expected {amount}")
        cancelled = self._count(name, "cancelled")
        if self._count(name, "authorised") != 1 or cancelled > 1:
            found.wrong.append(f"payment {name} was told authorised not once, or cancelled more than once")
        if fen is not None and self._sum(name, "authorised") != fen:
            found.wrong.append(f"payment {name} is of {fen} fen at the bank, and was authorised with another sum")
        if cancelled and (paid is not None or (fen is not None and not rejected)):
            found.wrong.append(f"payment {name} was told cancelled, and is with the bank")
        if fen is None and not cancelled and self._keys[name][0] in self._payable:
            found.lost.append(f"payment {name} was never given to the bank")
        if fen is not None and paid is None and not rejected:
            found.lost.append(f"payment {name} was given to the bank, which did not decide on it")

    def _claims(self, found: Findings) -> None:
        """Of each entitlement: what was paid, and is still to pay, less what was claimed back is what was decided."""
        left: Counter[Key] = Counter()
        for name, key in self._keys.items():
            claimed, paid = self._sum(name, "clawback_raised"), self._book.paid.get(name, 0)
            if claimed > paid:
                found.wrong.append(f"of payment {name} more is claimed back, {claimed} fen, than was paid, {paid}")
            left[key] += self._sum(name, "authorised") - self._sum(name, "cancelled") - claimed
            for claim in self._claimed(name):
                settled = sum(fen for kind, of, fen in self._told[name] if (kind, of) == ("clawback_settled", claim))
                if settled != (back := self._book.received.get(claim, 0)):
                    found.wrong.append(f"of claim {claim} {settled} fen were told to be back, the bank got {back}")
        for key, fen in left.items():
            decided = self._decisions[key].amount_fen if key in self._decisions else 0
            if fen != decided:
                found.wrong.append(f"{key} comes to {fen} fen paid and to be paid, decided are {decided}")

    def _claimed(self, name: str) -> Iterator[str]:
        yield from dict.fromkeys(step[1] for step in self._told.get(name, ()) if step[0] == "clawback_raised")

    def _sum(self, name: str, kind: str) -> int:
        return sum(step[2] for step in self._told.get(name, ()) if step[0] == kind)

    def _count(self, name: str, kind: str) -> int:
        return sum(step[0] == kind for step in self._told.get(name, ()))


def _accounts(facts: Iterable[Fact]) -> tuple[dict[str, set[str]], set[str]]:
    """The accounts that each enterprise ever named for its money, and who names one in its newest registration."""
    newest: dict[str, tuple[str, bool]] = {}
    named: dict[str, set[str]] = {}
    for fact in facts:
        if fact.type == REGISTERED:
            payee = json.loads(fact.content)[1]["payee"]
            if fact.text["effective_on"] >= newest.get(fact.uscc, ("", False))[0]:
                newest[fact.uscc] = fact.text["effective_on"], payee is not None
            named.setdefault(fact.uscc, set()).update([payee["account_number"]] if payee is not None else [])
    return named, {uscc for uscc, (_, payable) in newest.items() if payable}
