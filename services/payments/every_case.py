"""For tests: enterprises whose refunds for 2019 have come to every end and every pause there is, over real tables."""

from datetime import UTC, date, datetime
from typing import Final

from services.payments.app import SCHEMA
from services.payments.cases import enterprise, made, take
from services.payments.clerk import ACTIONS
from services.payments.domain.claim import write_off
from services.payments.office_cases import THREE, Office
from services.payments.store import clerking
from services.payments.store.command_rows import load_claim, save_claim
from services.payments.wire import Occasion, claim_output
from shared.streaming.postgres_store import append, transaction

MONDAY, TUESDAY, FRIDAY, SATURDAY = (date(2020, 3, n) for n in (2, 3, 6, 7))
(
    RECOVERED, LOWERED, REFUSED, NOBODY, MOVED, SILENT, WITHDRAWN, WAIVED, WAITING,
) = ALL = tuple(enterprise(n) for n in range(1, 10))  # fmt: skip
PENSION: Final = "pension/2020-02"


async def live_every_life(office: Office) -> None:
    """The office should be one with `silence_days` of 3 and must be empty."""
    await office.decide(SILENT, 1, 60)
    await office.start(MONDAY)
    await office.approve()
    for uscc, fen in ((RECOVERED, 700), (REFUSED, 300), (MOVED, 900), (LOWERED, 500)):
        await office.decide(uscc, 1, fen)
    await office.decide(NOBODY, 1, 100, account=None)
    await office.start(FRIDAY)
    await office.approve()
    await office.answer(await payment(office, RECOVERED), "accepted")
    await office.answer(await payment(office, RECOVERED), "settled", bank_reference="B1")
    await office.answer(await payment(office, RECOVERED), "settled", bank_reference="B1")
    await office.answer(await payment(office, REFUSED), "rejected", reason_code="AC04")
    await office.answer(await payment(office, MOVED), "rejected", reason_code="AC01")
    # Contradicts what is known, and is parked.
    await office.answer(await payment(office, REFUSED), "settled")
    await office.decide(LOWERED, 2, 200)
    await office.decide(MOVED, 2, 950, account="6222000033334444")
    await office.decide(RECOVERED, 2, 400)
    claim = await office.one("SELECT clawback_id FROM clawback")
    await office.received(claim, 100, "R1")
    await office.received(claim, 50, "R2")
    await office.received(claim, 50, "R2")
    await give_up(office, claim)
    await office.received(claim, 7, "R3")  # more than is owed
    await office.decide(WITHDRAWN, 1, 80)
    await office.decide(WITHDRAWN, 2, 30)
    for revision, fen in enumerate((70, 90, 0, 20), 1):
        record = made(WAIVED, "exemption", PENSION, revision, fen, offset=office.decided)
        office.decided += 1
        assert await take(office.decisions, THREE, [record])
    await office.decide(WAITING, 1, 40)


async def payment(office: Office, uscc: str) -> str:
    """The enterprise's first payment."""
    ((found,),) = await office.rows("SELECT payment_id FROM payment WHERE uscc = %s AND number = 1", uscc)
    return str(found)


async def give_up(office: Office, clawback_id: str) -> None:
    """Two officers write the rest of a claim off, as the API does."""
    async with transaction(office.pool) as db:
        found = await load_claim(db, clawback_id)
        assert found is not None
        proposed, _ = write_off(found[0], "ayse", "out of business")
        confirmed, change = write_off(proposed, "bek", "out of business")
        assert change is not None
        await save_claim(db, confirmed)
        at = datetime(2020, 3, 6, tzinfo=UTC)
        seq = await clerking.record_action(db, "write_off", clawback_id, "bek", "out of business", at)
        occasion = Occasion(at, None, FRIDAY, ACTIONS, 0, seq, told_in=found[1])
        await append(db, SCHEMA, [claim_output(change, 0, occasion)])
