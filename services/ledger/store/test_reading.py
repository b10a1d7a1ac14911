"""What the tables answer, against a plain reading of the same postings: any day, any number, any filter."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.cases import enterprise, take
from services.ledger.domain.chain import Entry, Head
from services.ledger.domain.posting import Posted
from services.ledger.journal_cases import DAYS, batches, stored
from services.ledger.store import reading
from services.ledger.store.reading import Filter, Turnover
from shared.snapshot import snapshot
from shared.streaming.postgres_store import Pool, PostgresStore

pytestmark = pytest.mark.integration
POSTINGS = sum(map(len, batches()))
asked_of_one_ledger = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
days = st.sampled_from([day + timedelta(days=off) for day in DAYS for off in (-1, 0, 1)])
numbers = st.integers(0, POSTINGS)


@pytest.fixture
async def pool(store: PostgresStore[Posted]) -> Pool:
    for batch in batches():
        assert await take(store, batch)
    return store.pool


def plain_turnovers(entries: Sequence[Entry], at_seq: int, on: date | None) -> list[Turnover]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in entries[:at_seq]:
        if on is None or entry.booked_on <= on.isoformat():
            sums[entry.debit][0] += entry.amount_fen
            sums[entry.debit][2] += 1
            sums[entry.credit][1] += entry.amount_fen
    return [Turnover(name, *sides) for name, sides in sorted(sums.items())]


def plain_heads(entries: Sequence[Entry], at_seq: int) -> list[Head]:
    heads: dict[tuple[str, int], Head] = {}
    for entry in entries[:at_seq]:
        chain = (entry.topic, entry.partition)
        before = heads[chain].postings if chain in heads else 0
        heads[chain] = Head(*chain, before + 1, entry.seq, entry.link)
    return [heads[chain] for chain in sorted(heads)]


def wanted(entry: Entry, which: Filter) -> bool:
    sides = (entry.debit, entry.credit)
    return (
        (which.account is None or any(f"{side}:".startswith(f"{which.account}:") for side in sides))
        and (which.uscc is None or entry.uscc == which.uscc)
        and (which.type is None or entry.type == which.type)
        and (which.booked_from is None or entry.booked_on >= which.booked_from.isoformat())
        and (which.booked_to is None or entry.booked_on <= which.booked_to.isoformat())
    )


@asked_of_one_ledger
@given(numbers, st.none() | days)
async def test_balances_of_any_day_after_any_number(pool: Pool, at_seq: int, on: date | None) -> None:
    _, entries = await stored(pool)
    async with snapshot(pool) as db:
        assert await reading.turnovers(db, at_seq, on) == plain_turnovers(entries, at_seq, on)


@asked_of_one_ledger
@given(numbers)
async def test_the_heads_after_any_number(pool: Pool, at_seq: int) -> None:
    _, entries = await stored(pool)
    async with snapshot(pool) as db:
        assert await reading.heads(db, at_seq) == plain_heads(entries, at_seq)


accounts = st.sampled_from(
    ["Assets", "Assets:Bank", "Assets:Bank:Fund", "Assets:Ban", "Expenses:Relief:Exemption", "Liabilities:Nothing"]
)
types = st.sampled_from(["relief.refund.settled.v1", "relief.exemption.amended.v1"])
usccs = st.sampled_from([enterprise(number) for number in (1, 2, 9)])
filters = st.builds(
    Filter, st.none() | accounts, st.none() | usccs, st.none() | types, st.none() | days, st.none() | days
)


@asked_of_one_ledger
@given(filters, numbers, st.integers(1, 40), st.integers(1, 120))
async def test_the_pages_are_the_postings_that_were_asked_for(
    pool: Pool, which: Filter, at_seq: int, limit: int, window: int
) -> None:
    _, entries = await stored(pool)
    found, turns = list[Entry](), 0
    after: int | None = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "WINDOW", window)
        while after is not None:
            async with snapshot(pool) as db:
                page, next_after = await reading.page(db, which, after, at_seq, limit)
            assert len(page) <= limit
            assert next_after is None or next_after > after
            found, after, turns = [*found, *page], next_after, turns + 1
    assert found == [entry for entry in entries[:at_seq] if wanted(entry, which)]
    if which.uscc is not None:
        assert turns <= len(found) // limit + 1


async def test_pages_stay_as_they_are_while_the_ledger_grows(store: PostgresStore[Posted]) -> None:
    before, after = batches()[:6], batches()[6:]
    for batch in before:
        await take(store, batch)
    _, entries = await stored(store.pool)
    found = list[Entry]()
    start: int | None = 0
    while start is not None:
        async with snapshot(store.pool) as db:
            page, start = await reading.page(db, Filter(), start, len(entries), 10)
        found += page
        if after:
            await take(store, after.pop(0))
    assert not after
    assert found == entries
    async with snapshot(store.pool) as db:
        assert await reading.turnovers(db, len(entries), None) == plain_turnovers(entries, len(entries), None)
        assert await reading.heads(db, len(entries)) == plain_heads(entries, len(entries))


async def test_a_day_that_nobody_booked_on_has_nothing(pool: Pool) -> None:
    async with snapshot(pool) as db:
        assert await reading.turnovers(db, POSTINGS, date(2020, 2, 27)) == []
        assert await reading.turnovers(db, 0, None) == []
        assert await reading.heads(db, 0) == []
        assert await reading.page(db, Filter(), 0, 0, 10) == ([], None)
