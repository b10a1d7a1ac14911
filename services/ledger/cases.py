"""For this service's tests: records of the ledger topics, made with the contract's own models, and taking them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from aiokafka.structs import TopicPartition

from services.ledger.domain.posting import Posted
from services.ledger.handlers import LedgerFold
from shared.contracts import registry, topics
from shared.ids import derived, exemption_id, ledger_event_id, payment_id
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.records import Mark, Record
from shared.uscc import with_check_character

TIME = datetime(2020, 2, 20, 1, 30, tzinfo=UTC)
EXEMPTIONS, REFUNDS = topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS


def enterprise(number: int) -> str:
    """A valid unified social credit code."""
    return with_check_character(f"91650100MA{number:07d}")


def exemption(
    uscc: str, change: str, delta_fen: int, revision: int = 1, *, insurance: str = "pension", offset: int = 0,
    partition: int = 3, **changed: Any,
) -> Record:  # fmt: skip
    """An exemption event; `delta_fen` is what it moves. `offset` also numbers its cause, as payments does."""
    identity = exemption_id(uscc, f"{insurance}/2020-02")
    data = {
        "exemption_id": identity,
        "insurance": insurance,
        "period": "2020-02",
        "amount_fen": max(delta_fen, 0),
        "delta_fen": delta_fen,
        "revision": revision,
    }
    event_id = ledger_event_id(identity, change, revision)
    return _record(EXEMPTIONS, f"relief.exemption.{change}.v1", event_id, uscc, data | changed, offset, partition)


def refund(
    uscc: str, change: str, amount_fen: int, number: int = 1, part: int = 1, *, programme: str = "job_stabilisation",
    offset: int = 0, partition: int = 3, **changed: Any,
) -> Record:  # fmt: skip
    """A refund event of the enterprise's `number`-th payment; a clawback comes back in parts."""
    identity = payment_id(uscc, "refund", "2019", number)
    data = {"payment_id": identity, "programme": programme, "key": "2019", "amount_fen": amount_fen}
    event_id = ledger_event_id(identity, change, part)
    return _record(REFUNDS, f"relief.refund.{change}.v1", event_id, uscc, data | changed, offset, partition)


def _record(
    topic: str, event_type: str, event_id: str, uscc: str, data: dict[str, Any], offset: int, partition: int
) -> Record:
    common = {
        "origin": {"topic": topics.DECISIONS, "partition": partition, "offset": offset, "index": 0},
        "uscc": uscc,
        "prefecture": "650100",
        "decision_id": derived("a decision"),
        "booked_on": date(2020, 2, 20),
    }
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/relief/payments",
        "type": event_type,
        "subject": uscc,
        "time": TIME,
    }
    event = registry.decoder(topic).validate_python(envelope | {"data": common | data})
    return Record(topic, partition, offset, uscc.encode(), event.model_dump_json().encode())


def lives(uscc: str, day: date, partition: int) -> tuple[list[Record], list[Record]]:
    """Every event there is, as (exemptions, refunds): amended down, revoked and granted again; settled and clawed back
    in parts, cancelled before submission, cancelled after the bank's refusal. Amounts differ between enterprises.
    """
    more = int(uscc[10:17], 36) % 1000
    changes = [
        ("granted", 7000 + more),
        ("amended", 300),
        ("amended", -1250),
        ("revoked", -6050 - more),
        ("granted", 501),
    ]
    exemptions = [
        exemption(uscc, change, delta, turn, partition=partition, booked_on=day)
        for turn, (change, delta) in enumerate(changes, 1)
    ]
    exemptions.append(
        exemption(uscc, "granted", 99 + more, insurance="work_injury", partition=partition, booked_on=day)
    )
    paid = [("authorised", 900, 1), ("submitted", 900, 1), ("settled", 900, 1), ("clawback_raised", 400, 1),
            ("clawback_settled", 101, 1), ("clawback_settled", 102, 2), ("clawback_written_off", 197, 1)]  # fmt: skip
    unpaid = [
        (1, "authorised"),
        (1, "cancelled"),
        (2, "authorised"),
        (2, "submitted"),
        (2, "rejected"),
        (2, "cancelled"),
    ]
    refunds = [
        refund(uscc, change, amount, 1, part, partition=partition, booked_on=day) for change, amount, part in paid
    ]
    refunds += [
        refund(uscc, change, 55 + more, 1 + number, partition=partition, booked_on=day, programme="contribution_return")
        for number, change in unpaid
    ]
    return _in_order(exemptions), _in_order(refunds)


def _in_order(records: list[Record]) -> list[Record]:
    return [replace(record, offset=place) for place, record in enumerate(records)]


async def take(store: PostgresStore[Posted], records: Sequence[Record]) -> bool:
    """One batch of one partition as the runner takes it."""
    fold = LedgerFold()
    facts = [fold.decode(record) for record in records]
    partition = TopicPartition(records[0].topic, records[0].partition)
    async with store.session(partition, {key for fact in facts for key in fold.keys(fact)}) as session:
        assert session.mark is not None
        for fact, record in zip(facts, records, strict=True):
            fold.step(session.states, fact, record)
        return await session.commit(Mark(session.mark.next_offset + len(records)), [])
