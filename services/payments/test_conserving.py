"""What must be equal at every moment, on real tables: through every life a payment can have, and after damage."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.payments import conserving
from services.payments.conserving import Conserving, differences, terms
from services.payments.every_case import NOBODY, WAITING, live_every_life
from services.payments.office_cases import Office, open_office
from services.payments.store import sums
from services.payments.store.reading import BudgetSeen
from services.payments.store.sums import Sum
from shared.observability import metrics
from shared.streaming import progress
from shared.streaming.postgres_store import transaction

pytestmark = pytest.mark.integration
PAID = "job_stabilisation"


@pytest.fixture
async def office(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, secrets, tmp_path / "bank") as opened:
        yield opened


def shown(name: str) -> dict[tuple[str, str], float]:
    """The gauge's values by its two labels."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode()):
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels["programme"], next(v for k, v in sample.labels.items() if k != "programme")] = (
                    sample.value
                )
    return found


async def wrong(office: Office) -> dict[str, int]:
    """The equations that do not hold."""
    assert await Conserving(office.pool).once()
    return {equation: int(fen) for (_, equation), fen in shown("relief_conservation_difference_fen").items() if fen}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # a gauge has no event to wait for
            await asyncio.sleep(0.01)


async def test_an_empty_house_is_in_order(office: Office) -> None:
    assert await wrong(office) == {}


async def test_every_life_conserves_and_the_terms_are_what_happened(office: Office) -> None:
    await live_every_life(office)
    assert await wrong(office) == {}
    sums = {term: int(fen) for (programme, term), fen in shown("relief_conservation_fen").items() if programme == PAID}
    assert sums == {
        # Recovered 400, lowered 200, refused 300, nobody 100, moved 950, silent 60, withdrawn 30, waiting 40.
        "decided": 2080,
        "excess": 300,
        "authorised": 60 + 700 + 300 + 900 + 500 + 100 + 950 + 80 + 30 + 40,
        "cancelled": 900 + 80,
        "pending": 100 + 950 + 30 + 40,
        "in_transit": 60 + 500,
        "settled": 700,
        "rejected": 300,
        "clawed_back": 300,
        "recovered": 150,
        "written_off": 150,
    }
    assert shown("relief_conservation_fen")["exemption", "decided"] == 20
    states = {state: int(n) for (programme, state), n in shown("relief_payments").items() if programme == PAID and n}
    assert states == {
        "authorised": 3, "held": 1, "submitted": 1, "unknown": 1, "settled": 1, "rejected": 1, "cancelled": 2
    }  # fmt: skip
    budget = {part: int(fen) for (programme, part), fen in shown("relief_budget_fen").items() if programme == PAID}
    assert budget == {"total": 1_000_000_000, "reserved": 560, "spent": 700}


async def test_what_was_told_is_added_up_in_slices_and_only_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conserving, "EVENTS_AT_ONCE", 4)
    await live_every_life(office)
    watch = Conserving(office.pool)
    rounds = 1
    while not await watch.once():
        rounds += 1
    assert rounds == -(-int(await office.one("SELECT last FROM outbox_counter")) // 4)
    await office.decide(WAITING, 2, 45)
    assert await watch.once()
    assert await watch.once()
    assert set(shown("relief_conservation_difference_fen").values()) == {0}
    assert shown("relief_conservation_fen")[PAID, "decided"] == 2085


async def test_what_was_told_is_read_as_json_would_be(office: Office) -> None:
    await live_every_life(office)
    expected: Counter[tuple[str, str]] = Counter()
    for (value,) in await office.rows("SELECT value FROM outbox"):
        event = json.loads(value)
        data = event["data"]
        expected[data.get("programme", "exemption"), event["type"]] += data.get("delta_fen", data["amount_fen"])
    assert len(expected) == 11  # every type there is
    async with transaction(office.pool) as db:
        last, _ = await progress.told_and_relayed(db)
        assert await sums.told(db, 0, last) == expected


# (what a superuser did past triggers and rights, the equations that it breaks)
DAMAGE = [
    (f"UPDATE payment SET amount_fen = amount_fen + 1 WHERE uscc = '{WAITING}'", {"authorised": -1}),
    (f"UPDATE refund SET amount_fen = amount_fen - 1 WHERE uscc = '{WAITING}'", {"decided": -1}),
    (f"DELETE FROM payment WHERE uscc = '{WAITING}'", {"authorised": 40}),
    ("UPDATE payment SET state = 'settled' WHERE state = 'submitted'",
     {"settled": -500, "spent": -500, "reserved": 500, "decided": -300}),
    ("UPDATE payment SET state = 'authorised', batch_id = NULL, clawed_fen = 0, submitted_on = NULL"
     " WHERE state = 'settled'",
     {"submitted": 700, "settled": 700, "spent": 700, "clawed_back": 300, "claimed": -300}),
    ("UPDATE payment SET state = 'cancelled' WHERE state = 'submitted'",
     {"cancelled": -500, "rejected": -500, "reserved": 500, "decided": -300}),
    ("UPDATE payment SET submitted_on = NULL, batch_id = NULL, state = 'authorised' WHERE state = 'unknown'",
     {"submitted": 60, "reserved": 60}),
    ("UPDATE payment SET state = 'settled' WHERE state = 'rejected'",
     {"settled": -300, "rejected": 300, "spent": -300}),
    ("UPDATE clawback SET amount_fen = 301", {"claimed": -1}),
    ("UPDATE clawback SET settled_fen = 149", {"recovered": 1}),
    ("UPDATE clawback SET written_off_fen = 149", {"written_off": 1}),
    ("UPDATE budget SET spent_fen = 699", {"spent": -1}),
    ("UPDATE budget SET reserved_fen = 561", {"reserved": 1}),
    ("UPDATE exemption SET amount_fen = 21 WHERE amount_fen = 20", {"decided": 1}),
    (f"DELETE FROM refund WHERE uscc = '{NOBODY}'", {"decided": -100}),
    ("DELETE FROM outbox WHERE convert_from(value, 'UTF8') LIKE '%refund.settled%'",
     {"settled": -700}),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "broken"), DAMAGE)
async def test_what_is_done_past_the_rules_shows(
    office: Office, superuser_database: str, damage: str, broken: dict[str, int]
) -> None:
    await live_every_life(office)
    with psycopg.connect(superuser_database) as db:
        db.execute("SET session_replication_role = replica; SET search_path = payments")
        db.execute(damage.encode())
    assert await wrong(office) == broken


async def test_it_runs_beside_and_tells_when(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conserving, "EVERY_SECONDS", 0.0)
    metrics.CONSERVATION_CHECKED.set(0)
    running = asyncio.ensure_future(Conserving(office.pool).run())
    try:
        await until(lambda: metrics.REGISTRY.get_sample_value("relief_conservation_checked_timestamp_seconds") != 0)
        await office.decide(WAITING, 1, 40)
        await until(lambda: shown("relief_conservation_fen").get((PAID, "decided")) == 40)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_every_term_is_in_an_equation() -> None:
    """A sum that no equation knows would be watched by nobody."""
    states = [Sum("payments", PAID, state, 1, 1, 1, 1) for state in conserving.STATES]
    claims = [Sum("clawbacks", PAID, state, 1, 1) for state in ("raised", "recovered", "written_off")]
    steps = ("authorised", "cancelled", "submitted", "settled", "rejected")
    told = {
        (PAID, f"relief.refund.{step}.v1"): 1
        for step in (*steps, "clawback_raised", "clawback_settled", "clawback_written_off")
    }
    others = [Sum("refunds", PAID, None, 1, 1), Sum("excess", PAID, None, 1, 1)]
    found = terms([*states, *claims, *others], [BudgetSeen(PAID, 9, 1, 1, 7)], told)
    used = {term for equation in conserving.EQUATIONS for term in (*equation.left, *equation.right)}
    assert set(found[PAID]) == used
    one_more = Counter(found[PAID])
    for term in used:
        one_more[term] += 1
        assert differences({PAID: one_more}) != differences({PAID: found[PAID]}), term
        one_more[term] -= 1
