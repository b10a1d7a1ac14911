"""Entitlements and their payments on a real PostgreSQL: whatever the domain makes of them is kept, and comes back."""

from collections.abc import AsyncIterator, Sequence
from typing import get_args

import msgspec
import psycopg
import pytest

from services.payments.app import MIGRATIONS, SCHEMA
from services.payments.domain.answer import Word, answer
from services.payments.domain.cases import ALI, BATCH, BEK, KEY, decision, payment_of, put, states, steps
from services.payments.domain.claim import Claim, receive, write_off
from services.payments.domain.decision import Decision
from services.payments.domain.life import State
from services.payments.domain.refund import Key, Refund, entitle
from services.payments.store.batches import load_batches
from services.payments.store.cases import way_to
from services.payments.store.command_rows import load_claim, save_claim
from services.payments.store.refunds import load_refunds, save_refunds
from shared.ids import clawback_id, payment_id
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Pool, connect, migrate, transaction

pytestmark = pytest.mark.integration
ONE = payment_id(*KEY, 1)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """With a batch that payments may go into."""
    await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    async with transaction(pool) as db:
        await db.execute(
            """INSERT INTO batch (batch_id, programme, bank, day, number, state, count, total_fen, version, prepared_by)
               VALUES (%s, 'job_stabilisation', '102', '2020-03-02', 1, 'prepared', 0, 0, 1, 'clerk')""",
            (BATCH,),
        )
    yield pool
    await pool.close()


async def keep(pool: Pool, refund: Refund, key: Key = KEY) -> Refund:
    """Saved, and as it is read again."""
    async with transaction(pool) as db:
        await save_refunds(db, [(key, 3, refund)])
    async with transaction(pool) as db:
        return (await load_refunds(db, [key]))[key]


async def decide(pool: Pool, held: Refund | None, one: Decision) -> tuple[Refund, list[tuple[str, int, int]]]:
    _, after, changes = entitle(held, one)
    return await keep(pool, after), steps(changes)


async def hear(pool: Pool, held: Refund, word: Word) -> tuple[str, Refund, list[tuple[str, int, int]]]:
    taken, after, changes = answer(held, KEY, ONE, word, None)
    return taken, await keep(pool, after), steps(changes)


async def submitted(pool: Pool, amount_fen: int) -> Refund:
    refund, _ = await decide(pool, None, decision(1, amount_fen))
    for state in way_to("submitted"):
        refund = await keep(pool, put(refund, 1, state))
    return refund


async def table(pool: Pool, query: str) -> Sequence[tuple[object, ...]]:
    async with transaction(pool) as db:
        return await (await db.execute(query.encode())).fetchall()


async def test_a_payment_in_whatever_state_comes_back_as_it_was_and_may_be_saved_again(pool: Pool) -> None:
    for state in get_args(State):
        key = Key(KEY.uscc, "refund", state)
        refund = await keep(pool, entitle(None, msgspec.structs.replace(decision(1, 100), key=state))[1], key)
        for step in way_to(state):
            refund = put(refund, 1, step)
            if step == "cancelled":
                refund = msgspec.structs.replace(refund, revision=2, amount_fen=0)
            expected = msgspec.structs.replace(refund, payments=() if step == "cancelled" else refund.payments)
            assert await keep(pool, refund, key) == expected
            assert await keep(pool, refund, key) == expected
        assert refund.payments[0].state == state


async def test_several_entitlements_are_kept_and_read_in_one_go(pool: Pool) -> None:
    keys = [Key(KEY.uscc, "refund", "2018"), KEY, Key(KEY.uscc, "contribution_return", "pension/2020-02")]
    made = {
        key: entitle(None, msgspec.structs.replace(decision(1, fen), measure=key.measure, key=key.key))[1]
        for key, fen in zip(keys, (10, 20, 0), strict=True)
    }
    async with transaction(pool) as db:
        await save_refunds(db, [(key, 3, refund) for key, refund in made.items()])
        assert await load_refunds(db, [*keys, Key(KEY.uscc, "refund", "2017")]) == made
        assert await load_refunds(db, []) == {}


async def test_the_payee_of_the_newest_decision_is_kept(pool: Pool) -> None:
    refund, _ = await decide(pool, None, decision(1, 100))
    refund, told = await decide(pool, refund, decision(2, 100, "653100", BEK))
    assert told == []
    assert (refund.prefecture, refund.payee_digest, refund.payee_sealed) == ("653100", BEK, f"sealed-{BEK}")
    assert (payment_of(refund, 1).payee_digest, payment_of(refund, 1).prefecture) == (BEK, "650100")
    refund, _ = await decide(pool, refund, decision(3, 0, None, None))
    assert (refund.prefecture, refund.payee_digest, refund.payee_sealed, refund.payments) == (None, None, None, ())


async def test_what_is_approved_and_gets_another_payee_leaves_its_batch_and_waits(pool: Pool) -> None:
    refund, _ = await decide(pool, None, decision(1, 100))
    for state in way_to("approved"):
        refund = await keep(pool, put(refund, 1, state))
    assert await table(pool, "SELECT count, total_fen, version FROM batch") == [(1, 100, 2)]
    refund, _ = await decide(pool, refund, decision(2, 100, payee=BEK))
    assert (payment_of(refund, 1).state, payment_of(refund, 1).held_for) == ("held", "payee_changed")
    assert await table(pool, "SELECT count, total_fen, version FROM batch") == [(0, 0, 3)]


@pytest.mark.parametrize("state", ["submitted", "unknown"])
async def test_refused_and_given_up_at_one_stroke_is_both_steps_of_the_table(pool: Pool, state: State) -> None:
    refund = await submitted(pool, 100)
    refund = await keep(pool, put(refund, 1, state))
    refund, told = await decide(pool, refund, decision(2, 40))
    assert (told, refund.live_fen, refund.amount_fen) == ([], 100, 40)
    taken, refund, told = await hear(pool, refund, "rejected")
    assert (taken, told) == ("changed", [("rejected", 1, 100), ("cancelled", 1, 100), ("authorised", 2, 40)])
    # It went out, so the bank may speak of it again: it is read again, and stays in its batch.
    assert states(refund) == ["cancelled", "authorised"]
    assert payment_of(refund, 1).batch_id == BATCH
    assert (await hear(pool, refund, "rejected"))[0] == "repeat"
    assert (await hear(pool, refund, "settled"))[0] == "parked"


async def test_claims_are_kept_once_and_counted_on(pool: Pool) -> None:
    _, refund, _ = await hear(pool, await submitted(pool, 100), "settled")
    refund, told = await decide(pool, refund, decision(2, 70))
    assert (told, refund.raised, payment_of(refund, 1).clawed_fen) == ([("clawback_raised", 1, 30)], (), 30)
    refund, told = await decide(pool, refund, decision(3, 0))
    assert (told, payment_of(refund, 1).clawed_fen, payment_of(refund, 1).clawbacks) == (
        [("clawback_raised", 1, 70)],
        100,
        2,
    )
    assert await table(pool, "SELECT clawback_id, payment_id, amount_fen FROM clawback ORDER BY amount_fen") == [
        (clawback_id(ONE, 1), ONE, 30),
        (clawback_id(ONE, 2), ONE, 70),
    ]


async def test_settled_and_claimed_back_at_one_stroke(pool: Pool) -> None:
    refund, _ = await decide(pool, await submitted(pool, 100), decision(2, 40))
    _, refund, told = await hear(pool, refund, "settled")
    assert told == [("settled", 1, 100), ("clawback_raised", 1, 60)]
    assert await table(pool, "SELECT clawback_id, amount_fen FROM clawback") == [(clawback_id(ONE, 1), 60)]
    assert (refund.live_fen, payment_of(refund, 1).payee_digest) == (40, ALI)


async def test_a_claim_comes_back_as_it_was_saved(pool: Pool) -> None:
    _, refund, _ = await hear(pool, await submitted(pool, 100), "settled")
    await decide(pool, refund, decision(2, 40, "653100"))
    identity = clawback_id(ONE, 1)
    claim = Claim(identity, ONE, KEY, "650100", payment_of(refund, 1).decision_id, 60)
    async with transaction(pool) as db:
        assert await load_claim(db, identity) == (claim, 3)
        assert await load_claim(db, clawback_id(ONE, 2)) is None
    claim = write_off(receive(claim, 20)[0], "officer-1", "insolvent")[0]
    for after in (claim, receive(claim, 5)[0], write_off(claim, "officer-2", "insolvent")[0]):
        async with transaction(pool) as db:
            await save_claim(db, after)
            assert await load_claim(db, identity) == (after, 3)
            await db.rollback()


async def test_a_batch_that_does_not_hold_what_it_declares_stops_whoever_reads_it(pool: Pool) -> None:
    refund, _ = await decide(pool, None, decision(1, 100))
    await keep(pool, put(refund, 1, "batched"))
    async with transaction(pool) as db:
        found = (await load_batches(db, [BATCH, "d" * 32]))[BATCH]
        assert (found.count, found.total_fen, found.version, found.approvals, found.frozen) == (1, 100, 2, (), False)
        for lie in ("count = 2", "total_fen = 101"):
            await db.execute(f"UPDATE batch SET {lie}".encode())
            with pytest.raises(Stop, match="Nothing of it may be paid"):
                await load_batches(db, [BATCH])
            await db.execute("UPDATE batch SET count = 1, total_fen = 100")
        await db.rollback()


async def test_approvals_count_for_the_version_they_were_given_on(pool: Pool) -> None:
    refund, _ = await decide(pool, None, decision(1, 100))
    refund = await keep(pool, put(refund, 1, "batched"))
    async with transaction(pool) as db:
        for version, officer, place in ((2, "officer-2", 2), (2, "officer-1", 1), (1, "officer-3", 1)):
            await db.execute(
                "INSERT INTO approval (batch_id, version, officer, reason, place) VALUES (%s, %s, %s, 'fits', %s)",
                (BATCH, version, officer, place),
            )
        assert (await load_batches(db, [BATCH]))[BATCH].approvals == ("officer-1", "officer-2")
    # The payment leaves: what was approved is not what the batch is now.
    await decide(pool, refund, decision(2, 100, payee=BEK))
    async with transaction(pool) as db:
        assert (await load_batches(db, [BATCH]))[BATCH].approvals == ()


async def test_what_came_out_different_under_its_number_is_refused(pool: Pool) -> None:
    refund, _ = await decide(pool, None, decision(1, 100))
    for changed in ({"amount_fen": 99}, {"prefecture": "653100"}, {"decision_id": "9" * 32}, {"payment_id": "9" * 32}):
        other = put(refund, 1, "authorised", **changed)
        with pytest.raises(psycopg.errors.IntegrityError, match="keeps its identity"):
            await keep(pool, other)
    assert await keep(pool, refund) == refund
