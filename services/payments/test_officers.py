"""Officers and batches: who may let one go to the bank, when, and what is left of it in the audit trail."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.payments.cases import enterprise
from services.payments.office_cases import THRESHOLD_FEN
from services.payments.officers_cases import (
    AYSE,
    BEK,
    MONDAY,
    OPERATOR,
    PREPARER,
    TUESDAY,
    Counter,
    Officer,
    done,
    open_counter,
    refused,
)
from shared.streaming.postgres_store import lock_partitions, transaction

pytestmark = pytest.mark.integration
A, B, C = (enterprise(n) for n in (1, 2, 3))
NOBODY = "f" * 32


@pytest.fixture
async def counter(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(database, secrets, tmp_path / "bank") as opened:
        yield opened


async def prepared(counter: Counter, *amounts_fen: int) -> str:
    """The clerk's batch of one payment per enterprise, on Monday; its id."""
    for number, fen in enumerate(amounts_fen, 1):
        await counter.office.decide(enterprise(number), 1, fen)
    await counter.office.start(MONDAY)
    return await counter.batch()


async def states(counter: Counter) -> list[str]:
    rows = await counter.office.rows("SELECT state FROM payment ORDER BY uscc, number")
    return [state for (state,) in rows]


async def test_one_officer_lets_a_small_batch_go(counter: Counter) -> None:
    batch = await prepared(counter, 700, 300)
    assert done(await counter.post(f"batches/{batch}/approve", AYSE, reason="  sums compared ")) == {
        "batch_id": batch,
        "outcome": "created",
        "state": "approved",
        "frozen": False,
        "version": 2,
        "approved_by": ["ayse"],
        "second_officer_awaited": False,
    }
    assert await states(counter) == ["approved", "approved"]
    assert await counter.trail() == [("batch_approved", batch, "ayse", "sums compared")]
    assert await counter.office.rows("SELECT officer, reason, version, place FROM approval") == [
        ("ayse", "sums compared", 2, 1)
    ]
    await counter.office.work()
    assert await states(counter) == ["submitted", "submitted"]


async def test_the_same_approval_again_is_visibly_a_repeat(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    first = done(await counter.post(f"batches/{batch}/approve"))
    again = done(await counter.post(f"batches/{batch}/approve"))
    assert again == first | {"outcome": "exists"}
    await counter.office.work()
    assert done(await counter.post(f"batches/{batch}/approve"))["state"] == "submitted"
    assert len(await counter.trail()) == 1
    assert "only a prepared one" in refused(await counter.post(f"batches/{batch}/approve", BEK))


async def test_above_the_threshold_two_officers_and_not_one_twice(counter: Counter) -> None:
    batch = await prepared(counter, THRESHOLD_FEN, 1)
    first = done(await counter.post(f"batches/{batch}/approve", AYSE))
    assert (first["state"], first["second_officer_awaited"]) == ("prepared", True)
    assert "another officer" in refused(await counter.post(f"batches/{batch}/approve", AYSE))
    assert await states(counter) == ["batched", "batched"]
    second = done(await counter.post(f"batches/{batch}/approve", BEK))
    assert (second["state"], second["approved_by"]) == ("approved", ["ayse", "bek"])
    assert [row[2] for row in await counter.trail()] == ["ayse", "bek"]


async def test_at_the_threshold_one_officer_is_enough(counter: Counter) -> None:
    batch = await prepared(counter, THRESHOLD_FEN - 1, 1)
    assert done(await counter.post(f"batches/{batch}/approve"))["state"] == "approved"


async def test_two_officers_at_the_same_moment_are_counted_once_each(counter: Counter) -> None:
    batch = await prepared(counter, THRESHOLD_FEN, 1)
    answers = await asyncio.gather(
        *(counter.post(f"batches/{batch}/approve", officer) for officer in (AYSE, BEK, AYSE, BEK))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sorted(
        await counter.office.rows("SELECT officer, place FROM approval ORDER BY place"), key=lambda row: row[0]
    ) in ([("ayse", 1), ("bek", 2)], [("ayse", 2), ("bek", 1)])
    assert sorted(row[2] for row in await counter.trail()) == ["ayse", "bek"]
    assert await states(counter) == ["approved", "approved"]
    assert await counter.office.one("SELECT count(*) FROM approved_payment") == 2


async def test_one_officer_twice_at_the_same_moment_is_counted_once(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    answers = await asyncio.gather(*(counter.post(f"batches/{batch}/approve") for _ in range(5)))
    assert sorted(done(answer)["outcome"] for answer in answers) == ["created", *4 * ["exists"]]
    assert len(await counter.trail()) == 1


async def test_whoever_prepared_a_batch_does_not_decide_on_it_in_any_role(counter: Counter) -> None:
    await prepared(counter, 700)
    await counter.post(f"batches/{await counter.batch()}/reject")
    both: Officer = ("pia", "preparer", "approver")
    made = done(await counter.post("batches", both, reason="before the holiday"))
    assert made == {"outcome": "created", "day": "2020-03-02", "batches": 1}
    batch = await counter.office.one("SELECT batch_id FROM batch WHERE prepared_by = 'pia'")
    for verb in ("approve", "reject"):
        assert "Whoever prepared" in refused(await counter.post(f"batches/{batch}/{verb}", both))
    assert await states(counter) == ["batched"]
    assert (await counter.trail())[-1] == ("batches", "2020-03-02", "pia", "before the holiday")
    assert done(await counter.post(f"batches/{batch}/approve", AYSE))["state"] == "approved"


async def test_batches_out_of_turn_need_a_day_and_something_that_waits(counter: Counter) -> None:
    assert "No day has started" in refused(await counter.post("batches", PREPARER))
    await counter.office.start(MONDAY)
    assert done(await counter.post("batches", PREPARER))["outcome"] == "nothing_waits"
    assert await counter.trail() == []
    await counter.office.decide(A, 1, 700)
    await counter.office.work()
    assert await states(counter) == ["authorised"]
    assert done(await counter.post("batches", PREPARER))["batches"] == 1
    assert done(await counter.post("batches", PREPARER))["batches"] == 0
    assert await states(counter) == ["batched"]


async def test_a_rejected_batch_gives_its_payments_back(counter: Counter) -> None:
    batch = await prepared(counter, 700, 300)
    assert done(await counter.post(f"batches/{batch}/reject", reason="wrong day"))["state"] == "refused"
    assert await states(counter) == ["authorised", "authorised"]
    assert done(await counter.post(f"batches/{batch}/reject", BEK))["outcome"] == "exists"
    assert await counter.trail() == [("batch_rejected", batch, "ayse", "wrong day")]
    assert await counter.office.rows("SELECT reserved_fen FROM budget") == [(0,)]
    assert "only a prepared one" in refused(await counter.post(f"batches/{batch}/approve", BEK))
    await counter.office.start(TUESDAY)
    assert await states(counter) == ["batched", "batched"]


async def test_an_approved_batch_is_not_rejected(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    await counter.post(f"batches/{batch}/approve")
    assert "only a prepared one" in refused(await counter.post(f"batches/{batch}/reject", BEK))
    assert await states(counter) == ["approved"]


async def test_a_batch_that_changed_since_it_was_looked_at_is_not_decided_on(counter: Counter) -> None:
    batch = await prepared(counter, 700, 300)
    seen = done(await counter.get(f"batches/{batch}"))["batch"]["version"]
    await counter.office.decide(A, 2, 0)
    for verb in ("approve", "reject"):
        assert "look at it again" in refused(await counter.post(f"batches/{batch}/{verb}", version=seen))
    assert await counter.trail() == []
    now = done(await counter.get(f"batches/{batch}"))["batch"]
    assert (now["version"], now["count"], now["total_fen"]) == (seen + 1, 1, 300)
    assert done(await counter.post(f"batches/{batch}/approve", version=seen + 1))["state"] == "approved"


async def test_an_approval_of_an_older_version_does_not_count(counter: Counter) -> None:
    batch = await prepared(counter, THRESHOLD_FEN, 1, 2)
    await counter.post(f"batches/{batch}/approve", AYSE)
    await counter.office.decide(C, 2, 0)
    after = done(await counter.post(f"batches/{batch}/approve", BEK))
    assert (after["second_officer_awaited"], after["approved_by"]) == (True, ["bek"])
    assert done(await counter.post(f"batches/{batch}/approve", AYSE))["state"] == "approved"


async def test_a_decision_that_comes_with_the_approval_is_before_or_after_it(counter: Counter) -> None:
    batch = await prepared(counter, 700, 300)
    answer, _ = await asyncio.gather(
        counter.post(f"batches/{batch}/approve", version=2), counter.office.decide(A, 2, 0)
    )
    assert answer.status_code in (200, 409)
    assert await states(counter) == ["cancelled", "approved" if answer.status_code == 200 else "batched"]
    assert await counter.office.rows("SELECT count, total_fen FROM batch") == [(1, 300)]


async def test_an_empty_batch_is_not_approved(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    await counter.office.decide(A, 2, 0)
    assert "empty" in refused(await counter.post(f"batches/{batch}/approve"))


async def test_a_frozen_batch_stands_still_until_it_is_released(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    frozen = done(await counter.post(f"batches/{batch}/freeze", OPERATOR, reason="a call from the bank"))
    assert (frozen["outcome"], frozen["frozen"], frozen["state"]) == ("created", True, "prepared")
    assert done(await counter.post(f"batches/{batch}/freeze", BEK))["outcome"] == "exists"
    for verb in ("approve", "reject"):
        assert "frozen" in refused(await counter.post(f"batches/{batch}/{verb}"))
    assert done(await counter.post(f"batches/{batch}/release", AYSE))["outcome"] == "created"
    assert done(await counter.post(f"batches/{batch}/release", AYSE))["outcome"] == "exists"
    assert done(await counter.post(f"batches/{batch}/approve"))["state"] == "approved"
    kinds = [(kind, officer) for kind, _, officer, _ in await counter.trail()]
    assert kinds == [("batch_frozen", "ola"), ("batch_released", "ayse"), ("batch_approved", "ayse")]


async def test_an_approved_batch_that_is_frozen_does_not_leave_the_house(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    await counter.post(f"batches/{batch}/approve")
    await counter.post(f"batches/{batch}/freeze")
    await counter.office.work()
    assert await states(counter) == ["approved"]
    await counter.post(f"batches/{batch}/release")
    await counter.office.work()
    assert await states(counter) == ["submitted"]
    assert "with the bank already" in refused(await counter.post(f"batches/{batch}/freeze"))


async def test_a_rejected_batch_is_not_frozen(counter: Counter) -> None:
    batch = await prepared(counter, 700)
    await counter.post(f"batches/{batch}/reject")
    assert "holds no payments" in refused(await counter.post(f"batches/{batch}/freeze"))


@pytest.mark.parametrize("verb", ["approve", "reject", "freeze", "release"])
async def test_nobody_decides_on_a_batch_whose_books_disagree(counter: Counter, verb: str) -> None:
    batch = await prepared(counter, 700, 300)
    await counter.office.do("ALTER TABLE payment DISABLE TRIGGER money_follows_payments")
    await counter.office.do(f"UPDATE payment SET state = 'authorised', batch_id = NULL WHERE uscc = '{A}'")
    sentence = refused(await counter.post(f"batches/{batch}/{verb}"), 500)
    assert not any(letter.isdigit() for letter in sentence)
    assert await states(counter) == ["authorised", "batched"]
    assert await counter.trail() == []


@pytest.mark.parametrize(("lock_seconds", "action_seconds"), [(0.3, 25), (25, 0.3)])
async def test_work_that_holds_the_partition_makes_an_officer_come_back(
    counter: Counter, lock_seconds: float, action_seconds: float
) -> None:
    batch = await prepared(counter, 700)
    counter.set_desk(lock_seconds, action_seconds)
    began = time.monotonic()
    async with transaction(counter.office.pool) as db:
        await lock_partitions(db, "payments", [3])
        answer = await counter.post(f"batches/{batch}/approve")
        assert (int(answer.headers["retry-after"]) >= 1, "send it again" in refused(answer, 503)) == (True, True)
    assert time.monotonic() - began < 15, "it waited for the longer one of the two"
    assert await states(counter) == ["batched"]
    counter.set_desk(lock_seconds=10)
    answers = await asyncio.gather(*(counter.post(f"batches/{batch}/approve") for _ in range(12)))
    assert sorted(done(answer)["outcome"] for answer in answers)[:2] == ["created", "exists"]


async def test_without_the_database_an_officer_is_told_to_come_back(counter: Counter) -> None:
    await counter.office.pool.close()
    for answer in (
        await counter.post(f"batches/{NOBODY}/approve"),
        await counter.post("batches", PREPARER),
        await counter.get("batches"),
    ):
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
