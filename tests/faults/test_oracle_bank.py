"""What must have become of payments: each way in which money may be lost, go twice or be wrong is seen."""

from typing import Any

import pytest

from shared.ids import payment_id

from .oracle import judge
from .oracle_bank import Book, Findings, Order, Payments, names, orders_in
from .oracle_events import headcount, line, registered, settled, uscc

FIRM = uscc(1)
# 50 % of 10,000 fen.
EVENTS = [registered(FIRM), headcount(FIRM, "2019-12", 50), settled(FIRM, 10_000)]
KEY = (FIRM, "refund", "2019")
PAY = payment_id(*KEY, 1)
ACCOUNT = "6222000011112222"


def told(kind: str, fen: int = 5_000, name: str = PAY, claim: str | None = None) -> dict[str, Any]:
    return {"type": f"relief.refund.{kind}.v1", "data": {"payment_id": name, "clawback_id": claim, "amount_fen": fen}}


def right() -> dict[str, Any]:
    return {
        "files": {"one.xml": [Order(PAY, 5_000, ACCOUNT)]},
        "book": Book({PAY: 5_000}, frozenset(), {}),
        "told": [told("authorised"), told("submitted"), told("settled")],
    }


def payments(**other: Any) -> Payments:
    verdicts = judge(line(one) for one in EVENTS)
    assert verdicts.decisions[KEY].amount_fen == 5_000
    return Payments(verdicts.facts, verdicts.decisions, **(right() | other))


def test_what_is_paid_once_and_told_so_is_right() -> None:
    assert payments().findings() == Findings()
    assert payments().accounts() == {"Assets:Bank:Fund": -5_000}


def test_ids_are_those_of_the_contract() -> None:
    assert names([KEY])[PAY] == KEY
    assert names([(FIRM, "exemption", "pension/2020-02")])[
        payment_id(FIRM, "contribution_return", "pension/2020-02", 7)
    ]


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ({"files": {"one.xml": [Order(PAY, 5_000, ACCOUNT)], "two.xml": [Order(PAY, 5_000, ACCOUNT)]}}, "repeated"),
        ({"told": [*right()["told"], told("settled")]}, "repeated"),
        ({"told": right()["told"][:2]}, "lost"),
        ({"told": right()["told"][:1], "files": {}, "book": Book({}, frozenset(), {})}, "lost"),
        ({"book": Book({}, frozenset(), {}), "told": right()["told"][:2]}, "lost"),
        ({"files": {"one.xml": [Order(PAY, 5_000, "1")]}}, "wrong"),
        ({"book": Book({PAY: 4_999}, frozenset(), {})}, "wrong"),
        ({"book": Book({}, frozenset({PAY}), {})}, "wrong"),
        ({"told": [*right()["told"], told("clawback_raised", 1, claim="c")]}, "wrong"),
        ({"told": [*right()["told"], told("authorised", name=payment_id(*KEY, 2))]}, "lost"),
        ({"told": [*right()["told"], told("authorised", name="f" * 32)]}, "wrong"),
    ],
)
def test_each_harm_is_seen_where_it_belongs(other: dict[str, Any], where: str) -> None:
    assert getattr(payments(**other).findings(), where)


def test_what_the_bank_refuses_stays_owed_and_what_was_paid_too_much_is_claimed() -> None:
    refused = payments(book=Book({}, frozenset({PAY}), {}), told=[*right()["told"][:2], told("rejected")])
    assert refused.findings() == Findings()
    assert refused.accounts() == {"Liabilities:Payable:Refunds:JobStabilisation": -5_000}
    events = [told(kind, 6_000) for kind in ("authorised", "submitted", "settled")]
    claimed = payments(
        files={"one.xml": [Order(PAY, 6_000, ACCOUNT)]},
        book=Book({PAY: 6_000}, frozenset(), {"c": 400}),
        told=[*events, told("clawback_raised", 1_000, claim="c"), told("clawback_settled", 400, claim="c")],
    )
    assert claimed.findings() == Findings()
    assert claimed.accounts() == {"Assets:Bank:Fund": -5_600, "Assets:Receivable:Clawback:JobStabilisation": 600}


@pytest.mark.parametrize(("yuan", "fen"), [("50.00", 5_000), ("0.05", 5), ("50.5", 5_050), ("7", 700)])
def test_a_file_is_read_by_the_names_of_its_elements(yuan: str, fen: int) -> None:
    file = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn><PmtInf><CdtTrfTxInf>'
        f'<PmtId><EndToEndId>{PAY}</EndToEndId></PmtId><Amt><InstdAmt Ccy="CNY">{yuan}</InstdAmt></Amt><CdtrAcct><Id>'
        f"<Othr><Id>{ACCOUNT}</Id></Othr></Id></CdtrAcct></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"
    )
    assert orders_in(file.encode()) == [Order(PAY, fen, ACCOUNT)]
