"""For this service's tests: records of the ledger topics, made with the contract's own models, and taking them."""

from collections.abc import Sequence
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
    uscc: str, change: str, amount_fen: int, number: int = 1, *, programme: str = "job_stabilisation", offset: int = 0,
    partition: int = 3, **changed: Any,
) -> Record:  # fmt: skip
    """A refund event of the enterprise's `number`-th payment."""
    identity = payment_id(uscc, "refund", "2019", number)
    data = {"payment_id": identity, "programme": programme, "key": "2019", "amount_fen": amount_fen}
    event_id = ledger_event_id(identity, change, 1)
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
