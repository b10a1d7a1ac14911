"""Counting sees every kind of harm, each in its own column."""

from collections import Counter
from typing import Any

import pytest

from tests.faults.matrix.counting import Counts, Found, count
from tests.integration.region import Expected

WAIVED = ("91650100MA0000001A", "exemption", "pension/2020-02")
PAID = ("91650100MA0000001A", "refund", "2019")
STANDING = {WAIVED: ("granted", 500), PAID: ("granted", 70)}
ACCOUNTS = Counter({"Expenses:Relief:JobStabilisation:650100": 70, "Liabilities:Payable:Refunds:JobStabilisation": -70})
WANTED = Expected(STANDING, ACCOUNTS, Counter({"NOT_JSON": 1}))


def found(**other: Any) -> Found:
    """As it should be, but for `other`."""
    right: dict[str, Any] = {
        "standing": STANDING,
        "net_fen": {WAIVED: 500, PAID: 70},
        "accounts": ACCOUNTS,
        "rejected": Counter({"NOT_JSON": 1}),
        "told": frozenset({"a", "b"}),
        "posted": {"a": 1, "b": 1},
        "effects": {"a grant": 1, "a payment": 1},
        "stated": {"answers": STANDING},
    }
    return Found(**(right | other))


def numbers(counts: Counts) -> tuple[int, int, int]:
    return len(counts.lost), len(counts.repeated), len(counts.wrong)


def test_what_is_as_it_should_be_counts_nothing() -> None:
    assert count(WANTED, found()).clean


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"standing": {PAID: ("granted", 70)}}, id="a decision"),
        pytest.param({"net_fen": {WAIVED: 500}}, id="an event of the ledger topics"),
        pytest.param({"posted": {"a": 1}}, id="a posting"),
        pytest.param({"rejected": Counter()}, id="a reject"),
        pytest.param({"stated": {"answers": {WAIVED: ("granted", 500)}}}, id="what eligibility answers"),
    ],
)
def test_what_is_missing_is_lost(other: dict[str, Any]) -> None:
    assert numbers(count(WANTED, found(**other))) == (1, 0, 0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"posted": {"a": 2, "b": 1}}, id="an event posted twice"),
        pytest.param({"two_contents": ("a",)}, id="an id with two contents"),
        pytest.param({"effects": {"a grant": 1, "a payment": 2}}, id="a payment authorised under two ids"),
        pytest.param({"rejected": Counter({"NOT_JSON": 2})}, id="a record rejected twice"),
    ],
)
def test_what_comes_twice_is_repeated(other: dict[str, Any]) -> None:
    assert numbers(count(WANTED, found(**other))) == (0, 1, 0)


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        ({"standing": {WAIVED: ("granted", 501), PAID: ("granted", 70)}}, 1),
        ({"standing": {WAIVED: ("denied", 500), PAID: ("granted", 70)}}, 1),
        ({"net_fen": {WAIVED: 1000, PAID: 70}}, 1),
        ({"net_fen": {WAIVED: 500, PAID: 70, ("91650100MA0000002B", "refund", "2019"): 1}}, 1),
        ({"accounts": {**ACCOUNTS, "Assets:Bank:Fund": 1}}, 1),
        ({"accounts": Counter()}, 2),
        ({"posted": {"a": 1, "b": 1, "c": 1}}, 1),
        ({"other": ("relief reconcile: differs",)}, 1),
    ],
)
def test_another_amount_is_wrong(other: dict[str, Any], wrong: int) -> None:
    assert numbers(count(WANTED, found(**other))) == (0, 0, wrong)
