"""A log of facts and of the decisions on them, from which the tests of receipts make theirs."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from services.eligibility import packs, receipts
from services.eligibility.cases import A
from services.eligibility.fact_cases import Partition, pack, record
from services.eligibility.handlers import EligibilityFold
from shared.streaming.records import Output, Record

OTHER = packs.named("xinjiang-2020-extended")
Told = dict[str, Any]


class Log:
    """Facts numbered as they come, and the decisions on them."""

    def __init__(self) -> None:
        self.partition = Partition(EligibilityFold(packs.by_hash))
        self.facts: list[Record] = []
        self.decisions: list[Record] = []
        self.add(pack)

    def add(self, make: Callable[..., Record], *arguments: Any, **changed: Any) -> None:
        fact = make(*arguments, offset=len(self.facts), **changed)
        self.facts.append(fact)
        for output in self.partition.take(fact):
            self.decisions.append(_written(output, len(self.decisions)))

    def receipt(self, number: int = -1) -> bytes:
        """Of a decision, made with all that the log has by now."""
        decision = self.decisions[number]
        told = json.loads(decision.value or b"")["data"]
        content = packs.content(told["policy"]["sha256"])
        assert content is not None
        own = [fact for fact in self.facts if fact.key == decision.key]
        return receipts.build(decision, receipts.facts_named(decision, own), content)


def _written(output: Output, offset: int) -> Record:
    return Record(output.topic, output.partition, offset, output.key, output.value)


def headcount(number: int, offset: int) -> Record:
    data = {"uscc": A, "period": "2019-12", "version": 1, "insured_employees": number}
    return record("cn.insurance.headcount.reported.v1", data, offset=offset)


def settled(premium_fen: int, offset: int) -> Record:
    data = {"uscc": A, "year": 2019, "version": 1, "unemployment_premium_paid_fen": premium_fen}
    return record("cn.insurance.year.settled.v1", data, offset=offset)


def deregistered(on: str, offset: int) -> Record:
    data = {"uscc": A, "deregistered_on": date.fromisoformat(on)}
    return record("cn.tax.enterprise.deregistered.v1", data, offset=offset)


def bill(offset: int, **envelope: Any) -> Record:
    data = {
        "uscc": A,
        "bill_id": "b1",
        "version": 1,
        "utility": "gas",
        "supplier_id": "gas-1",
        "account_no": "7",
        "period": "2020-03",
        "amount_fen": 1,
        "due_on": date(2020, 4, 10),
        "production_use": True,
    }
    return record("cn.utility.bill.issued.v1", data, offset=offset, **envelope)


def applied(offset: int) -> Record:
    data = {
        "uscc": A,
        "application_id": "h1",
        "utilities": ["gas"],
        "declared_difficulty": True,
        "submitted_on": date(2020, 3, 2),
        "contact_sealed": "e30.a.b.c.contact",
    }
    return record("relief.holdover.applied.v1", data, offset=offset)


def told(written: bytes) -> Told:
    found: Told = json.loads(written)
    return found
