"""The ledger on a real PostgreSQL: what it refuses, and that everything always balances."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import psycopg
import pytest
from aiokafka.structs import TopicPartition

from services.ledger.app import MIGRATIONS, SCHEMA
from services.ledger.cases import EXEMPTIONS, REFUNDS, enterprise, exemption, refund, take
from services.ledger.domain.posting import Posted
from services.ledger.store.rows import PostingRows
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import PostgresStore, connect, migrate
from shared.streaming.records import Mark, Record

pytestmark = pytest.mark.integration
USCC = enterprise(1)
Store = PostgresStore[Posted]


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    store: Store = PostgresStore(pool, SCHEMA, PostingRows())
    for topic in (EXEMPTIONS, REFUNDS):
        for number in range(6):
            assert await store.restart(TopicPartition(topic, number), 0, None)
    yield store
    await pool.close()


async def postings(store: Store) -> list[tuple[int, str, str, int, int, str]]:
    async with store.pool.connection() as db:
        query = "SELECT seq, debit, credit, amount_fen, partition, topic FROM posting ORDER BY seq"
        return await (await db.execute(query)).fetchall()


async def balances(store: Store) -> dict[str, tuple[int, int]]:
    async with store.pool.connection() as db:
        rows = await (await db.execute("SELECT account, debit_fen, credit_fen FROM account_balance")).fetchall()
    return {account: (debit, credit) for account, debit, credit in rows}


async def test_the_ledgers_order_is_the_logs(store: Store) -> None:
    assert await take(store, [exemption(enterprise(n), "granted", n, offset=n) for n in range(1, 50)])
    assert await take(store, [refund(enterprise(n), "authorised", 100 + n, offset=n) for n in range(1, 5)])
    rows = await postings(store)
    assert [row[0] for row in rows] == list(range(1, 54))
    assert [row[3] for row in rows] == [*range(1, 50), *range(101, 105)]
    assert {(row[4], row[5]) for row in rows} == {(3, EXEMPTIONS), (3, REFUNDS)}


async def test_a_grant_and_its_revocation_leave_nothing(store: Store) -> None:
    await take(store, [exemption(USCC, "granted", 70), exemption(USCC, "revoked", -70, 2)])
    assert await balances(store) == {
        "Expenses:Relief:Exemption:Pension:650100": (70, 70),
        "Assets:Receivable:Contributions:Pension": (70, 70),
    }


async def test_a_repeat_posts_nothing_and_other_content_stops(store: Store) -> None:
    first = refund(USCC, "authorised", 70)
    await take(store, [first, first])
    await take(store, [first])
    assert len(await postings(store)) == 1
    with pytest.raises(Stop, match="with other content"):
        await take(store, [refund(enterprise(2), "authorised", 5), refund(USCC, "authorised", 71)])
    assert len(await postings(store)) == 1


@pytest.mark.parametrize("change", ["authorised", "settled", "cancelled"])
async def test_a_payment_is_authorised_and_resolved_once_whatever_ids_say_so(store: Store, change: str) -> None:
    await take(store, [refund(USCC, change, 70)])
    again = refund(USCC, change, 70, offset=1)
    value = (again.value or b"").replace(b'"id":"', b'"id":"f', 1)
    disguised = value[: value.index(b'"id":"f') + 38] + value[value.index(b'"id":"f') + 39 :]
    with pytest.raises(psycopg.errors.UniqueViolation, match="posting_resolves_once"):
        await take(store, [Record(again.topic, again.partition, 1, again.key, disguised)])


async def test_partitions_post_side_by_side_and_everything_balances(store: Store) -> None:
    async def feed(topic: str, number: int) -> None:
        for turn in range(12):
            places = range(turn * 10, turn * 10 + 10)
            if topic == EXEMPTIONS:
                batch = [exemption(enterprise(1000 * number + n), "granted", n + 1, partition=number) for n in places]
            else:
                # The other way round, so that accounts are met in another order.
                batch = [
                    refund(enterprise(1000 * number + n), change, n + 1, partition=number)
                    for n in reversed(places)
                    for change in ("settled", "authorised", "submitted")
                ]
            assert await take(store, batch)

    await asyncio.gather(*(feed(topic, number) for topic in (EXEMPTIONS, REFUNDS) for number in range(6)))
    rows = await postings(store)
    assert [row[0] for row in rows] == list(range(1, 6 * 120 * 4 + 1))
    added: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, debit, credit, amount, _, _ in rows:
        added[debit][0] += amount
        added[credit][1] += amount
    held = await balances(store)
    assert held == {account: tuple(sums) for account, sums in added.items()}
    assert sum(debit - credit for debit, credit in held.values()) == 0


async def test_postings_are_never_thrown_away(store: Store) -> None:
    posted, empty = TopicPartition(EXEMPTIONS, 3), TopicPartition(REFUNDS, 3)
    await take(store, [exemption(USCC, "granted", 70)])
    with pytest.raises(Stop, match="rebuild the ledger into an empty one"):
        await store.restart(posted, 0, await store.mark(posted))
    assert await store.mark(posted) == Mark(1)
    assert await store.restart(empty, 5, await store.mark(empty))


ROW = {
    "seq": "2", "event_id": "repeat('2', 32)", "type": "'relief.refund.settled.v1'", "business_key": "repeat('b', 32)",
    "uscc": "'91650100MA7ABCDE18'", "decision_id": "repeat('d', 32)", "debit": "'Assets:Bank:InTransit'",
    "credit": "'Assets:Bank:Fund'", "amount_fen": "5", "booked_on": "'2020-02-20'",
    "digest": "decode(repeat('0', 32), 'hex')", "topic": "'ledger.refunds.v1'", "partition": "3",
}  # fmt: skip


def insert(**changed: str) -> str:
    row = ROW | changed
    return f"INSERT INTO ledger.posting ({', '.join(row)}) VALUES ({', '.join(row.values())})"


@pytest.fixture
async def posted(store: Store, superuser_database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """As the superuser, whom rights do not hold back; one posting is there."""
    await take(store, [exemption(USCC, "granted", 70)])
    async with await psycopg.AsyncConnection.connect(superuser_database) as db:
        yield db


async def test_a_good_row_is_taken(posted: psycopg.AsyncConnection) -> None:
    await posted.execute(insert().encode())


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("posting_key", {"seq": "1"}),
        ("posting_seq", {"seq": "0"}),
        ("posting_event_id", {"event_id": "'2'"}),
        ("posting_event_once", {"event_id": "(SELECT event_id FROM ledger.posting)"}),
        ("posting_type", {"type": "'relief.gift.made.v1'"}),
        ("posting_business_key", {"business_key": "''"}),
        ("posting_uscc", {"uscc": "'9165'"}),
        ("posting_decision_id", {"decision_id": "''"}),
        ("posting_amount", {"amount_fen": "0"}),
        ("posting_amount", {"amount_fen": "-5"}),
        ("posting_amount", {"amount_fen": "9000000000000000001"}),
        ("posting_digest", {"digest": "''"}),
        ("posting_partition", {"partition": "-1"}),
        ("posting_two_accounts", {"debit": "'Assets:Bank:Fund'"}),
        ("posting_debit_form", {"debit": "'Assets:bank'"}),
        ("posting_debit_form", {"debit": "'Expenses:Relief::650100'"}),
        ("posting_credit_form", {"credit": "'Cash:Box'"}),
    ],
)
async def test_a_row_out_of_range_is_refused(
    posted: psycopg.AsyncConnection, constraint: str, changed: dict[str, str]
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as raised:
        await posted.execute(insert(**changed).encode())
    assert raised.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.posting SET amount_fen = 71",
        "DELETE FROM ledger.posting",
        "TRUNCATE ledger.posting",
        "UPDATE ledger.account_balance SET debit_fen = debit_fen + 1",
        "DELETE FROM ledger.account_balance",
        "TRUNCATE ledger.account_balance",
        "INSERT INTO ledger.account_balance VALUES ('Assets:Bank:Fund', 5, 0)",
    ],
)
async def test_what_is_posted_stays(posted: psycopg.AsyncConnection, database: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="is refused: rows here are immutable"):
        await posted.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.posting SET amount_fen = 71",
        "DELETE FROM ledger.posting",
        "TRUNCATE ledger.posting",
        "DELETE FROM ledger.account_balance",
    ],
)
async def test_the_service_has_not_even_the_right(store: Store, database: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as db:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await db.execute(statement.encode())
