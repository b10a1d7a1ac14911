"""The store of payments on a real PostgreSQL: round trips, fences, concurrency, and the relay of what is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date

import psycopg
import pytest
from aiokafka.structs import TopicPartition

from services.payments.app import MIGRATIONS, SCHEMA
from services.payments.cases import day, enterprise, made, take
from services.payments.domain.day import Day
from services.payments.domain.exemption import Exemption
from services.payments.domain.refund import Key, Payment, Refund
from services.payments.domain.state import DAY, Held, state_key
from services.payments.store.rows import PaymentRows
from shared.contracts import registry, topics
from shared.ids import payment_id
from shared.streaming.errors import Retry, Stop
from shared.streaming.postgres_store import PostgresStore, connect, migrate
from shared.streaming.records import Mark, Output
from shared.streaming.relay import Relay

pytestmark = pytest.mark.integration
USCC = enterprise(1)
PENSION = "pension/2020-02"
WAIVED, DUE = state_key(Key(USCC, "exemption", PENSION)), state_key(Key(USCC, "refund", "20/19"))
THREE = TopicPartition(topics.DECISIONS, 3)
Store = PostgresStore[Held]


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    store: Store = PostgresStore(pool, SCHEMA, PaymentRows())
    for number in range(12):
        assert await store.restart(TopicPartition(topics.DECISIONS, number), 0, None)
    yield store
    await pool.close()


def payment(number: int, amount_fen: int, state: str = "authorised") -> Payment:
    identity = payment_id(USCC, "refund", "20/19", number)
    return Payment(number, identity, amount_fen, state, "650100", "d" * 32, "a" * 32)  # type: ignore[arg-type]


def refund(revision: int, amount_fen: int, *payments: Payment) -> Refund:
    number = max(payment.number for payment in payments)
    return Refund(revision, amount_fen, number, payments, "653100", "a.b.c.d.e", "a" * 32)


async def save(store: Store, states: dict[str, Held], outputs: Sequence[Output] = ()) -> bool:
    async with store.session(THREE, []) as session:
        assert session.mark is not None
        for key, state in states.items():
            session.states.put(key, state)
        return await session.commit(Mark(session.mark.next_offset + 1), outputs)


async def load(store: Store) -> dict[str, Held]:
    async with store.session(
        THREE, [DAY, WAIVED, DUE, state_key(Key(USCC, "exemption", "medical/2020-02"))]
    ) as session:
        return {key: state for key in session.states if (state := session.states.get(key)) is not None}


async def outbox(store: Store) -> list[tuple[int, str, int]]:
    async with store.pool.connection() as db:
        return await (await db.execute("SELECT seq, topic, partition FROM outbox ORDER BY seq")).fetchall()


async def test_states_come_back_as_they_were_saved(store: Store) -> None:
    states: dict[str, Held] = {
        DAY: Day(date(2020, 2, 20)),
        WAIVED: Exemption(1, 10**15, "650100"),
        DUE: refund(2, 150, payment(1, 100), payment(2, 50)),
    }
    assert await load(store) == {}
    assert await save(store, states)
    assert await load(store) == states
    states = {
        DAY: Day(date(2020, 2, 21)),
        WAIVED: Exemption(4, 0, None),
        DUE: refund(3, 120, payment(1, 100), payment(2, 50, "cancelled"), payment(3, 20)),
    }
    assert await save(store, states)
    # What was cancelled before it went out is over and is not read again.
    states[DUE] = refund(3, 120, payment(1, 100), payment(3, 20))
    assert await load(store) == states


async def test_what_does_not_add_up_is_not_committed_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="149 fen due"):
        await save(store, {DUE: refund(1, 149, payment(1, 150)), WAIVED: Exemption(1, 5, "650100")})
    assert await load(store) == {}
    assert (await store.mark(THREE)) == Mark(0)


async def test_a_payment_that_came_out_different_under_its_number_is_refused(store: Store) -> None:
    assert await save(store, {DUE: refund(1, 100, payment(1, 100))})
    with pytest.raises(psycopg.errors.IntegrityError, match="keeps its identity, amount and place"):
        await save(store, {DUE: refund(2, 101, payment(1, 101))})


async def test_an_enterprise_keeps_its_partition(store: Store) -> None:
    uscc = enterprise(7)
    assert await take(store, THREE, [made(uscc, "exemption", PENSION, 1, 70)])
    with pytest.raises(psycopg.errors.IntegrityError, match="in its own partition"):
        await take(store, TopicPartition(topics.DECISIONS, 4), [made(uscc, "exemption", PENSION, 2, 90, partition=4)])


async def test_state_is_never_thrown_away(store: Store) -> None:
    await save(store, {WAIVED: Exemption(1, 0, None)})
    with pytest.raises(Stop, match="Restore the database"):
        await store.restart(THREE, 0, await store.mark(THREE))
    assert await store.mark(THREE) == Mark(1)
    empty = TopicPartition(topics.DECISIONS, 4)
    assert await store.restart(empty, 5, await store.mark(empty))


async def test_a_stale_owner_is_fenced(store: Store) -> None:
    stale = await store.mark(THREE)
    assert await save(store, {WAIVED: Exemption(1, 70, "650100")})
    async with store.session(THREE, [WAIVED]) as session:
        session.mark = stale
        session.states.put(WAIVED, Exemption(2, 90, "650100"))
        assert not await session.commit(Mark(1), [])
    assert (await load(store))[WAIVED] == Exemption(1, 70, "650100")


async def test_two_sessions_on_one_partition_take_turns(store: Store) -> None:
    first_is_in, first_may_go = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def first() -> None:
        async with store.session(THREE, [WAIVED]) as session:
            first_is_in.set()
            await first_may_go.wait()
            session.states.put(WAIVED, Exemption(1, 70, "650100"))
            order.append("first")
            assert await session.commit(Mark(1), [])

    async def second() -> None:
        await first_is_in.wait()
        asyncio.get_running_loop().call_later(0.2, first_may_go.set)
        async with store.session(THREE, [WAIVED]) as session:
            order.append("second")
            assert session.states.get(WAIVED) == Exemption(1, 70, "650100")

    await asyncio.gather(first(), second())
    assert order == ["first", "second"]


async def test_sessions_of_other_partitions_go_side_by_side(store: Store) -> None:
    async with store.session(THREE, [WAIVED]), store.session(TopicPartition(topics.DECISIONS, 4), []) as other:
        assert other.mark == Mark(0)


async def test_events_are_numbered_without_gaps_whoever_commits_when(store: Store) -> None:
    async def feed(number: int) -> None:
        partition = TopicPartition(topics.DECISIONS, number)
        for revision in range(1, 9):
            amount = revision * 10 if revision % 3 else 0
            batch = [
                made(enterprise(100 * number + one), measure, key, revision, amount, offset=revision, partition=number)
                for one in range(5)
                for measure, key in (("exemption", PENSION), ("refund", "2019"))
            ]
            if revision == 5 and number % 2:
                async with store.session(partition, []) as session:  # given up: its numbers must not be lost
                    session.states.put(WAIVED, Exemption(1, -1, "650100"))
                    with pytest.raises(psycopg.errors.CheckViolation):
                        await session.commit(Mark(99), [Output("t", 0, b"", b"")])
            assert await take(store, partition, batch)

    await asyncio.gather(*(feed(number) for number in range(6)))
    rows = await outbox(store)
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) > 6 * 5 * 2 * 8


class Broker:
    """Acknowledges, or fails when told to, after having taken what it was given."""

    def __init__(self) -> None:
        self.records: list[Output] = []
        self.failures = 0

    async def publish(self, outputs: Sequence[Output]) -> None:
        self.records += outputs
        if self.failures:
            self.failures -= 1
            raise Retry("the acknowledgement was lost")


async def test_the_relay_tells_in_order_and_moves_on_after_the_acknowledgement(store: Store) -> None:
    records = [day(date(2020, 2, 20)), *(made(USCC, "exemption", PENSION, n, n * 10, offset=n) for n in range(1, 8))]
    assert await take(store, THREE, records)
    broker = Broker()
    relay = Relay(store.pool, SCHEMA, broker, batch=3)
    broker.failures = 1
    with pytest.raises(Retry):
        await relay.once()
    assert [await relay.once() for _ in range(4)] == [3, 3, 1, 0]
    amounts = [registry.decoder(one.topic).validate_json(one.value).data.amount_fen for one in broker.records]
    assert amounts == [10, 20, 30, 10, 20, 30, 40, 50, 60, 70]


async def test_one_relay_at_a_time(store: Store) -> None:
    assert await take(store, THREE, [made(USCC, "exemption", PENSION, 1, 10)])
    broker = Broker()
    async with store.pool.connection() as db:
        await db.execute("SELECT relayed FROM outbox_pointer FOR UPDATE")
        assert await Relay(store.pool, SCHEMA, broker).once() == 0
    assert await Relay(store.pool, SCHEMA, broker).once() == 1
