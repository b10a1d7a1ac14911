"""For this service's tests: records of `relief.decisions.v1`, made with the contract's own models, and taking them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from aiokafka.structs import TopicPartition

from services.payments.domain.state import Held
from services.payments.handlers import PaymentsFold
from shared.contracts import topics
from shared.contracts.decisions import DayPassedOn, DecisionMade
from shared.ids import decision_id, derived
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.records import Mark, Output, Record
from shared.uscc import with_check_character

TIME = datetime(2020, 2, 20, 9, 30, tzinfo=timezone(timedelta(hours=8)))
PAYEE = "e30.a.b.c.d"


def enterprise(number: int) -> str:
    """A valid unified social credit code."""
    return with_check_character(f"91650100MA{number:07d}")


def made(
    uscc: str, measure: str, key: str, revision: int, amount_fen: int, *, offset: int = 0, partition: int = 3,
    prefecture: str | None = "650100", outcome: str | None = None, payee: str | None = None, **changed: Any,
) -> Record:  # fmt: skip
    """A decision; granted when `amount_fen` is above 0. `offset` also numbers its cause, as eligibility does."""
    data: dict[str, Any] = {
        "origin": {"topic": topics.FACTS, "partition": partition, "offset": offset, "index": 0},
        "decision_id": decision_id(uscc, measure, key, revision),
        "uscc": uscc,
        "measure": measure,
        "key": key,
        "prefecture": prefecture,
        "size_class": "small",
        "revision": revision,
        "outcome": outcome or ("granted" if amount_fen else "denied"),
        "amount_fen": amount_fen,
        "delta_fen": 0,
        "effective_on": date(2020, 2, 1),
        "reasons": [],
        "facts": [],
        "policy": {"pack": "xinjiang-2020", "version": "1", "sha256": "0" * 64},
        "payee_sealed": PAYEE if payee else None,
        "payee_digest": derived(payee) if payee else None,
    } | changed
    event = DecisionMade.model_validate(_envelope(data["decision_id"], uscc, data))
    return Record(topics.DECISIONS, partition, offset, uscc.encode(), event.model_dump_json().encode())


def day(started: date, *, offset: int = 0, partition: int = 3) -> Record:
    """A day passed on."""
    origin = {"topic": topics.FACTS, "partition": partition, "offset": offset, "index": 0}
    event = DayPassedOn.model_validate(
        _envelope(f"day-{started}", f"day-{started}", {"origin": origin, "date": started})
    )
    return Record(topics.DECISIONS, partition, offset, b"day", event.model_dump_json().encode())


def _envelope(identity: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    event_type = "relief.day.started.v1" if "date" in data else "relief.decision.made.v1"
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "/relief/eligibility",
        "type": event_type,
        "subject": subject,
        "time": TIME,
        "data": data,
    }


async def take(store: PostgresStore[Held], partition: TopicPartition, records: Sequence[Record]) -> bool:
    """One batch as the runner takes it."""
    fold = PaymentsFold()
    facts = [fold.decode(record) for record in records]
    async with store.session(partition, {key for fact in facts for key in fold.keys(fact)}) as session:
        assert session.mark is not None
        outputs: list[Output] = []
        for fact, record in zip(facts, records, strict=True):
            outputs += fold.step(session.states, fact, record)
        return await session.commit(Mark(session.mark.next_offset + len(records)), outputs)
