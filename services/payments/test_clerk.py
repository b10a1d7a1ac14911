"""From a decision to money at the bank and back, on real tables."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from services.payments.cases import enterprise
from services.payments.office_cases import Office, open_office

pytestmark = pytest.mark.integration
MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (date(2020, 3, n) for n in (2, 3, 4, 6))
A, B, C = (enterprise(n) for n in (1, 2, 3))


@pytest.fixture
async def office(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, secrets, tmp_path / "bank") as opened:
        yield opened


async def states(office: Office) -> dict[str, str]:
    """State of every payment, with what it waits for, by enterprise and number."""
    rows = await office.rows("SELECT uscc, number, state, held_for FROM payment ORDER BY uscc, number")
    return {
        f"{'ABC'[[A, B, C].index(uscc)]}{number}": state + (f" {why}" if why else "")
        for uscc, number, state, why in rows
    }


async def submitted(office: Office, fen: int = 700) -> str:
    """One payment of A, with the bank since Monday; its id."""
    await office.decide(A, 1, fen)
    await office.start(MONDAY)
    await office.approve()
    payment: str = await office.one("SELECT payment_id FROM payment WHERE state = 'submitted'")
    return payment


async def test_a_decision_becomes_a_message_and_the_budget_follows(office: Office) -> None:
    await office.decide(A, 1, 700)
    await office.decide(B, 1, 300)
    await office.decide(C, 1, 100)
    await office.start(MONDAY)
    batches = await office.rows("SELECT batch_id, count, total_fen FROM batch ORDER BY number")
    assert ([row[1] for row in batches], sum(row[2] for row in batches)) == ([2, 1], 1100)
    await office.approve()
    assert {row[0] for row in await office.rows("SELECT state FROM batch")} == {"submitted"}
    sent = {f"{batch}.pain.001.xml" for batch, *_ in batches}
    assert {path.name for path in (office.root / "out").iterdir()} == sent
    assert await office.rows("SELECT reserved_fen, spent_fen FROM budget") == [(1100, 0)]
    for (payment,) in await office.rows("SELECT payment_id FROM payment"):
        await office.answer(payment, "settled")
    assert await office.rows("SELECT reserved_fen, spent_fen FROM budget") == [(0, 1100)]
    told = await office.rows(
        "SELECT convert_from(value, 'utf8')::json ->> 'type', count(*) FROM outbox GROUP BY 1 ORDER BY 1"
    )
    assert told == [(f"relief.refund.{word}.v1", 3) for word in ("authorised", "settled", "submitted")]


async def test_silence_is_unknown_and_never_paid_again(office: Office) -> None:
    payment = await submitted(office)
    await office.start(WEDNESDAY)
    assert await states(office) == {"A1": "submitted"}
    await office.start(FRIDAY)
    assert await states(office) == {"A1": "unknown"}
    await office.decide(A, 2, 100)
    assert await states(office) == {"A1": "unknown"}
    await office.answer(payment, "rejected", reason_code="AC04")
    assert await states(office) == {"A1": "cancelled", "A2": "authorised"}


async def test_another_account_after_the_approval_waits_for_a_new_one(office: Office) -> None:
    await office.do("INSERT INTO frozen VALUES ('programme', 'job_stabilisation', 'ayse', 'year end')")
    await office.decide(A, 1, 700)
    await office.start(MONDAY)
    assert await states(office) == {"A1": "held frozen"}
    await office.do("DELETE FROM frozen")
    await office.start(TUESDAY)
    assert await states(office) == {"A1": "batched"}
    await office.do("INSERT INTO frozen VALUES ('programme', 'job_stabilisation', 'ayse', 'year end')")
    await office.approve()
    assert await states(office) == {"A1": "approved"}
    await office.decide(A, 2, 700, account="6222000099998888")
    assert await states(office) == {"A1": "held payee_changed"}
    assert await office.rows("SELECT state, count, total_fen FROM batch") == [("approved", 0, 0)]
    await office.do("DELETE FROM frozen")
    await office.start(WEDNESDAY)
    await office.approve("bek")
    assert await states(office) == {"A1": "submitted"}
    (message,) = (office.root / "out").iterdir()
    assert b"6222000099998888" in message.read_bytes()


async def test_what_has_no_budget_waits_for_one(office: Office) -> None:
    await office.do("UPDATE budget SET total_fen = 900")
    for one in (A, B):
        await office.decide(one, 1, 500)
    await office.start(MONDAY)
    assert sorted((await states(office)).values()) == ["batched", "held no_budget"]
    await office.do("UPDATE budget SET total_fen = 1000")
    await office.start(TUESDAY)
    assert sorted((await states(office)).values()) == ["batched", "batched"]


async def test_who_has_no_account_that_can_be_paid_waits(office: Office) -> None:
    await office.decide(A, 1, 500, account=None)
    await office.decide(B, 1, 500, **office.payee(A, "6222000011112222"))
    await office.start(MONDAY)
    assert await states(office) == {"A1": "held no_payee", "B1": "held payee_unreadable"}


async def test_the_payee_is_nowhere_in_clear(office: Office) -> None:
    await submitted(office)
    for table in ("payee", "approved_payment", "refund", "payment", "outbox"):
        for row in await office.rows(f"SELECT t::text FROM {table} t"):
            assert "6222000011112222" not in row[0]
            assert "Tarim" not in row[0]


async def test_more_paid_than_due_is_claimed_back_in_parts(office: Office) -> None:
    payment = await submitted(office)
    await office.decide(A, 2, 500)
    assert await office.rows("SELECT * FROM clawback") == []
    await office.answer(payment, "settled")
    claim, amount = (await office.rows("SELECT clawback_id, amount_fen FROM clawback"))[0]
    assert amount == 200
    await office.received(claim, 50, "r1")
    await office.received(claim, 50, "r1")
    await office.received(claim, 60, "r1")
    assert await office.one("SELECT settled_fen FROM clawback") == 50
    await office.received(claim, 175, "r2")
    assert await office.one("SELECT settled_fen FROM clawback") == 200
    parked = [row[0] for row in await office.rows('SELECT sentence FROM parked ORDER BY "offset"')]
    assert ["another amount" in parked[0], "25 fen more came in" in parked[1]] == [True, True]


async def test_a_word_that_contradicts_is_parked_and_moves_nothing(office: Office) -> None:
    payment = await submitted(office)
    await office.answer(payment, "settled")
    before = await office.rows("SELECT * FROM payment")
    assert await office.answer(payment, "rejected") == []
    assert await office.answer("f" * 32, "settled") == []
    assert await office.obey([(b"x", b"not json"), (b"y", b"{}")]) == []
    assert await office.rows("SELECT * FROM payment") == before
    assert len(await office.rows("SELECT * FROM parked")) == 4


async def test_a_message_that_was_not_left_is_left_after_a_crash_in_the_same_bytes(office: Office) -> None:
    await submitted(office)
    (message,) = (office.root / "out").iterdir()
    content = message.read_bytes()
    message.unlink()
    await office.do("ALTER TABLE batch DISABLE TRIGGER batch_follows_its_life")
    await office.do("UPDATE batch SET sent = false")
    await office.work()
    assert message.read_bytes() == content


async def test_above_the_threshold_two_officers_approve(office: Office) -> None:
    await office.decide(A, 1, 100_001)
    await office.start(MONDAY)
    await office.approve("ayse")
    await office.approve("ayse")
    assert await states(office) == {"A1": "batched"}
    await office.approve("bek")
    assert await states(office) == {"A1": "submitted"}
    assert await office.rows("SELECT officer, place FROM approval ORDER BY place") == [("ayse", 1), ("bek", 2)]


async def test_a_refused_batch_waits_for_the_next_day(office: Office) -> None:
    await office.decide(A, 1, 500)
    await office.start(MONDAY)
    batch = await office.one("SELECT batch_id FROM batch")
    await office.command("relief.batch.rejected.v1", batch, batch_id=batch, officer="ayse", reason="wrong day")
    assert await states(office) == {"A1": "authorised"}
    await office.start(TUESDAY)
    assert await states(office) == {"A1": "batched"}
    assert await office.rows("SELECT state, count FROM batch ORDER BY day") == [("refused", 0), ("prepared", 1)]
