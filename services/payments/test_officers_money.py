"""Budgets, payments that a person answers for, and claims that two officers give up."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.payments.cases import enterprise
from services.payments.officers_cases import (
    AYSE,
    BEK,
    MONDAY,
    TUESDAY,
    Counter,
    done,
    open_counter,
    refused,
)
from shared.contracts import registry, topics
from shared.streaming.postgres_store import lock_partitions, transaction

pytestmark = pytest.mark.integration
A, B = (enterprise(n) for n in (1, 2))
FRIDAY = date(2020, 3, 6)
NOBODY = "f" * 32


@pytest.fixture
async def counter(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(database, secrets, tmp_path / "bank") as opened:
        yield opened


async def submitted(counter: Counter, fen: int = 700) -> str:
    """A payment of A that is with the bank; its id."""
    await counter.office.decide(A, 1, fen)
    await counter.office.start(MONDAY)
    await counter.post(f"batches/{await counter.batch()}/approve")
    await counter.office.work()
    payment: str = await counter.office.one("SELECT payment_id FROM payment WHERE state = 'submitted'")
    return payment


async def claimed(counter: Counter) -> str:
    """200 fen of 700 that were paid to A are claimed back; the claim's id."""
    payment = await submitted(counter)
    await counter.office.answer(payment, "settled")
    await counter.office.decide(A, 2, 500)
    claim: str = await counter.office.one("SELECT clawback_id FROM clawback")
    return claim


async def state(counter: Counter) -> str:
    word: str = await counter.office.one("SELECT state FROM payment")
    return word


async def told(counter: Counter, topic: str, word: str) -> list[dict[str, Any]]:
    rows = await counter.office.rows(f"SELECT value FROM outbox WHERE topic = '{topic}' ORDER BY seq")
    events = [json.loads(bytes(value)) for (value,) in rows]
    for (value,) in rows:
        registry.decoder(topic).validate_json(bytes(value))
    return [event for event in events if event["type"].split(".")[-2] == word]


async def test_a_budget_lets_payments_go_that_waited_for_it(counter: Counter) -> None:
    await counter.office.do("UPDATE budget SET total_fen = 0")
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    assert await counter.office.one("SELECT held_for FROM payment") == "no_budget"
    answer = done(await counter.put("budgets/job_stabilisation", reason="the council's vote", total_fen=1000))
    assert answer == {
        "programme": "job_stabilisation",
        "outcome": "changed",
        "total_fen": 1000,
        "reserved_fen": 0,
        "spent_fen": 0,
        "free_fen": 1000,
    }
    await counter.office.start(TUESDAY)
    assert await state(counter) == "batched"
    assert await counter.trail() == [
        ("budget_set", "job_stabilisation", "ayse", "1000 fen, 0 before: the council's vote")
    ]


async def test_a_budget_covers_what_is_reserved_and_spent(counter: Counter) -> None:
    payment = await submitted(counter, 700)
    await counter.office.decide(B, 1, 300)
    await counter.office.start(TUESDAY)
    for _ in range(2):
        assert "cannot be below 1000 fen" in refused(await counter.put("budgets/job_stabilisation", total_fen=999))
        await counter.office.answer(payment, "settled")
    assert await counter.office.one("SELECT total_fen FROM budget") == 1_000_000_000
    answer = done(await counter.put("budgets/job_stabilisation", total_fen=1000))
    assert (answer["outcome"], answer["reserved_fen"], answer["spent_fen"], answer["free_fen"]) == (
        "changed",
        300,
        700,
        0,
    )


async def test_a_new_budget_and_the_same_again(counter: Counter) -> None:
    answers = [await counter.put("budgets/contribution_return", total_fen=9 * 10**18) for _ in range(2)]
    assert [done(answer)["outcome"] for answer in answers] == ["created", "exists"]
    assert len(await counter.trail()) == 1
    for total in (-1, 9 * 10**18 + 1, 10.5, "10", None):
        refused(await counter.put("budgets/contribution_return", total_fen=total), 422)
    refused(await counter.put("budgets/exemption", total_fen=1), 422)


async def test_a_budget_is_not_lowered_while_the_clerk_takes_of_it(counter: Counter) -> None:
    async with transaction(counter.office.pool) as db:
        await lock_partitions(db, "payments", [7])
        refused(await counter.put("budgets/job_stabilisation", total_fen=0), 503)
    assert done(await counter.put("budgets/job_stabilisation", total_fen=0))["outcome"] == "changed"


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("word", ["settled", "rejected"])
async def test_a_person_answers_in_the_banks_place_through_the_log(counter: Counter, silent: bool, word: str) -> None:
    payment = await submitted(counter)
    if silent:
        await counter.office.start(FRIDAY)
        assert await state(counter) == "unknown"
    answer = await counter.post(f"payments/{payment}/resolve", reason="by phone", status=word, bank_reference="S-1")
    assert (answer.status_code, answer.json()["outcome"]) == (202, "created")
    (event,) = await told(counter, topics.COMMANDS, "status")
    assert (event["id"], event["source"]) == (answer.json()["event_id"], "/relief/payments/officers")
    assert event["data"] == {
        "payment_id": payment,
        "status": word,
        "reason_code": "resolved_by_officer",
        "bank_reference": "S-1",
        "on": "2020-03-02",
    }
    assert await state(counter) == ("unknown" if silent else "submitted")
    await counter.office.hear_bank()
    assert await state(counter) == word
    assert (await counter.trail())[1:] == [(f"payment_{word}", payment, "ayse", "by phone")]


async def test_answering_again_is_visibly_a_repeat_and_answering_otherwise_is_refused(counter: Counter) -> None:
    path = f"payments/{await submitted(counter)}/resolve"
    first = done(await counter.post(path, status="rejected"))
    for _ in range(2):
        assert done(await counter.post(path, BEK, status="rejected")) == first | {"outcome": "exists"}
        refused(await counter.post(path, status="settled", bank_reference="S-1"))
        await counter.office.hear_bank()
    assert await state(counter) == "rejected"
    assert len(await told(counter, topics.COMMANDS, "status")) == 1


async def test_two_officers_answer_at_the_same_moment_and_one_is_taken(counter: Counter) -> None:
    path = f"payments/{await submitted(counter)}/resolve"
    answers = await asyncio.gather(
        counter.post(path, AYSE, status="rejected"),
        counter.post(path, BEK, status="settled", bank_reference="S-1"),
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(await told(counter, topics.COMMANDS, "status")) == 1


async def test_only_what_is_with_the_bank_can_be_answered_for(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    payment = await counter.office.one("SELECT payment_id FROM payment")
    assert "authorised" in refused(await counter.post(f"payments/{payment}/resolve", status="rejected"))
    await counter.office.start(MONDAY)
    assert "batched" in refused(await counter.post(f"payments/{payment}/resolve", status="rejected"))
    assert "no payment" in refused(await counter.post(f"payments/{NOBODY}/resolve", status="rejected"), 404)
    assert await told(counter, topics.COMMANDS, "status") == []


async def test_a_settlement_is_proven_by_the_banks_reference(counter: Counter) -> None:
    payment = await submitted(counter)
    refused(await counter.post(f"payments/{payment}/resolve", status="settled"), 422)
    refused(await counter.post(f"payments/{payment}/resolve", status="accepted"), 422)


async def test_two_officers_give_a_claim_up(counter: Counter) -> None:
    claim = await claimed(counter)
    path = f"clawbacks/{claim}/write-off"
    assert done(await counter.post(path, AYSE, reason="bankrupt", open_fen=200)) == {
        "clawback_id": claim,
        "outcome": "proposed",
        "proposed_by": "ayse",
        "written_off_fen": 0,
        "open_fen": 200,
    }
    assert "another one has to" in refused(await counter.post(path, AYSE))
    await counter.office.received(claim, 150, "r1")
    assert "50 fen" in refused(await counter.post(path, BEK, open_fen=200))
    assert done(await counter.post(path, BEK, reason="court's notice", open_fen=50)) == {
        "clawback_id": claim,
        "outcome": "written_off",
        "proposed_by": None,
        "written_off_fen": 50,
        "open_fen": 0,
    }
    assert "nothing open" in refused(await counter.post(path, AYSE))
    (event,) = await told(counter, topics.LEDGER_REFUNDS, "clawback_written_off")
    data = event["data"]
    seq = await counter.office.one("SELECT seq FROM action WHERE kind = 'written_off'")
    assert data["origin"] == {"topic": "payments.actions", "partition": 0, "offset": seq, "index": 0}
    assert (data["clawback_id"], data["amount_fen"], data["reason"]) == (claim, 50, "written_off_by_two_officers")
    assert (data["uscc"], data["booked_on"], event["time"]) == (A, "2020-03-02", "2020-03-02T12:00:00+08:00")
    where = f"SELECT partition FROM outbox WHERE convert_from(value, 'utf8')::json ->> 'id' = '{event['id']}'"
    assert await counter.office.one(where) == 3
    assert (await counter.trail())[1:] == [
        ("write_off_proposed", claim, "ayse", "bankrupt"),
        ("written_off", claim, "bek", "court's notice"),
    ]


async def test_a_proposal_is_taken_back(counter: Counter) -> None:
    claim = await claimed(counter)
    path = f"clawbacks/{claim}/write-off"
    assert done(await counter.post(f"{path}/withdraw"))["outcome"] == "exists"
    await counter.post(path, AYSE)
    assert done(await counter.post(f"{path}/withdraw", BEK))["proposed_by"] is None
    assert done(await counter.post(path, BEK))["outcome"] == "proposed"
    assert [row[0] for row in await counter.trail()][1:] == [
        "write_off_proposed",
        "write_off_withdrawn",
        "write_off_proposed",
    ]
    assert await told(counter, topics.LEDGER_REFUNDS, "clawback_written_off") == []


async def test_officers_at_the_same_moment_write_a_claim_off_once(counter: Counter) -> None:
    path = f"clawbacks/{await claimed(counter)}/write-off"
    answers = await asyncio.gather(*(counter.post(path, one) for one in (AYSE, BEK, ("can", "approver"))))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409]
    assert await counter.office.rows("SELECT amount_fen, written_off_fen, parts FROM clawback") == [(200, 200, 1)]
    assert len(await told(counter, topics.LEDGER_REFUNDS, "clawback_written_off")) == 1


async def test_money_and_a_write_off_at_the_same_moment_never_exceed_the_claim(counter: Counter) -> None:
    claim = await claimed(counter)
    await counter.post(f"clawbacks/{claim}/write-off", AYSE)
    await asyncio.gather(counter.post(f"clawbacks/{claim}/write-off", BEK), counter.office.received(claim, 150, "r1"))
    settled, written_off = (await counter.office.rows("SELECT settled_fen, written_off_fen FROM clawback"))[0]
    assert (settled, written_off) in ((150, 50), (0, 200))


async def test_an_unknown_claim(counter: Counter) -> None:
    for rest in ("", "/withdraw"):
        assert "no clawback" in refused(await counter.post(f"clawbacks/{NOBODY}/write-off{rest}"), 404)
