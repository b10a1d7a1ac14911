"""Freezing an enterprise or a programme: what waits, what leaves its batch, what is beyond reach."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.payments.cases import enterprise, made, take
from services.payments.office_cases import THREE
from services.payments.officers_cases import (
    AYSE,
    BEK,
    MONDAY,
    OPERATOR,
    PREPARER,
    TUESDAY,
    Counter,
    done,
    open_counter,
    refused,
)
from shared.streaming.postgres_store import lock_partitions, transaction

pytestmark = pytest.mark.integration
# Passed on as keywords.
Named = dict[str, Any]
A, B, C = (enterprise(n) for n in (1, 2, 3))
STABLE: Named = {"scope": "programme", "subject": "job_stabilisation"}


@pytest.fixture
async def counter(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(database, secrets, tmp_path / "bank") as opened:
        yield opened


def named(uscc: str) -> Named:
    return {"scope": "enterprise", "subject": uscc}


async def states(counter: Counter) -> dict[str, str]:
    """State of every payment, with what holds it, by enterprise and number."""
    rows = await counter.office.rows("SELECT uscc, number, state, held_for FROM payment")
    return {
        f"{'ABC'[[A, B, C].index(uscc)]}{number}": state + (f" {why}" if why else "")
        for uscc, number, state, why in rows
    }


async def budget(counter: Counter) -> tuple[int, int]:
    ((reserved, spent),) = await counter.office.rows("SELECT reserved_fen, spent_fen FROM budget")
    return reserved, spent


async def test_what_waits_of_an_enterprise_waits_on_and_what_is_batched_leaves(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.decide(B, 1, 300)
    await counter.office.start(MONDAY)
    await counter.office.decide(A, 2, 750)
    assert await states(counter) == {"A1": "batched", "A2": "authorised", "B1": "batched"}
    answer = done(await counter.post("freezes", OPERATOR, reason="a complaint", **named(A)))
    assert answer == named(A) | {
        "outcome": "created",
        "held": 2,
        "left_batches": 1,
        "with_bank": 0,
        "with_bank_fen": 0,
    }
    assert await states(counter) == {"A1": "held frozen", "A2": "held frozen", "B1": "batched"}
    assert await counter.office.rows("SELECT count, total_fen, version FROM batch") == [(1, 300, 3)]
    assert await budget(counter) == (300, 0)
    assert await counter.trail() == [("enterprise_frozen", A, "ola", "a complaint")]
    assert await counter.office.rows("SELECT scope, subject, officer FROM frozen") == [("enterprise", A, "ola")]


async def test_what_was_approved_leaves_and_the_rest_of_its_batch_goes_on(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.decide(B, 1, 300)
    await counter.office.start(MONDAY)
    await counter.post(f"batches/{await counter.batch()}/approve")
    assert done(await counter.post("freezes", **named(A)))["left_batches"] == 1
    await counter.office.work()
    assert await states(counter) == {"A1": "held frozen", "B1": "submitted"}
    (message,) = (counter.office.root / "out").iterdir()
    assert b"<NbOfTxs>1</NbOfTxs>" in message.read_bytes()


async def test_what_is_with_the_bank_is_not_touched_and_told(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    await counter.post(f"batches/{await counter.batch()}/approve")
    await counter.office.work()
    await counter.office.decide(A, 2, 750)
    for body in (named(A), STABLE):
        answer = done(await counter.post("freezes", **body))
        assert (answer["with_bank"], answer["with_bank_fen"]) == (1, 700)
    assert done(await counter.post("freezes", **named(B)))["with_bank"] == 0
    assert await states(counter) == {"A1": "submitted", "A2": "held frozen"}


async def test_a_frozen_enterprise_is_in_no_batch_until_it_is_released(counter: Counter) -> None:
    assert done(await counter.post("freezes", **named(A)))["held"] == 0
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    await counter.post("batches", PREPARER)
    assert await states(counter) == {"A1": "held frozen"}
    answer = done(await counter.post("freezes/release", BEK, reason="withdrawn", **named(A)))
    assert answer == named(A) | {"outcome": "created", "released": 1}
    assert await states(counter) == {"A1": "authorised"}
    await counter.office.start(TUESDAY)
    assert await states(counter) == {"A1": "batched"}
    assert [row[0] for row in await counter.trail()] == ["enterprise_frozen", "enterprise_released"]


async def test_saying_it_again_is_visibly_a_repeat_and_leaves_no_second_trace(counter: Counter) -> None:
    for body in (named(A), STABLE):
        assert [done(await counter.post("freezes", **body))["outcome"] for _ in range(2)] == ["created", "exists"]
        ended = [done(await counter.post("freezes/release", **body))["outcome"] for _ in range(2)]
        assert ended == ["created", "exists"]
    assert len(await counter.trail()) == 4


async def test_a_repeat_moves_nothing_and_what_came_since_is_the_clerks_to_hold(counter: Counter) -> None:
    await counter.post("freezes", **named(A))
    await counter.office.decide(A, 1, 700)
    assert done(await counter.post("freezes", **named(A)))["held"] == 0
    assert await states(counter) == {"A1": "authorised"}
    await counter.office.start(MONDAY)
    assert await states(counter) == {"A1": "held frozen"}


async def test_one_release_is_not_another_ones(counter: Counter) -> None:
    payee: dict[str, Any] = counter.office.payee(B, "6222")
    returned = made(B, "contribution_return", "pension/2020-02", 1, 300, offset=99, **payee)
    assert await take(counter.office.decisions, THREE, [returned])
    await counter.office.decide(A, 1, 700)
    for subject in ("job_stabilisation", "contribution_return"):
        await counter.post("freezes", scope="programme", subject=subject)
    await counter.office.start(MONDAY)
    assert done(await counter.post("freezes/release", **STABLE))["released"] == 1
    assert await states(counter) == {"A1": "authorised", "B1": "held frozen"}
    await counter.office.do("DELETE FROM frozen")  # as if the other release had been cut short
    await counter.post("freezes", **named(A))
    assert done(await counter.post("freezes/release", **named(A)))["released"] == 1
    assert await states(counter) == {"A1": "authorised", "B1": "held frozen"}


async def test_a_frozen_programme_is_neither_batched_nor_submitted(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    await counter.post(f"batches/{await counter.batch()}/approve")
    assert done(await counter.post("freezes", **STABLE))["held"] == 0
    await counter.office.work()
    await counter.office.decide(B, 1, 300)
    await counter.office.start(TUESDAY)
    assert await states(counter) == {"A1": "approved", "B1": "held frozen"}
    assert done(await counter.post("freezes/release", **STABLE))["released"] == 1
    await counter.office.work()
    assert await states(counter) == {"A1": "submitted", "B1": "authorised"}


@pytest.mark.parametrize("at_once", [1, 2, 4, 5])
async def test_many_payments_are_released_some_at_a_time(counter: Counter, at_once: int) -> None:
    await counter.post("freezes", **STABLE)
    for number in range(1, 5):
        await counter.office.decide(enterprise(number), 1, 100)
    await counter.office.start(MONDAY)
    await counter.office.do("DELETE FROM frozen")  # as when an answer was cut short
    counter.set_desk(at_once=at_once)
    again = done(await counter.post("freezes/release", **STABLE))
    assert (again["outcome"], again["released"]) == ("exists", 4)
    assert await counter.office.rows("SELECT DISTINCT state, held_for FROM payment") == [("authorised", None)]


async def test_what_two_freezes_hold_is_held_until_both_end(counter: Counter) -> None:
    await counter.post("freezes", **STABLE)
    await counter.post("freezes", **named(A))
    await counter.office.decide(A, 1, 700)
    await counter.office.decide(B, 1, 300)
    await counter.office.start(MONDAY)
    assert done(await counter.post("freezes/release", **STABLE))["released"] == 1
    assert await states(counter) == {"A1": "held frozen", "B1": "authorised"}
    await counter.post("freezes", **STABLE)
    assert done(await counter.post("freezes/release", **named(A)))["released"] == 0
    assert await states(counter) == {"A1": "held frozen", "B1": "authorised"}
    assert done(await counter.post("freezes/release", **STABLE))["released"] == 1
    assert await states(counter) == {"A1": "authorised", "B1": "authorised"}


async def test_what_waits_for_something_else_is_not_released(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700, account=None)
    await counter.office.start(MONDAY)
    assert await states(counter) == {"A1": "held no_payee"}
    await counter.post("freezes", **named(A))
    assert done(await counter.post("freezes/release", **named(A)))["released"] == 0
    assert await states(counter) == {"A1": "held no_payee"}


async def test_a_freeze_takes_away_the_first_of_two_approvals(counter: Counter) -> None:
    for uscc, fen in ((A, 100_000), (B, 100_001)):
        await counter.office.decide(uscc, 1, fen)
    await counter.office.start(MONDAY)
    batch = await counter.batch()
    assert done(await counter.post(f"batches/{batch}/approve", AYSE))["second_officer_awaited"]
    await counter.post("freezes", **named(A))
    assert done(await counter.post(f"batches/{batch}/approve", BEK))["second_officer_awaited"]


async def test_a_freeze_and_an_approval_at_the_same_moment_do_not_miss_each_other(counter: Counter) -> None:
    for uscc in (A, B, C):
        await counter.office.decide(uscc, 1, 500)
    await counter.office.start(MONDAY)
    batch = await counter.batch()
    freezing = [counter.post("freezes", **named(uscc)) for uscc in (A, B)]
    answers = await asyncio.gather(freezing[0], counter.post(f"batches/{batch}/approve"), freezing[1])
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert await states(counter) == {"A1": "held frozen", "B1": "held frozen", "C1": "approved"}
    assert await counter.office.rows("SELECT state, count, total_fen FROM batch") == [("approved", 1, 500)]
    assert await budget(counter) == (500, 0)


@pytest.mark.parametrize(("body", "partition"), [(named(A), 3), (STABLE, 11)])
async def test_a_freeze_waits_for_the_work_that_is_being_done(counter: Counter, body: Named, partition: int) -> None:
    await counter.office.decide(A, 1, 700)
    async with transaction(counter.office.pool) as db:
        await lock_partitions(db, "payments", [partition])
        for path in ("freezes", "freezes/release"):
            refused(await counter.post(path, **body), 503)
    assert await counter.trail() == []
    assert done(await counter.post("freezes", **body))["outcome"] == "created"


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "enterprise", "subject": A[:-1] + "?"},
        {"scope": "enterprise", "subject": "job_stabilisation"},
        {"scope": "programme", "subject": A},
        {"scope": "programme", "subject": "exemption"},
        {"scope": "batch", "subject": "b" * 32},
        {"scope": "enterprise"},
        {},
    ],
)
async def test_what_cannot_be_frozen_is_not_understood(counter: Counter, body: Named) -> None:
    for path in ("freezes", "freezes/release"):
        refused(await counter.post(path, **body), 422)
