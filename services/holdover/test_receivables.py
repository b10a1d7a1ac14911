"""Receivables over HTTP, on a real database: they add up, and agree with the bills of the log."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from services.holdover.api_cases import Desk, problem, serving
from services.holdover.app import MIGRATIONS
from services.holdover.cases import FUND, POWER, TERMS, USCC, WATER, Logs, enterprise, signer
from services.holdover.clock import Clock
from services.holdover.domain.arrivals import BillIssued
from services.holdover.domain.enterprise import Held
from services.holdover.domain.facts import DAWN
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.life_cases import BEGINS
from services.holdover.plain_reading import Reading, read
from services.holdover.receivables_api import COLUMNS, CSV_AT_ONCE
from services.holdover.store import receivables
from services.holdover.store.rows import HoldoverRows
from services.holdover.store.test_rows import Store, commit, story
from services.holdover.test_any_order import ACCOUNTS, History, histories, seen_of
from shared.contracts import topics
from shared.snapshot import snapshot
from shared.streaming.postgres_store import PostgresStore, connect, migrate
from shared.streaming.records import Record

pytestmark = pytest.mark.integration
SUPPLIER = POWER.supplier_id
ASKED = f"receivables?supplier_id={SUPPLIER}"
PARTS = ("not_yet_due_fen", "due_fen", "overdue_fen")
SUMS = ("deferred_fen", "paid_fen", "open_fen", *PARTS, "surplus_fen")
_numbers = count()


@pytest.fixture
async def desk(store: Store, secrets: Path, redis_url: str) -> AsyncIterator[Desk]:
    async with serving(store, secrets, redis_url, f"receivables-{next(_numbers)}") as desk:
        yield desk


@pytest.fixture
def logs() -> Logs:
    return Logs()


def adds_up(row: dict[str, Any]) -> None:
    assert row["open_fen"] == sum(row[name] for name in PARTS), row
    assert row["deferred_fen"] - row["paid_fen"] == row["open_fen"] - row["surplus_fen"], row
    assert all(row[name] >= 0 for name in SUMS), row


async def rows_of_csv(desk: Desk, supplier_id: str = SUPPLIER) -> list[dict[str, str]]:
    answer = await desk.ask(f"receivables.csv?supplier_id={supplier_id}", subject=f"exporter {next(_numbers)}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def pages(desk: Desk, limit: int, supplier_id: str = SUPPLIER) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await desk.read(f"receivables/accounts?supplier_id={supplier_id}&limit={limit}{after}")
        found += page["accounts"]
        assert len(page["accounts"]) <= limit
        if page["next_after"] is None:
            return found
        after = f"&after={page['next_after']}"


async def test_a_story_in_sums(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, story(logs))
    found = await desk.read(ASKED, "supplier", supplier_id=SUPPLIER)
    assert (found["as_of"], found["as_of_latest"], found["waiting"]) == ("2020-09-21", "2020-09-21", 0)
    assert found["totals"] == [
        {
            "utility": "electricity", "accounts": 1, "enterprises": 1, "bills": 2,
            "deferred_fen": 1160, "paid_fen": 641, "open_fen": 519,
            "not_yet_due_fen": 519, "due_fen": 0, "overdue_fen": 0,
            "surplus_fen": 0, "defaulted_fen": 0, "ended_fen": 0,
        }
    ]  # fmt: skip
    assert found["left_out"] == [
        {"utility": "electricity", "left_out": "not_production", "bills": 1, "amount_fen": 80, "paid_fen": 0},
        {"utility": "electricity", "left_out": "outside_window", "bills": 1, "amount_fen": 30, "paid_fen": 0},
    ]
    (fund,) = (await desk.read(f"receivables?supplier_id={FUND.supplier_id}"))["totals"]
    assert {name: fund[name] for name in (*SUMS, "defaulted_fen")} == {
        "deferred_fen": 700, "paid_fen": 0, "open_fen": 700,
        "not_yet_due_fen": 464, "due_fen": 0, "overdue_fen": 236, "surplus_fen": 0, "defaulted_fen": 700,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "parts"),
    [
        (date(2020, 6, 30), (600, 0, 0)),
        (BEGINS, (600, 0, 0)),
        (date(2020, 7, 23), (600, 0, 0)),
        (date(2020, 7, 24), (500, 100, 0)),
        (date(2020, 7, 31), (500, 100, 0)),
        (date(2020, 8, 1), (500, 0, 100)),
        (date(2020, 8, 24), (400, 100, 100)),
    ],
)
async def test_an_open_sum_by_the_day(
    desk: Desk, store: Store, logs: Logs, day: date, parts: tuple[int, int, int]
) -> None:
    await commit(store, [*logs.day(date(2020, 2, 10)), logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    # In grace the first instalment does not end the holdover: until then all of it is shown as it falls due.
    await commit(store, logs.day(day))
    assert (await desk.read(ASKED))["waiting"] == (day >= BEGINS)
    await _work(store)
    found = await desk.read(ASKED)
    assert (found["as_of"], found["waiting"]) == (str(day), 0)
    assert tuple(found["totals"][0][name] for name in PARTS) == parts


@pytest.mark.parametrize(
    ("day", "parts"),
    [
        (date(2020, 4, 19), (100, 0, 0)),
        (date(2020, 4, 20), (60, 40, 0)),
        (date(2020, 4, 21), (60, 0, 40)),
        (date(2020, 6, 30), (0, 60, 40)),
        (date(2020, 7, 1), (0, 0, 100)),
    ],
)
async def test_what_was_taken_back_is_due_at_the_bills_own_dates(
    desk: Desk, store: Store, logs: Logs, day: date, parts: tuple[int, int, int]
) -> None:
    """Paid 500 of a bill of 540, and nothing of the later one of 60."""
    await commit(store, [*logs.day(date(2020, 2, 10)), logs.applied("a1"), logs.bill("b1", 540), logs.decided("a1")])
    await commit(store, [logs.bill("b2", 60, due_on=date(2020, 6, 30)), logs.paid("p1", "b1", 500, date(2020, 3, 1))])
    await commit(store, [logs.withdrawn("a1", date(2020, 2, 10)), *logs.day(day)])
    await _work(store)
    (found,) = (await desk.read(ASKED))["totals"]
    assert tuple(found[name] for name in PARTS) == parts
    assert (found["open_fen"], found["ended_fen"], found["defaulted_fen"]) == (100, 100, 0)


async def test_partitions_reach_a_day_one_after_the_other(desk: Desk, store: Store, logs: Logs) -> None:
    later = Logs(4)
    other = enterprise(2)
    for one, uscc in ((logs, USCC), (later, other)):
        await commit(store, [one.applied("a1", uscc=uscc), one.bill("b1", 600, uscc=uscc)])
        await commit(store, [one.decided("a1", uscc=uscc)])
    found = await desk.read(ASKED)
    assert (found["as_of"], found["as_of_latest"]) == (None, None)
    await commit(store, logs.day(date(2020, 2, 10)))
    found = await desk.read(ASKED)
    assert (found["as_of"], found["as_of_latest"]) == (None, "2020-02-10")
    # Among the facts alone a day has not started.
    await commit(store, [later.known(date(2020, 2, 12)), later.passed_on(date(2020, 2, 11))])
    found = await desk.read(ASKED)
    assert (found["as_of"], found["as_of_latest"]) == ("2020-02-10", "2020-02-11")
    assert [one["as_of"] for one in await pages(desk, 5)] == [
        {USCC: "2020-02-10", other: "2020-02-11"}[uscc] for uscc in sorted([USCC, other])
    ]


async def test_pages_and_csv_have_every_account_once(desk: Desk, store: Store, logs: Logs) -> None:
    gas = Account("gas", SUPPLIER, POWER.account_no)
    for number in range(1, 8):
        uscc = enterprise(number)
        account = Account("electricity", SUPPLIER, f"{number % 3}")
        await commit(store, [logs.applied("a1", "electricity", "gas", uscc=uscc), logs.decided("a1", uscc=uscc)])
        await commit(store, [logs.bill(f"b{number}", number, account=account, uscc=uscc)])
        await commit(store, [logs.bill(f"g{number}", 10 * number, account=gas, uscc=uscc)])
    # No receivable: nothing was ever deferred.
    await commit(store, [logs.bill("x", 99, account=Account("water", SUPPLIER, "1"), uscc=enterprise(9))])
    whole = await pages(desk, 1000)
    assert len(whole) == 14
    assert [(one["account_no"], one["utility"], one["uscc"]) for one in whole] == sorted(
        (one["account_no"], one["utility"], one["uscc"]) for one in whole
    )
    for limit in (1, 2, 7, 13, 14):
        assert await pages(desk, limit) == whole
    lines = await rows_of_csv(desk)
    assert lines == [{name: "" if one[name] is None else str(one[name]) for name in COLUMNS} for one in whole]
    found = await desk.read(ASKED)
    assert [(one["utility"], one["accounts"], one["deferred_fen"]) for one in found["totals"]] == [
        ("electricity", 7, 28), ("gas", 7, 280),
    ]  # fmt: skip
    assert found["left_out"] == [
        {"utility": "water", "left_out": "no_grant", "bills": 1, "amount_fen": 99, "paid_fen": 0}
    ]
    problem(await desk.ask(f"receivables/accounts?supplier_id={SUPPLIER}&after={'0' * 32}"), 404)
    other = whole[0]["holdover_id"]
    problem(await desk.ask(f"receivables/accounts?supplier_id=waterworks&after={other}"), 404)


@pytest.mark.parametrize("begins", ["=", "+", "-", "@"])
async def test_a_name_is_never_a_formula(desk: Desk, store: Store, logs: Logs, begins: str) -> None:
    number = begins + 'HYPERLINK("x","y"),缓缴'
    account = Account("electricity", SUPPLIER, number)
    await commit(store, [logs.applied("a1"), logs.bill("b1", 5, account=account), logs.decided("a1")])
    (line,) = await rows_of_csv(desk)
    assert line["account_no"] == f"'{number}"
    answer = await desk.ask(f"receivables.csv?supplier_id={SUPPLIER}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    head, *lines = answer.text.split("\r\n")
    assert head == ",".join(COLUMNS)
    assert len(lines) == 2
    assert lines[-1] == ""
    assert f'"\'{begins}HYPERLINK(""x"",""y""),缓缴"' in lines[0]


async def test_all_accounts_come_from_one_moment(store: Store, logs: Logs) -> None:
    """More than the server gives at once, while others are written."""
    codes = [enterprise(number) for number in range(1200)]
    for code in codes:
        logs.applied("a1", uscc=code)
        logs.bill("b", 5, uscc=code)
        logs.decided("a1", uscc=code)
    await commit(store, [*logs.facts, *logs.decisions])
    async with snapshot(store.pool) as db, receivables.every(db, SUPPLIER) as rows:
        paid = [(await anext(rows)).paid_fen]
        await commit(store, [logs.paid("p", "b", 5, date(2020, 3, 1), uscc=code) for code in codes])
        paid += [row.paid_fen async for row in rows]
    assert paid == [0] * 1200
    async with snapshot(store.pool) as db, receivables.every(db, SUPPLIER) as rows:
        assert [row.paid_fen async for row in rows] == [5] * 1200


async def test_a_reader_that_goes_away_holds_nothing(desk: Desk, store: Store, logs: Logs) -> None:
    for number in range(1200):
        logs.applied("a1", uscc=enterprise(number))
        logs.bill("b", 5, uscc=enterprise(number))
        logs.decided("a1", uscc=enterprise(number))
    await commit(store, [*logs.facts, *logs.decisions])
    for _ in range(CSV_AT_ONCE + 4):
        gone = asyncio.Event()

        async def reader(message: Message, gone: asyncio.Event = gone) -> None:
            if message["type"] == "http.response.body":
                gone.set()
                await asyncio.Event().wait()

        await desk.export(SUPPLIER, reader, gone)
    assert len(await rows_of_csv(desk)) == 1200


async def test_slow_readers_never_take_the_connections_of_the_others(desk: Desk) -> None:
    begun, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def slow(message: Message) -> None:
        begun.release()
        await may_end.wait()

    reading = [asyncio.create_task(desk.export(SUPPLIER, slow, asyncio.Event())) for _ in range(CSV_AT_ONCE)]
    for _ in reading:
        await begun.acquire()
    answer = await desk.ask(f"receivables.csv?supplier_id={SUPPLIER}")
    problem(answer, 503)
    assert answer.headers["retry-after"] == "10"
    await desk.read(ASKED)
    may_end.set()
    await asyncio.gather(*reading)
    assert await rows_of_csv(desk) == []


async def test_a_supplier_sees_its_own_receivables_only(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    for path in ("receivables", "receivables/accounts", "receivables.csv"):
        asked = f"{path}?supplier_id={SUPPLIER}"
        problem(await desk.ask(asked, None), 401)
        problem(await desk.ask(asked, "supplier", supplier_id=WATER.supplier_id), 403)
        problem(await desk.ask(asked, "supplier"), 403)
        for role in ("enterprise", "liaison", "preparer", "approver"):
            problem(await desk.ask(asked, role, uscc=USCC), 403)
        for role in ("auditor", "operator", "service"):
            assert (await desk.ask(asked, role)).status_code == 200
        assert (await desk.ask(asked, "supplier", supplier_id=SUPPLIER)).status_code == 200
        problem(await desk.ask(path), 422)
    problem(await desk.ask(f"receivables/accounts?supplier_id={SUPPLIER}&limit=1001"), 422)
    problem(await desk.ask(f"receivables/accounts?supplier_id={SUPPLIER}&after=x"), 422)


async def test_a_supplier_nobody_knows_is_owed_nothing(desk: Desk) -> None:
    assert await desk.read("receivables?supplier_id=nobody") == {
        "supplier_id": "nobody", "as_of": None, "as_of_latest": None, "waiting": 0, "totals": [], "left_out": [],
    }  # fmt: skip
    assert await pages(desk, 10, "nobody") == []
    assert await rows_of_csv(desk, "nobody") == []


async def test_exports_are_limited(desk: Desk) -> None:
    asked = f"receivables.csv?supplier_id={SUPPLIER}"
    assert [(await desk.ask(asked, subject="eager")).status_code for _ in range(10)] == [200] * 10
    answer = await desk.ask(asked, subject="eager")
    problem(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1


async def _work(store: Store) -> None:
    works = Clock(store.pool, "holdover", signer())
    while await works.once():
        pass


def expected(reading: Reading, bills: Iterable[BillIssued], day: date) -> dict[str, int]:
    """What the account owes, by the plain reading of the rules: nothing of the service's own reckoning."""
    paid_fen = reading.lowered_fen + reading.repaid_fen
    open_fen = max(0, reading.bills_fen - paid_fen)
    due_fen = overdue_fen = 0
    if reading.state in ("repaying", "completed", "defaulted"):
        for pile in reading.instalments:
            rest = pile.amount_fen - pile.paid_fen
            if pile.due_on < day:
                overdue_fen += rest
            elif pile.due_on - timedelta(days=TERMS.remind_days) <= day:
                due_fen += rest
    elif reading.state != "open":
        left = paid_fen
        for bill in sorted(bills, key=lambda one: one.due_on):
            rest = bill.amount_fen - min(left, bill.amount_fen)
            left -= min(left, bill.amount_fen)
            overdue_fen += rest if bill.due_on < day else 0
            due_fen += rest if bill.due_on == day else 0
    return {
        "deferred_fen": reading.bills_fen,
        "paid_fen": paid_fen,
        "open_fen": open_fen,
        "not_yet_due_fen": open_fen - due_fen - overdue_fen,
        "due_fen": due_fen,
        "overdue_fen": overdue_fen,
        "surplus_fen": max(0, paid_fen - reading.bills_fen),
    }


def elsewhere(record: Record, partition: int) -> Record:
    """The same enterprise's record as another's, in a partition of its own, with one supplier for all its dues."""
    swap = {USCC: enterprise(partition), WATER.supplier_id: SUPPLIER, FUND.supplier_id: SUPPLIER}
    key, value = (record.key or b"").decode(), (record.value or b"").decode()
    for old, new in swap.items():
        key, value = key.replace(old, new), value.replace(old, new)
    return replace(record, partition=partition, key=key.encode(), value=value.encode())


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(histories(), min_size=8, max_size=8))
async def test_receivables_agree_with_the_bills_of_the_log(
    database: str, secrets: Path, redis_url: str, histories: list[History]
) -> None:
    schema = f"holdover_{next(_numbers)}"
    await migrate(database, schema, MIGRATIONS)
    async with connect(database, schema) as pool:
        store: Store = PostgresStore[Held](pool, schema, HoldoverRows())
        for partition, history in enumerate(histories):
            for topic in (topics.FACTS, topics.DECISIONS):
                assert await store.restart(TopicPartition(topic, partition), 0, None)
            for log in (history.logs.facts, history.logs.decisions):
                await commit(store, [elsewhere(record, partition) for record in log])
        works = Clock(pool, schema, signer())
        while await works.once():
            pass
        async with serving(store, secrets, redis_url, schema) as desk:
            found = await desk.read(ASKED)
            accounts = {one["holdover_id"]: one for one in await pages(desk, 3)}
            lines = await rows_of_csv(desk)
    _agree(histories, found, accounts)
    assert lines == [
        {name: "" if one[name] is None else str(one[name]) for name in COLUMNS} for one in accounts.values()
    ]


def _agree(histories: list[History], found: dict[str, Any], accounts: dict[str, dict[str, Any]]) -> None:
    of_log = dict.fromkeys((one.utility for one in ACCOUNTS), 0)
    for partition, history in enumerate(histories):
        seen = seen_of(history.logs)
        latest = {one.fact.bill_id: one.fact for one in seen if isinstance(one.fact, BillIssued)}
        for account in ACCOUNTS:
            bills = [bill for bill in latest.values() if bill.account == account]
            of_log[account.utility] += sum(bill.amount_fen for bill in bills)
            reading = read(seen, account, history.last_day)
            covered = [bill for bill in bills if bill.bill_id in reading.net_fen]
            identity = holdover_id(enterprise(partition), account._replace(supplier_id=SUPPLIER))
            sums = expected(reading, covered, history.last_day)
            if identity in accounts:
                adds_up(accounts[identity])
                assert {name: accounts[identity][name] for name in SUMS} == sums
                assert accounts[identity]["as_of"] == (None if history.last_day == DAWN else str(history.last_day))
            else:
                assert not any(sums.values())
    for total in found["totals"]:
        adds_up(total)
        mine = [one for one in accounts.values() if one["utility"] == total["utility"]]
        assert (total["accounts"], total["enterprises"]) == (len(mine), len({one["uscc"] for one in mine}))
        assert {name: total[name] for name in SUMS} == {name: sum(one[name] for one in mine) for name in SUMS}
    accounted = dict.fromkeys(of_log, 0)
    for total in found["totals"]:
        accounted[total["utility"]] += total["deferred_fen"]
    for rest in found["left_out"]:
        accounted[rest["utility"]] += rest["amount_fen"]
    assert accounted == of_log
