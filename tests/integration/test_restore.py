"""The tables of payments set back to an older copy, while the log and the bank kept everything."""

from datetime import date
from pathlib import Path

import psycopg
import pytest

from services.payments.cases import enterprise
from shared.contracts.topics import LEDGER_REFUNDS
from tests.integration.copies import dump, refusal, restore
from tests.integration.money import Money, home
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
MONDAY, TUESDAY = date(2020, 3, 2), date(2020, 3, 3)
A, B, C = (enterprise(number) for number in (1, 2, 3))


def sent(running: Running) -> dict[str, bytes]:
    """What the bank was given, by the file's name."""
    out = Path(running.environment["RELIEF_BANK_DIR"]) / "out"
    return {path.name: path.read_bytes() for path in out.iterdir()}


def told(running: Running) -> list[bytes]:
    with psycopg.connect(running.environment["RELIEF_POSTGRES_URL"]) as db:
        return [row[0] for row in db.execute("SELECT value FROM payments.outbox ORDER BY value").fetchall()]


def test_what_the_bank_has_is_never_paid_again(running: Running) -> None:
    """The copy knows the payment and nothing of its approval: from it, the clerk would make a batch of it once more."""
    money = Money(running)
    money.budget()
    money.decide((A, 700))
    money.settle()
    copy = dump(running, "payments", "yesterday")
    money.start(MONDAY)
    money.approve()
    money.settle()
    before = sent(running)
    assert len(before) == 1
    running.stack.stop_service("payments")
    last = dump(running, "payments", "last")

    assert restore(running, "payments", copy) > 0
    sentence = refusal(running, "payments")
    assert "hold 1 events that this database does not know, and 1 of them" in sentence
    assert f"of {LEDGER_REFUNDS}/{home(A)}" in sentence
    assert "docs/adr/0019" in sentence

    running.stack.stop_service("payments")
    restore(running, "payments", last)
    running.stack.start_service("payments")
    money.start(TUESDAY)
    money.say(money.payment(A), "settled", bank_reference="R1")
    money.settle()
    assert money.states(A) == ["settled"]
    assert sent(running) == before


def test_what_decisions_alone_caused_is_told_again_before_anything_leaves(running: Running) -> None:
    """In the lost time one payment was called off for another: neither the first nor both may go to the bank."""
    money = Money(running)
    money.budget()
    money.start(MONDAY)
    copy = dump(running, "payments", "yesterday")
    money.decide((B, 700), (C, 300))
    money.settle()
    money.decide((B, 500))
    money.settle()
    before, history = sent(running), told(running)
    running.stack.stop_service("payments")

    assert restore(running, "payments", copy) == 4
    running.stack.start_service("payments")
    money.settle()
    assert told(running) == history, "the same events, to the byte"
    money.start(TUESDAY)
    money.approve()
    money.settle()
    assert money.states(B) == ["cancelled", "submitted"]
    assert money.states(C) == ["submitted"]
    assert len(sent(running)) == len(before) + 1
    assert money.reconcile().exit_code == 0
