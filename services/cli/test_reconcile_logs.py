"""Records as rows: what is read of them, and what is no record of its topic."""

import json
from datetime import date
from typing import Any

import pytest

from services.cli.reconcile_logs import Rows, Unreadable
from services.cli.reconcile_rows import Decided, Legs, Said, Told
from services.ledger.cases import exemption, refund
from services.payments.cases import day, enterprise, made
from shared.contracts.topics import COMMANDS, DECISIONS
from shared.ids import clawback_id, payment_id
from shared.streaming.records import Record

USCC = enterprise(1)
PAID = payment_id(USCC, "refund", "2019", 1)


def word(kind: str, data: dict[str, Any], key: str | None = None) -> Record:
    event = {
        "specversion": "1.0", "id": "1", "source": "//bank", "type": kind, "subject": "s",
        "time": "2020-03-03T00:00:00+08:00", "data": data | {"on": "2020-03-03"},
    }  # fmt: skip
    named = data.get("payment_id") or data.get("clawback_id") or data.get("batch_id")
    return Record(COMMANDS, 4, 9, (key or str(named)).encode(), json.dumps(event).encode())


def test_what_is_read() -> None:
    legs = Legs()
    rows = Rows(legs)
    assert rows.row(made(USCC, "refund", "2019", 3, 500, offset=7, partition=10, payee="one")) == Decided(
        USCC, "refund", "2019", 3, 500, "granted", 10, 7
    )
    assert rows.row(day(date(2020, 2, 1))) is None
    less = exemption(USCC, "amended", -50, 2, insurance="work_injury", offset=5, partition=10)
    told = rows.row(less)
    assert isinstance(told, Told)
    assert told == Told(
        USCC, "exemption", "work_injury/2020-02", told.event_id, "amended", "", "", -50, told.legs, 10, 5
    )
    assert legs.pair(told.legs) == (
        "Assets:Receivable:Contributions:Work-Injury",
        "Expenses:Relief:Exemption:Work-Injury:650100",
    )
    claim = clawback_id(PAID, 1)
    back = refund(USCC, "clawback_settled", 30, clawback_id=claim, programme="contribution_return", partition=10)
    told = rows.row(back)
    assert isinstance(told, Told)
    assert (told.measure, told.key, told.step) == ("contribution_return", "2019", "clawback_settled")
    assert (told.payment_id, told.clawback_id, told.amount_fen) == (PAID, claim, 30)
    assert legs.pair(told.legs) == ("Assets:Bank:Fund", "Assets:Receivable:Clawback:ContributionReturn")


def test_the_banks_words() -> None:
    rows = Rows(Legs())
    said = {"payment_id": PAID, "status": "settled", "bank_reference": "B1"}
    assert rows.row(word("relief.payment.status.v1", said)) == Said("", PAID, "settled", 0, "B1", 4, 9)
    received = {"clawback_id": PAID, "amount_fen": 5, "bank_reference": "R1"}
    assert rows.row(word("relief.clawback.received.v1", received)) == Said("", PAID, "received", 5, "R1", 4, 9)


@pytest.mark.parametrize(
    "record",
    [
        word("relief.batch.approved.v1", {"batch_id": "b" * 32, "officer": "ayse", "reason": "seen"}),
        word("relief.payment.status.v1", {"payment_id": PAID, "status": "lost"}),
        word("relief.payment.status.v1", {"payment_id": PAID, "status": "settled"}, key="another"),
        word("relief.clawback.received.v1", {"clawback_id": PAID, "amount_fen": 0, "bank_reference": "R1"}),
        Record(COMMANDS, 0, 0, b"k", None),
    ],
)
def test_what_payments_parks_or_officers_say_is_no_word_of_the_bank(record: Record) -> None:
    assert Rows(Legs()).row(record) is None


def changed(record: Record, **fields: Any) -> Record:
    event = json.loads(record.value or b"{}")
    for name, value in fields.items():
        (event if name in event else event["data"])[name] = value
    return Record(record.topic, record.partition, record.offset, record.key, json.dumps(event).encode())


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Record(DECISIONS, 3, 1, USCC.encode(), None), "truncated"),
        (Record(DECISIONS, 3, 1, USCC.encode(), b"not json"), "malformed"),
        (
            changed(made(USCC, "refund", "2019", 1, 5), type="relief.decision.made.v2"),
            "it is a relief.decision.made.v2",
        ),
        (changed(made(USCC, "refund", "2019", 1, 5), amount_fen="5"), "amount_fen"),
        (changed(made(USCC, "refund", "2019", 1, 5), uscc=enterprise(2)), "its key is not the enterprise"),
        (changed(refund(USCC, "settled", 5), programme="masks"), "no programme that is known"),
        (changed(refund(USCC, "settled", 5), type="relief.refund.doubled.v1"), "the chart has no entry"),
        (changed(exemption(USCC, "granted", 5), insurance="pets"), "'pets' is no insurance"),
        (changed(exemption(USCC, "granted", 5), delta_fen=-5), "may not move such an amount"),
    ],
)
def test_what_its_topic_should_not_hold(record: Record, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        Rows(Legs()).row(record)
