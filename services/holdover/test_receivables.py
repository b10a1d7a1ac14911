"""Receivables over HTTP, on a real database: they add up, and agree with the bills of the log."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from starlette.types import Message

from services.holdover.api_cases import Desk, as_csv, problem, serving, work
from services.holdover.cases import FUND, POWER, USCC, WATER, Logs, enterprise
from services.holdover.domain.identity import Account
from services.holdover.life_cases import BEGINS
from services.holdover.receivables_api import COLUMNS, CSV_AT_ONCE
from services.holdover.store import receivables
from services.holdover.store.test_rows import Store, commit, story
from shared.snapshot import snapshot

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
    await work(store)
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
    await work(store)
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
    assert [one["as_of"] for one in await desk.receivables(5)] == [
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
    whole = await desk.receivables(1000)
    assert len(whole) == 14
    assert [(one["account_no"], one["utility"], one["uscc"]) for one in whole] == sorted(
        (one["account_no"], one["utility"], one["uscc"]) for one in whole
    )
    for limit in (1, 2, 7, 13, 14):
        assert await desk.receivables(limit) == whole
    lines = await desk.rows_of_csv()
    assert lines == as_csv(whole)
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
    (line,) = await desk.rows_of_csv()
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
    assert len(await desk.rows_of_csv()) == 1200


async def test_slow_readers_never_take_the_connections_of_the_others(desk: Desk) -> None:
    begun, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def slow(message: Message) -> None:
        begun.release()
        await may_end.wait()

    reading = [asyncio.create_task(desk.export(SUPPLIER, slow, asyncio.Event())) for _ in range(CSV_AT_ONCE)]
    for _ in reading:
        await begun.acquire()
    try:
        answer = await desk.ask(f"receivables.csv?supplier_id={SUPPLIER}")
        await desk.read(ASKED)
    finally:
        may_end.set()
        await asyncio.gather(*reading)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "10"
    assert await desk.rows_of_csv() == []


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
    assert await desk.receivables(10, "nobody") == []
    assert await desk.rows_of_csv("nobody") == []


async def test_exports_are_limited(desk: Desk) -> None:
    asked = f"receivables.csv?supplier_id={SUPPLIER}"
    assert [(await desk.ask(asked, subject="eager")).status_code for _ in range(10)] == [200] * 10
    answer = await desk.ask(asked, subject="eager")
    problem(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1
