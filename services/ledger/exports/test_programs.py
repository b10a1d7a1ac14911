"""hledger and beancount read the exports, and see a fen that is not there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core import data
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.chart import CHART
from services.ledger.exports import beancount, hledger
from services.ledger.exports.days import Days
from services.ledger.exports.statement import Disagreement, Statement
from services.ledger.journal_cases import batches, journalled

needs_hledger = pytest.mark.skipif(
    shutil.which("hledger") is None, reason="hledger is not installed: apt-get install hledger"
)
STATEMENT, ENTRIES = journalled(record for batch in batches() for record in batch)
AMOUNT = re.compile(r"-?[0-9]+\.[0-9]{2}(?= CNY)|(?<=  )-?[0-9]+\.[0-9]{2}(?= ~ 0\.00 CNY)")


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    days = Days(tmp_path_factory.mktemp("days"))
    for entry in ENTRIES:
        days.add(entry)
    return days


@pytest.fixture(scope="module")
def in_hledger(days: Days) -> str:
    return "".join(hledger.journal(STATEMENT, days))


@pytest.fixture(scope="module")
def in_beancount(days: Days) -> str:
    return "".join(beancount.journal(STATEMENT, days))


def hledger_says(text: str) -> str:
    command = ["hledger", "-f", "-", "check", "-s", "ordereddates"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def beancount_says(text: str) -> str:
    _, errors, _ = loader.load_string(text)
    return "\n".join(error.message for error in errors)


def off_by_a_fen(text: str, place: int, fen: int) -> str:
    """The text with the amount at that place changed; the declaration of the currency is none."""
    amounts = [found for found in AMOUNT.finditer(text) if not text[: found.start()].endswith("commodity ")]
    # `0.00` of a tolerance is none either.
    amounts = [found for found in amounts if not text[: found.start()].endswith("~ ")]
    found = amounts[place % len(amounts)]
    changed = int(found[0].replace(".", "")) + fen
    written = f"{'-' if changed < 0 else ''}{abs(changed) // 100}.{abs(changed) % 100:02d}"
    return text[: found.start()] + written + text[found.end() :]


def test_the_history_has_every_event_of_the_chart_on_dates_that_go_back_and_forth() -> None:
    assert {entry.type for entry in ENTRIES} == set(CHART)
    booked = [entry.booked_on for entry in ENTRIES]
    assert booked != sorted(booked)


@needs_hledger
def test_hledger_finds_nothing_wrong(in_hledger: str, tmp_path: Path) -> None:
    assert in_hledger.count(" CNY = ") == 2 * len(ENTRIES)
    assert hledger_says(in_hledger) == ""
    path = tmp_path / "ledger.journal"
    path.write_text(in_hledger)
    told = subprocess.run(
        ["hledger", "-f", str(path), "balance", "--flat", "--no-total", "--empty", "-O", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    balances = dict(re.findall(r'"([A-Z][^"]*)","([^"]*)"', told.stdout))
    assert {name: cents(balances[name]) for name in balances} == {
        one.account: one.debit_fen - one.credit_fen for one in STATEMENT.accounts
    }


def cents(written: str) -> int:
    return int(written.removesuffix(" CNY").replace(".", ""))


def test_bean_check_finds_nothing_wrong(in_beancount: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.beancount"
    path.write_text(in_beancount)
    done = subprocess.run([Path(sys.executable).with_name("bean-check"), path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    entries, errors, _ = loader.load_string(in_beancount)
    assert errors == []
    stated = [(entry.account, entry.date, entry.tolerance) for entry in entries if isinstance(entry, data.Balance)]
    moved = {(name, entry.booked_on) for entry in ENTRIES for name in (entry.debit, entry.credit)}
    assert sorted(stated) == sorted(
        (name, date.fromisoformat(day) + timedelta(days=1), Decimal(0)) for name, day in moved
    )
    links = [link for entry in entries for link in getattr(entry, "links", ())]
    assert sorted(links) == sorted(entry.event_id for entry in ENTRIES)


@needs_hledger
@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 10**6), fen=st.sampled_from([1, -1]))
def test_hledger_sees_a_fen_anywhere(in_hledger: str, place: int, fen: int) -> None:
    assert hledger_says(off_by_a_fen(in_hledger, place, fen)) != ""


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), fen=st.sampled_from([1, -1]))
def test_beancount_sees_a_fen_anywhere(in_beancount: str, place: int, fen: int) -> None:
    assert beancount_says(off_by_a_fen(in_beancount, place, fen)) != ""


def both_legs_off(text: str, number: int) -> str:
    """A fen more from one account to another: the transaction still balances."""
    transactions = list(re.finditer(r"  ([0-9]+)(\.[0-9]{2} CNY[^\n]*\n +\S+  -)\1(\.[0-9]{2} CNY)", text))
    found = transactions[number % len(transactions)]
    first = int(found[1]) + 1
    return text[: found.start()] + f"  {first}{found[2]}{first}{found[3]}" + text[found.end() :]


@needs_hledger
@settings(max_examples=15, deadline=None)
@given(number=st.integers(0, 10**6))
def test_hledger_sees_a_change_that_still_balances(in_hledger: str, number: int) -> None:
    assert "assertion" in hledger_says(both_legs_off(in_hledger, number))


@settings(max_examples=15, deadline=None)
@given(number=st.integers(0, 10**6))
def test_beancount_sees_a_change_that_still_balances(in_beancount: str, number: int) -> None:
    assert "Balance failed" in beancount_says(both_legs_off(in_beancount, number))


def test_beancount_sees_a_transaction_that_comes_twice(in_beancount: str) -> None:
    start = in_beancount.index("\n2020-02-28 *")
    first = in_beancount[start : in_beancount.index("\n\n", start + 1) + 1]
    assert "Duplicate entry" in beancount_says(in_beancount.replace(first, first + first, 1))


@needs_hledger
def test_hledger_sees_an_account_nobody_declared_and_a_date_that_goes_back(in_hledger: str) -> None:
    assert "Fund" in hledger_says(in_hledger.replace("account Assets:Bank:Fund\n", ""))
    assert "date" in hledger_says(in_hledger.replace("\n2020-12-31 *", "\n2020-01-31 *", 1))


def test_nobody_is_named(in_hledger: str, in_beancount: str) -> None:
    for text in (in_hledger, in_beancount):
        assert not any(entry.uscc in text or entry.business_key in text for entry in ENTRIES)


@needs_hledger
def test_a_ledger_without_postings_is_right() -> None:
    nothing = Statement(0, (), ())
    assert hledger_says("".join(hledger.journal(nothing, ()))) == ""
    assert beancount_says("".join(beancount.journal(nothing, ()))) == ""


@pytest.mark.parametrize("write", [hledger.journal, beancount.journal])
def test_postings_that_are_not_the_statements_are_refused(
    write: Callable[[Statement, Days], Iterator[str]], days: Days
) -> None:
    accounts = (STATEMENT.accounts[0], *STATEMENT.accounts[2:], STATEMENT.accounts[1])
    consume(write(STATEMENT._replace(accounts=accounts), days))
    with pytest.raises(Disagreement, match="says it has 96 postings and gave 95"):
        consume(write(STATEMENT._replace(at_seq=96), days))
    other = type(accounts[0])(accounts[0].account, accounts[0].debit_fen, accounts[0].credit_fen + 1)
    with pytest.raises(Disagreement, match=r"Assets:Bank:Fund stands at -3486 fen; its postings give -3485"):
        consume(write(STATEMENT._replace(accounts=(other, *accounts[1:])), days))


def consume(pieces: Iterator[str]) -> None:
    for _ in pieces:
        pass
