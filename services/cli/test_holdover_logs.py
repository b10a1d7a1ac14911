"""Records of facts, decisions and orders as rows: what is read of them, and what is no record of its topic."""

import json
from datetime import date
from typing import Any

import pytest

from services.cli.holdover_cases import lived
from services.cli.holdover_logs import Rows
from services.cli.holdover_rows import AppliedFact, BillFact, OrderTold, PaymentFact, RequestFact, Ruled, WithdrawnFact
from services.cli.reconcile_logs import Unreadable
from services.holdover.cases import POWER, USCC, Logs, enterprise
from services.holdover.domain.identity import holdover_id
from services.payments.cases import made
from shared.contracts.topics import DECISIONS, FACTS, ORDERS
from shared.streaming.records import Record

POWER_ID = holdover_id(USCC, POWER)


def row(record: Record, rows: Rows | None = None) -> Any:
    return (rows or Rows()).row(record)


def test_facts() -> None:
    logs, rows = Logs(), Rows()
    assert row(logs.applied("a1", "water", "gas"), rows) == AppliedFact(
        USCC, 3, 0, "a1", ("water", "gas"), "2020-02-10"
    )
    assert row(logs.withdrawn("a1", date(2020, 3, 1)), rows) == WithdrawnFact(USCC, 3, 1, "a1", "2020-03-01")
    assert row(logs.bill("b1", 600, version=2), rows) == BillFact(
        USCC, 3, 2, "b1", 2, *POWER, "2020-04", "2020-04-20", 600, True
    )
    asked = row(logs.asked("r1"), rows)
    assert asked == RequestFact(USCC, 3, 3, "r1", *POWER, "2020-05-06")
    assert asked.holdover_id == POWER_ID


def test_a_payment_is_known_on_the_last_day_that_started_before_it_in_its_partition() -> None:
    logs, rows = Logs(), Rows()
    others = Logs(4)
    known = [
        row(logs.paid("p1", "b1", 5, date(2020, 9, 9)), rows),
        row(logs.known(date(2020, 3, 1)), rows),
        row(others.known(date(2020, 8, 1)), rows),
        row(logs.known(date(2020, 2, 1)), rows),  # told again, late: days never go back
        row(logs.paid("p2", "b1", 5, date(2020, 9, 9)), rows),
    ]
    assert known == [
        PaymentFact(USCC, 3, 0, "p1", "b1", 5, "2020-09-09", ""),
        None,
        None,
        None,
        PaymentFact(USCC, 3, 3, "p2", "b1", 5, "2020-09-09", "2020-03-01"),
    ]


def test_decisions() -> None:
    logs = Logs()
    assert row(logs.decided("a1", "denied", 3)) == Ruled(USCC, 3, 0, "a1", 3, "denied")
    assert row(logs.passed_on(date(2020, 3, 1))) is None
    assert row(made(USCC, "refund", "2019", 1, 5)) is None


def test_orders() -> None:
    """Each with what it is about and the fen that the supplier goes by; an end with what is still open."""
    told = [one for one in lived().logged() if isinstance(one, OrderTold)]
    power = [(one.kind, one.subject, one.amount_fen) for one in told if one.holdover_id == POWER_ID]
    order_id = power[2][1]
    assert power[:4] == [
        ("disconnection_refused", "r1", 0),
        ("opened", "a1", 0),
        ("supply_protected", order_id, 0),
        ("bill_deferred", "b1", 1000),
    ]
    assert power[-5:-3] == [("bill_deferred", "b1", 1099), ("instalment_paid", "p2", 174)]
    fund = [(one.kind, one.amount_fen) for one in told if one.utility == "provident_fund"]
    assert fund[2:5] == [("instalment_due", 120), ("instalment_overdue", 120), ("defaulted", 700)]
    orders = {one.kind: one.order for one in told if one.holdover_id == POWER_ID}
    assert orders["supply_protected"][:3] == (order_id, "2020-02-01", "2021-01-15")
    assert orders["disconnection_refused"] == (order_id,)
    assert len({one.digest for one in told}) == len(told)


def changed(record: Record, **fields: Any) -> Record:
    event = json.loads(record.value or b"{}")
    for name, value in fields.items():
        (event if name in event else event["data"])[name] = value
    return Record(record.topic, record.partition, record.offset, record.key, json.dumps(event).encode())


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Record(FACTS, 3, 1, USCC.encode(), None), "truncated"),
        (Record(DECISIONS, 3, 1, USCC.encode(), b"not json"), "malformed"),
        (changed(Logs().bill("b1", 5), type="cn.utility.bill.burnt.v1"), "it is a cn.utility.bill.burnt.v1"),
        (changed(Logs().bill("b1", 5), amount_fen=5.5), "amount_fen"),
        (changed(Logs().bill("b1", 5), uscc=enterprise(2)), "its key is not the enterprise"),
        (changed(Logs().decided("a1"), type="relief.decision.made.v2"), "it is a relief.decision.made.v2"),
        (changed(Logs().decided("a1"), uscc=enterprise(2)), "its key is not the enterprise"),
        (Record(ORDERS, 3, 1, USCC.encode(), b'{"id": "1", "type": "relief.holdover.doubled.v1", "data": {}}'),
         "it is a relief.holdover.doubled.v1"),
    ],
)  # fmt: skip
def test_what_its_topic_should_not_hold(record: Record, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        row(record)
