"""Conservation, watched all the time: what was decided, told and held of each programme, and whether it adds up.

Everything compared is of one moment, so a difference is none of timing: it is money lost, made or moved past the rules.
What was told is added up from the event table, which nothing but payments' own transactions writes: once from its start
when the service starts, then only what is new. What is held is added up anew each time.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from services.payments.domain.life import BEFORE_SUBMISSION, IN_FLIGHT, TRANSITIONS
from services.payments.domain.refund import PROGRAMMES
from services.payments.store import reading, sums
from services.payments.store.reading import BudgetSeen
from services.payments.store.sums import Sum
from shared.observability import metrics
from shared.streaming import backoff, progress
from shared.streaming.errors import Retry
from shared.streaming.postgres_store import Pool, transaction

log = structlog.get_logger()

EVERY_SECONDS = 15.0
# So much longer it rests than it worked: adding up a region takes five seconds, and may take a thirtieth of a core.
REST = 30
# Events added up at once, with a rest of this many times their work: after a start there may be millions.
EVENTS_AT_ONCE, REST_BETWEEN = 50_000, 4

EXEMPTION: Final = "exemption"
# In the order of a payment's life.
STATES: Final = tuple(dict.fromkeys(row.after for row in TRANSITIONS.values()))

# Terms of one programme by name, in fen; 0 where there is none. Those with `told_` are sums of the events told, the
# others of what is held.
Terms = Counter[str]


class Equation(NamedTuple):
    """Two sums of terms that are equal at every moment."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]


EQUATIONS: Final = (
    # What is due was authorised, net of what was cancelled and claimed back. What is live beyond it is with the bank.
    Equation("decided", ("decided", "excess", "told_cancelled", "told_clawback_raised"), ("told_authorised",)),
    Equation("authorised", ("told_authorised",), ("settled", "rejected", "cancelled", "pending", "in_transit")),
    Equation("submitted", ("told_submitted",), ("ever_submitted",)),
    Equation("settled", ("told_settled",), ("settled",)),
    # A payment that was refused and then given up is told as both.
    Equation("rejected", ("told_rejected",), ("rejected", "given_up")),
    Equation("cancelled", ("told_cancelled",), ("cancelled",)),
    Equation("clawed_back", ("told_clawback_raised",), ("clawed_back",)),
    Equation("claimed", ("clawed_back",), ("claims",)),
    Equation("recovered", ("told_clawback_settled",), ("recovered",)),
    Equation("written_off", ("told_clawback_written_off",), ("written_off",)),
    Equation("reserved", ("reserved",), ("on_its_way",)),
    Equation("spent", ("spent",), ("settled",)),
)
WAIVED: Final = Equation("decided", ("decided",), ("told_waived",))
# What /metrics shows of the terms, by the name it has there.
SHOWN: Final = {
    "decided": "decided",
    "excess": "excess",
    "authorised": "told_authorised",
    "cancelled": "cancelled",
    "pending": "pending",
    "in_transit": "in_transit",
    "settled": "settled",
    "rejected": "rejected",
    "clawed_back": "clawed_back",
    "recovered": "recovered",
    "written_off": "written_off",
}


def terms(held: Iterable[Sum], budgets: Iterable[BudgetSeen], told: Mapping[tuple[str, str], int]) -> dict[str, Terms]:
    """The terms by programme; `exemption` stands among the programmes with `decided` and `told_waived` alone."""
    found: dict[str, Terms] = {EXEMPTION: Counter(), **{name: Counter() for name in PROGRAMMES.values()}}
    for one in held:
        if one.kind == "exemptions":
            found[EXEMPTION]["decided"] += one.amount_fen
        elif one.kind == "refunds":
            found[one.purpose]["decided"] += one.amount_fen
        elif one.kind == "excess":
            found[one.purpose]["excess"] += one.amount_fen
        elif one.kind == "clawbacks":
            found[one.purpose]["claims" if one.state == "raised" else str(one.state)] += one.amount_fen
        else:
            found[one.purpose].update(_of_payments(one))
    for budget in budgets:
        found[budget.programme].update(reserved=budget.reserved_fen, spent=budget.spent_fen)
    for (programme, kind), fen in told.items():
        step = "waived" if programme == EXEMPTION else kind.removeprefix("relief.refund.").removesuffix(".v1")
        found[programme][f"told_{step}"] += fen
    return found


def _of_payments(one: Sum) -> dict[str, int]:
    state = str(one.state)
    found = {"ever_submitted": one.submitted_fen, "clawed_back": one.clawed_fen}
    if state == "cancelled":
        found["given_up"] = one.submitted_fen
    if state in ("batched", "approved") or state in IN_FLIGHT:
        found["on_its_way"] = one.amount_fen
    group = "pending" if state in BEFORE_SUBMISSION else "in_transit" if state in IN_FLIGHT else state
    return {**found, group: one.amount_fen}


def differences(found: Mapping[str, Terms]) -> dict[tuple[str, str], int]:
    """Left minus right in fen, by (programme, equation): all 0 when nothing is wrong."""
    return {
        (programme, equation.name): sum(of[term] for term in equation.left) - sum(of[term] for term in equation.right)
        for programme, of in found.items()
        for equation in ((WAIVED,) if programme == EXEMPTION else EQUATIONS)
    }


class Conserving:
    """Run as a task beside the runner, by every replica for itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: Counter[tuple[str, str]] = Counter()
        self._until = 0
        self._jitter = random.Random()  # noqa: S311  # spreads retries, hides nothing

    async def run(self) -> None:
        """Until cancelled. A failure leaves the gauges as they were; the time of the last check says since when."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                done = await self.once()
                failures = 0
                took = time.monotonic() - started
                await asyncio.sleep(max(EVERY_SECONDS, REST * took) if done else REST_BETWEEN * took)
            except Exception as error:
                failures += 1
                passing = isinstance(error, Retry)
                metrics.RETRIES.labels(f"conservation_{'passing' if passing else 'unexpected'}").inc()
                log.warning("conservation not checked", error=repr(error), exc_info=None if passing else error)
                await asyncio.sleep(backoff.seconds(failures, self._jitter))

    async def once(self) -> bool:
        """Add up and compare, in one snapshot. False while events are left to add up: then there is no result yet."""
        async with transaction(self._pool) as db:
            await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            last, _ = await progress.told_and_relayed(db)
            until = min(last, self._until + EVENTS_AT_ONCE)
            fresh = await sums.told(db, self._until, until)
            if until == last:
                held, budgets = await sums.held(db), await reading.budgets(db)
        # Only now, so that a failure does not count events twice.
        self._told.update(fresh)
        self._until = until
        if until < last:
            return False
        found = terms(held, budgets, self._told)
        _show(found, held, budgets)
        metrics.CONSERVATION_CHECKED.set_to_current_time()
        return True


def _show(found: Mapping[str, Terms], held: Iterable[Sum], budgets: Iterable[BudgetSeen]) -> None:
    for (programme, equation), fen in differences(found).items():
        metrics.CONSERVATION_DIFFERENCE.labels(programme, equation).set(fen)
        if fen:
            log.error("conservation does not hold", programme=programme, equation=equation, difference_fen=fen)
    for programme, of in found.items():
        for name, term in SHOWN.items():
            if programme != EXEMPTION or name == "decided":
                metrics.CONSERVATION_FEN.labels(programme, name).set(of[term])
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in held:
        if one.kind == "payments":
            counts[one.purpose, str(one.state)] = one.count
    for programme in PROGRAMMES.values():
        for state in STATES:
            metrics.PAYMENTS.labels(programme, state).set(counts[programme, state])
    for budget in budgets:
        parts = {"total": budget.total_fen, "reserved": budget.reserved_fen, "spent": budget.spent_fen}
        for part, fen in parts.items():
            metrics.BUDGET_FEN.labels(budget.programme, part).set(fen)
