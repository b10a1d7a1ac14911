"""Upstream records for this service's tests, and a partition of intake without a broker."""

import json
from collections.abc import Iterable
from typing import Any

from services.intake.handlers import IntakeFold, decode_state, encode_state
from shared.contracts import topics
from shared.streaming.records import Output, Record, States
from shared.uscc import with_check_character

Event = dict[str, Any]

TIME = "2020-03-31T12:00:00+08:00"
PAYEE = {"account_name": "Tarim Bakery", "account_number": "6222000011112222", "bank_code": "102881000015"}
CONTACT = {"person": "Li Ming", "telephone": "0991-5550123"}
# Texts that must never leave intake open.
PERSONAL = ("6222000011112222", "Tarim Bakery", "102881000015", "Li Ming", "0991-5550123")
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def enterprise(number: int) -> str:
    """A valid unified social credit code."""
    return with_check_character(f"91650100MA{number:07d}")


def event(kind: str, uscc: str, data: Event, identity: str, **envelope: Any) -> Event:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "//example/authority",
        "type": kind,
        "subject": uscc,
        "time": TIME,
        "datacontenttype": "application/json",
        "data": {"uscc": uscc, **data},
    } | envelope


def registered(uscc: str, effective_on: str = "2019-01-01", version: int = 1, **changed: Any) -> Event:
    data = {
        "version": version,
        "name": "Tarim Trading",
        "industry": "retail",
        "prefecture": "650100",
        "registered_on": "2015-03-02",
        "effective_on": effective_on,
        "employees": 20,
        "annual_revenue_fen": 400_000_000,
        "total_assets_fen": 300_000_000,
        "payee": PAYEE,
    }
    return event("cn.tax.enterprise.registered.v1", uscc, data | changed, f"re-{effective_on}-{version}")


def deregistered(uscc: str, on: str = "2020-03-01") -> Event:
    return event("cn.tax.enterprise.deregistered.v1", uscc, {"deregistered_on": on}, f"de-{on}")


def assessed(uscc: str, name: str = "a1", version: int = 1, amount_fen: int = 100_000, **changed: Any) -> Event:
    data = {
        "assessment_id": name,
        "version": version,
        "insurance": "pension",
        "period": "2020-02",
        "employer_amount_fen": amount_fen,
        "due_on": "2020-02-15",
    }
    return event("cn.tax.contribution.assessed.v1", uscc, data | changed, f"as-{name}-{version}-{amount_fen}")


def paid(uscc: str, name: str = "p1", amount_fen: int = 100_000) -> Event:
    data = {"assessment_id": "a1", "payment_id": name, "amount_fen": amount_fen, "paid_on": "2020-02-14"}
    return event("cn.tax.contribution.paid.v1", uscc, data, f"pa-{name}-{amount_fen}")


def headcount(uscc: str, period: str = "2019-12", version: int = 1, insured: int = 20) -> Event:
    data = {"period": period, "version": version, "insured_employees": insured}
    return event("cn.insurance.headcount.reported.v1", uscc, data, f"he-{period}-{version}")


def bill(uscc: str, name: str = "b1", version: int = 1, amount_fen: int = 5_000) -> Event:
    data = {
        "bill_id": name,
        "version": version,
        "utility": "gas",
        "supplier_id": "gas-1",
        "account_no": "7",
        "period": "2020-03",
        "amount_fen": amount_fen,
        "due_on": "2020-04-10",
        "production_use": True,
    }
    return event("cn.utility.bill.issued.v1", uscc, data, f"bi-{name}-{version}")


def applied(uscc: str, name: str = "h1", **changed: Any) -> Event:
    data = {
        "application_id": name,
        "utilities": ["electricity"],
        "declared_difficulty": True,
        "contact": CONTACT,
        "submitted_on": "2020-03-02",
    }
    return event("relief.holdover.applied.v1", uscc, data | changed, f"ap-{name}")


def need(uscc: str, name: str = "n1", **changed: Any) -> Event:
    data = {
        "application_id": name,
        "measure": "staff_transport",
        "details": {"people": 12, "from": "Urumqi"},
        "contact": CONTACT,
        "submitted_on": "2020-03-01",
    }
    return event("relief.need.registered.v1", uscc, data | changed, f"ne-{name}")


def operation(kind: str, identity: str, data: Event) -> Event:
    return event(f"relief.{kind}.v1", identity, {}, identity) | {"data": data}


def day(date: str, identity: str | None = None) -> Event:
    return operation("day.started", identity or f"day-{date}", {"date": date})


def record(
    told: Event | bytes | None, topic: str = topics.TAX, offset: int = 0, *, key: str | None = None,
    headers: Iterable[tuple[str, bytes]] = STRUCTURED, partition: int = 0, timestamp: int = 1_583_000_000_000,
) -> Record:  # fmt: skip
    """A structured-mode record; its key is the event's subject unless another is named."""
    if key is None and isinstance(told, dict):
        key = str(told["subject"])
    value = json.dumps(told, ensure_ascii=False).encode() if isinstance(told, dict) else told
    return Record(topic, partition, offset, None if key is None else key.encode(), value, tuple(headers), timestamp)


def binary(told: Event, topic: str = topics.TAX, **changed: bytes | None) -> Record:
    """The same event with its envelope in headers; `ce_time=b"..."` replaces one, None leaves it out."""
    names = ("specversion", "id", "source", "type", "subject", "time")
    headers: dict[str, bytes | None] = {f"ce_{name}": str(told[name]).encode() for name in names}
    headers["content-type"] = b"application/json"
    headers |= {name.replace("content_type", "content-type"): value for name, value in changed.items()}
    kept = [(name, value) for name, value in headers.items() if value is not None]
    return record(json.dumps(told["data"]).encode(), topic, key=str(told["subject"]), headers=kept)


class Partition:
    """One input partition; between records the states pass through the codec, as they would through Redis."""

    def __init__(self, fold: IntakeFold) -> None:
        self.fold = fold
        self.stored: dict[str, bytes] = {}

    def take(self, taken: Record) -> list[Output]:
        fact = self.fold.decode(taken)
        keys = dict.fromkeys(self.fold.keys(fact))
        states = States({key: decode_state(self.stored[key]) for key in keys if key in self.stored})
        outputs = list(self.fold.step(states, fact, taken))
        changes = states.changes()
        assert set(changes) <= set(keys), "a step may write only what it was given"
        self.stored |= {key: encode_state(state) for key, state in changes.items()}
        return outputs

    def told(self, taken: Record) -> list[Event]:
        """The outputs as they are on the wire."""
        return [json.loads(output.value) for output in self.take(taken)]

    def codes(self, *records: Record) -> list[str]:
        """What each record led to: the reject's code, the number of facts, or `-`."""
        found = []
        for taken in records:
            told = self.told(taken)
            rejected = [event["data"]["code"] for event in told if event["type"] == "relief.record.rejected.v1"]
            found.append(rejected[0] if rejected else str(len(told)) if told else "-")
        return found
