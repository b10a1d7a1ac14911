"""The ledger on a real PostgreSQL: every event once, numbered without gaps, chained, and everything always balances."""

import asyncio
from collections import defaultdict

import psycopg
import pytest
from aiokafka.structs import TopicPartition

from services.ledger.cases import EXEMPTIONS, REFUNDS, enterprise, exemption, refund, take
from services.ledger.domain.posting import Posted
from services.ledger.exports.journal import journal
from services.ledger.exports.verify import verify
from services.ledger.journal_cases import batches, journalled, stored
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.records import Mark, Record

pytestmark = pytest.mark.integration
USCC = enterprise(1)
Store = PostgresStore[Posted]


async def postings(store: Store) -> list[tuple[int, str, str, int, int, str]]:
    async with store.pool.connection() as db:
        query = "SELECT seq, debit, credit, amount_fen, partition, topic FROM posting ORDER BY seq"
        return await (await db.execute(query)).fetchall()


async def balances(store: Store) -> dict[str, tuple[int, int]]:
    statement, _ = await stored(store.pool)
    return {one.account: (one.debit_fen, one.credit_fen) for one in statement.accounts}


async def test_the_ledgers_order_is_the_logs(store: Store) -> None:
    assert await take(store, [exemption(enterprise(n), "granted", n, offset=n) for n in range(1, 50)])
    assert await take(store, [refund(enterprise(n), "authorised", 100 + n, offset=n) for n in range(1, 5)])
    rows = await postings(store)
    assert [row[0] for row in rows] == list(range(1, 54))
    assert [row[3] for row in rows] == [*range(1, 50), *range(101, 105)]
    assert {(row[4], row[5]) for row in rows} == {(3, EXEMPTIONS), (3, REFUNDS)}


async def test_every_event_of_the_chart_is_stored_as_it_is_posted(store: Store) -> None:
    """The tables and the pure functions make one journal, to the last link."""
    taken = batches()
    for batch in taken:
        assert await take(store, batch)
    assert await stored(store.pool) == journalled(record for batch in taken for record in batch)


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


def disguised(record: Record) -> Record:
    """The same event under another id."""
    value = record.value or b""
    start = value.index(b'"id":"') + 6
    return Record(record.topic, record.partition, 1, record.key, value[:start] + b"0" * 32 + value[start + 32 :])


@pytest.mark.parametrize(
    ("change", "index"),
    [
        ("authorised", "posting_told_once"),
        ("submitted", "posting_told_once"),
        ("settled", "posting_(answered|ended)_once"),
        ("rejected", "posting_answered_once"),
        ("cancelled", "posting_ended_once"),
    ],
)
async def test_each_step_of_a_payment_is_taken_once_whatever_ids_say_so(store: Store, change: str, index: str) -> None:
    await take(store, [refund(USCC, change, 70)])
    with pytest.raises(psycopg.errors.UniqueViolation, match=index):
        await take(store, [disguised(refund(USCC, change, 70, offset=1))])


@pytest.mark.parametrize(("first", "second"), [("settled", "rejected"), ("settled", "cancelled")])
@pytest.mark.parametrize("turned", [False, True])
async def test_what_was_settled_is_neither_rejected_nor_cancelled(
    store: Store, first: str, second: str, turned: bool
) -> None:
    steps = (second, first) if turned else (first, second)
    await take(store, [refund(USCC, steps[0], 70)])
    with pytest.raises(psycopg.errors.UniqueViolation):
        await take(store, [refund(USCC, steps[1], 70, offset=1)])


async def test_a_rejected_payment_is_cancelled_and_a_clawback_comes_back_in_parts(store: Store) -> None:
    steps = [("authorised", 1), ("submitted", 1), ("rejected", 1), ("cancelled", 1), ("clawback_settled", 1),
             ("clawback_settled", 2), ("clawback_written_off", 1), ("clawback_written_off", 2)]  # fmt: skip
    assert await take(store, [refund(USCC, step, 9, 1, part, offset=n) for n, (step, part) in enumerate(steps)])
    assert len(await postings(store)) == len(steps)


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
    statement, entries = await stored(store.pool)
    verdict = verify(line.encode() for line in journal(statement, entries))
    assert (verdict.postings, len(verdict.heads), verdict.findings) == (2880, 12, ())


async def test_postings_are_never_thrown_away(store: Store) -> None:
    posted, empty = TopicPartition(EXEMPTIONS, 3), TopicPartition(REFUNDS, 3)
    await take(store, [exemption(USCC, "granted", 70)])
    with pytest.raises(Stop, match="rebuild the ledger into an empty one"):
        await store.restart(posted, 0, await store.mark(posted))
    assert await store.mark(posted) == Mark(1)
    assert await store.restart(empty, 5, await store.mark(empty))
