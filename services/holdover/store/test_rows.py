"""The store of holdover on a real PostgreSQL: what a batch leaves, what a crash leaves, and the clock beside it."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest
from aiokafka.structs import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.holdover.app import SCHEMA
from services.holdover.cases import DECISIONS, FACTS, FUND, POWER, USCC, WATER, Logs, enterprise, events, signer, take
from services.holdover.clock import Clock
from services.holdover.domain.enterprise import PARTITION, Enterprise, Held
from services.holdover.domain.identity import holdover_id
from services.holdover.store import sums
from services.holdover.store.packed import pack, unpack
from shared.contracts import topics
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.records import Mark, Output, Record, States

pytestmark = pytest.mark.integration
Store = PostgresStore[Held]
POWER_ID = holdover_id(USCC, POWER)


async def commit(store: Store, records: Sequence[Record]) -> None:
    """As the runner takes them: runs of one topic are a batch each."""
    batch: list[Record] = []
    for record in [*records, None]:
        if batch and (record is None or record.topic != batch[0].topic):
            assert await _batch(store, batch)
            batch = []
        if record is not None:
            batch.append(record)


async def _batch(store: Store, batch: Sequence[Record], crash: bool = False) -> bool:
    where = TopicPartition(batch[0].topic, batch[0].partition)
    fold = FACTS if where.topic == topics.FACTS else DECISIONS
    facts = [fold.decode(record) for record in batch]
    async with store.session(where, {key for fact in facts for key in fold.keys(fact)}) as session:
        assert session.mark is not None
        told: list[Output] = []
        for fact, record in zip(facts, batch, strict=True):
            told += fold.step(session.states, fact, record)
        if crash:
            return False
        return await session.commit(Mark(session.mark.next_offset + len(batch)), told)


async def look(store: Store, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
    async with store.pool.connection() as db:
        return await (await db.execute(query, parameters)).fetchall()


async def told(store: Store) -> list[Any]:
    rows = await look(store, "SELECT topic, partition, key, value FROM outbox ORDER BY seq")
    return events([Output(*row) for row in rows])


def story(logs: Logs) -> list[Record]:
    """A holdover from application to default, and its cure, with every kind of record."""
    return [
        *logs.day(date(2020, 2, 1)),
        logs.applied("a1", "electricity", "provident_fund"),
        logs.paid("p0", "b9", 40, date(2020, 2, 3)),
        logs.bill("b1", 1000),
        logs.bill("b2", 80, production_use=False),
        logs.bill("w1", 90, account=WATER),
        logs.asked("r1"),
        logs.decided("a1"),
        logs.bill("f1", 700, account=FUND),
        logs.bill("b9", 60, due_on=date(2020, 6, 30)),
        logs.bill("b3", 30, due_on=date(2020, 7, 1)),
        logs.paid("p1", "b1", 1, date(2020, 4, 1)),
        logs.asked("r2"),
        logs.withdrawn("a2", date(2020, 4, 1)),
        *logs.day(date(2020, 7, 24)),
        logs.bill("b1", 1100, version=2),
        *logs.day(date(2020, 9, 20)),
        logs.asked("r3"),
        logs.paid("p2", "b1", 600, date(2020, 7, 30)),
        *logs.day(date(2020, 9, 21)),
    ]


async def test_a_batch_leaves_the_states_the_events_and_what_they_say_in_columns(store: Store) -> None:
    logs = Logs()
    records = story(logs)
    await commit(store, records)
    states: States[Held] = States({})
    said = take(states, records)
    async with store.session(TopicPartition(topics.FACTS, 3), [PARTITION, USCC]) as session:
        stored = session.states.get(USCC)
        assert isinstance(stored, Enterprise)
        known = states.get(USCC)
        assert isinstance(known, Enterprise)
        assert (stored.facts, stored.told) == (known.facts, known.told)
        assert session.states.get(PARTITION) == states.get(PARTITION)
    assert await told(store) == events(said)
    assert await look(
        store,
        "SELECT utility, state, bills_fen, lowered_fen, repaid_fen, open_fen, surplus_fen FROM account ORDER BY 1",
    ) == [
        ("electricity", "repaying", 1160, 41, 600, 519, 0),
        ("provident_fund", "defaulted", 700, 0, 0, 700, 0),
        ("water", "none", 0, 0, 0, 0, 0),
    ]
    assert await look(store, "SELECT bill_id, version, left_out, paid_fen FROM bill ORDER BY bill_id") == [
        ("b1", 2, None, 601),
        ("b2", 1, "not_production", 0),
        ("b3", 1, "outside_window", 0),
        ("b9", 1, None, 40),
        ("f1", 1, None, 0),
        ("w1", 1, "no_grant", 0),
    ]
    assert await look(
        store, "SELECT number, due_on, amount_fen, paid_fen FROM instalment WHERE holdover_id = %s ORDER BY 1", POWER_ID
    ) == [
        (1, date(2020, 7, 31), 174, 174),
        (2, date(2020, 8, 31), 189, 189),
        (3, date(2020, 9, 30), 189, 189),
        (4, date(2020, 10, 31), 189, 48),
        (5, date(2020, 11, 30), 189, 0),
        (6, date(2020, 12, 31), 189, 0),
    ]
    assert await look(store, "SELECT request_id, answer, order_id IS NULL FROM disconnection ORDER BY 1") == [
        ("r1", "refused", True),
        ("r2", "refused", False),
        ("r3", "allowed", True),
    ]
    assert await look(store, "SELECT application_id, utilities, outcome, withdrawn_on FROM application ORDER BY 1") == [
        ("a1", ["electricity", "provident_fund"], "granted", None),
        ("a2", None, "undecided", date(2020, 4, 1)),
    ]


async def test_an_order_in_force_is_the_one_that_was_told_and_signed(store: Store) -> None:
    logs = Logs()
    await commit(store, [logs.applied("a1"), logs.bill("b1", 1000), logs.decided("a1")])
    (order,) = [one.data for one in await told(store) if one.type == "relief.holdover.supply_protected.v1"]
    assert await look(store, "SELECT order_id, order_from, order_until, order_signature FROM account") == [
        (order.order_id, order.from_on, order.until_on, order.signature)
    ]


async def test_a_crash_between_leaves_nothing_and_is_told_once(store: Store) -> None:
    logs = Logs()
    records = story(logs)
    whole: States[Held] = States({})
    said = take(whole, records)
    for place, record in enumerate(records):
        if place % 3 == 0:
            before = await look(store, "SELECT count(*) FROM outbox"), await look(store, "SELECT * FROM account")
            assert not await _batch(store, [record], crash=True)
            assert before == (
                await look(store, "SELECT count(*) FROM outbox"),
                await look(store, "SELECT * FROM account"),
            )
        await commit(store, [record])
    assert await told(store) == events(said)


async def test_a_stale_owner_is_fenced_and_leaves_nothing(store: Store) -> None:
    logs = Logs()
    where = TopicPartition(topics.FACTS, 3)
    await commit(store, [logs.applied("a1"), logs.bill("b1", 1000)])
    record = logs.bill("b2", 500)
    async with store.session(where, [PARTITION, USCC]) as session:
        session.mark = Mark(1)
        told = FACTS.step(session.states, FACTS.decode(record), record)
        assert not await session.commit(Mark(2), told)
    assert await look(store, "SELECT bill_id FROM bill") == [("b1",)]


async def test_state_is_never_thrown_away(store: Store) -> None:
    """What one input has not begun may begin, whatever the other has done."""
    logs = Logs()
    await commit(store, [logs.applied("a1"), logs.bill("b1", 1000)])
    facts, decisions = TopicPartition(topics.FACTS, 3), TopicPartition(topics.DECISIONS, 3)
    assert await store.restart(decisions, 0, await store.mark(decisions))
    with pytest.raises(Stop, match="Restore the database"):
        await store.restart(facts, 0, await store.mark(facts))
    await commit(store, [logs.decided("a1")])
    with pytest.raises(Stop, match="Restore the database"):
        await store.restart(decisions, 0, await store.mark(decisions))


async def test_the_clock_brings_every_enterprise_to_the_day_in_bounded_steps(store: Store) -> None:
    logs = Logs()
    records: list[Record] = [*logs.day(date(2020, 6, 1))]
    for number in range(1, 8):
        uscc = enterprise(number)
        records += [logs.applied("a1", uscc=uscc), logs.bill(f"b{number}", 600, uscc=uscc)]
        records += [logs.decided("a1", uscc=uscc)]
    records += logs.day(date(2020, 7, 31))
    await commit(store, records)
    async with store.pool.connection() as db:
        assert (await sums.progress(db)).waiting == 7
    works = Clock(store.pool, SCHEMA, signer(), at_once=3)
    assert [await works.once() for _ in range(4)] == [True, True, True, False]
    async with store.pool.connection() as db:
        assert (await sums.progress(db)).waiting == 0
    due = [one.data for one in await told(store) if one.type == "relief.holdover.instalment_due.v1"]
    assert {one.uscc for one in due} == {enterprise(number) for number in range(1, 8)}
    assert [(one.origin.topic, one.origin.partition, one.origin.offset) for one in due] == [
        ("holdover.days", 3, number) for number in range(1, 8)
    ]
    assert await look(store, "SELECT sum(amount_fen), count(*) FROM instalment") == [(4200, 42)]


async def test_the_clock_waits_for_the_batch_that_has_the_partition(store: Store) -> None:
    logs = Logs()
    records = [*logs.day(date(2020, 6, 1)), logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")]
    await commit(store, [*records, *logs.day(date(2020, 7, 24))])
    works = Clock(store.pool, SCHEMA, signer())
    record = logs.paid("p1", "b1", 600, date(2020, 7, 24))
    async with store.session(TopicPartition(topics.FACTS, 3), [PARTITION, USCC]) as session:
        assert session.mark is not None
        working = asyncio.create_task(works.once())
        await asyncio.wait({working}, timeout=0.5)
        assert not working.done()
        told_first = FACTS.step(session.states, FACTS.decode(record), record)
        assert await session.commit(Mark(session.mark.next_offset + 1), told_first)
    await working
    assert await told(store) == events(take(States({}), [*records, *logs.facts[-2:-1], *logs.decisions[-1:], record]))


async def test_what_is_no_longer_planned_is_gone(store: Store) -> None:
    logs = Logs()
    await commit(store, [*logs.day(date(2020, 6, 1)), logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    await commit(store, [*logs.day(date(2020, 7, 1)), logs.bill("b1", 660, version=2)])
    assert await look(store, "SELECT sum(amount_fen), count(*) FROM instalment") == [(660, 6)]
    await commit(store, [logs.decided("a1", "denied", 2)])
    assert await look(store, "SELECT * FROM instalment") == []
    assert await look(store, "SELECT state, instalments, bills_fen, left_out FROM account JOIN bill USING (uscc)") == [
        ("denied", 0, 0, "no_grant")
    ]


async def test_the_clock_and_the_batches_tell_the_same(store: Store) -> None:
    """Whether the clock comes before a record or after it."""
    logs = Logs(4)
    records = story(logs)
    works = Clock(store.pool, SCHEMA, signer())
    for record in records:
        await commit(store, [record])
        while await works.once():
            pass
    states: States[Held] = States({})
    assert await told(store) == events(take(states, records))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 30))
def test_a_state_comes_back_as_it_was(length: int) -> None:
    states: States[Held] = States({})
    take(states, story(Logs())[:length])
    known = states.get(USCC)
    if isinstance(known, Enterprise):
        again = unpack(USCC, pack(known))
        assert (again.uscc, again.facts, again.told) == (known.uscc, known.facts, known.told)


def test_a_state_of_a_newer_version_stops() -> None:
    with pytest.raises(Stop, match="newer version"):
        unpack(USCC, msgspec.msgpack.encode((2, None)))


async def test_an_account_that_does_not_add_up_is_not_committed(store: Store) -> None:
    logs = Logs()
    await commit(store, [logs.applied("a1"), logs.bill("b1", 1000), logs.decided("a1")])
    async with store.session(TopicPartition(topics.FACTS, 3), [PARTITION, USCC]) as session:
        known = session.states.get(USCC)
        assert isinstance(known, Enterprise)
        record = logs.bill("b2", 500)
        FACTS.step(session.states, FACTS.decode(record), record)
        now = known.changed.standings[POWER_ID]
        known.changed.standings[POWER_ID] = msgspec.structs.replace(now, bills_fen=1499)
        with pytest.raises(psycopg.errors.IntegrityError, match="sums of holdover"):
            await session.commit(Mark(9), [])
    assert await look(store, "SELECT bills_fen FROM account") == [(1000,)]
