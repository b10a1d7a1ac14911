"""Receivables over random histories: they add up, and agree with a plain reading of the rules and of the log."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.holdover.api_cases import as_csv, serving, work
from services.holdover.app import MIGRATIONS
from services.holdover.cases import FUND, POWER, TERMS, USCC, WATER, enterprise
from services.holdover.domain.arrivals import BillIssued
from services.holdover.domain.enterprise import Held
from services.holdover.domain.facts import DAWN
from services.holdover.domain.identity import holdover_id
from services.holdover.plain_reading import Reading, read
from services.holdover.store.rows import HoldoverRows
from services.holdover.store.test_rows import Store, commit
from services.holdover.test_any_order import ACCOUNTS, History, histories, seen_of
from shared.contracts import topics
from shared.streaming.postgres_store import PostgresStore, connect, migrate
from shared.streaming.records import Record

pytestmark = pytest.mark.integration
SUPPLIER = POWER.supplier_id
PARTS = ("not_yet_due_fen", "due_fen", "overdue_fen")
SUMS = ("deferred_fen", "paid_fen", "open_fen", *PARTS, "surplus_fen")
_numbers = count()


def adds_up(row: dict[str, Any]) -> None:
    assert row["open_fen"] == sum(row[name] for name in PARTS), row
    assert row["deferred_fen"] - row["paid_fen"] == row["open_fen"] - row["surplus_fen"], row
    assert all(row[name] >= 0 for name in SUMS), row


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


# Not made smaller where it fails: each try costs a schema of its own.
_ONCE = (Phase.explicit, Phase.generate)


@settings(max_examples=12, phases=_ONCE, deadline=None, suppress_health_check=list(HealthCheck))
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
        await work(store, schema)
        async with serving(store, secrets, redis_url, schema) as desk:
            found = await desk.read(f"receivables?supplier_id={SUPPLIER}")
            accounts = {one["holdover_id"]: one for one in await desk.receivables(3)}
            lines = await desk.rows_of_csv()
    _agree(histories, found, accounts)
    assert lines == as_csv(list(accounts.values()))


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
