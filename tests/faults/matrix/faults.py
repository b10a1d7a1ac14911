"""The table of faults: what each is called, and how it is injected."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.matrix import kills, server_faults, swapped_pack, upstream_faults
from tests.faults.matrix.ground import Ground
from tests.faults.oracle_rules import FIRST_PACK, Rates
from tests.integration.region import Upstream

# Injects into a ground whose load is ready; says what was done, with the numbers of it.
Inject = Callable[[Ground], str]
Arrange = Callable[[list[Upstream], int], list[Upstream]]


def _nothing(_ground: Ground) -> None:
    pass


def _as_it_is(region: list[Upstream], _seed: int) -> list[Upstream]:
    return region


@dataclass(frozen=True, slots=True)
class Fault:
    """`linked`: needs proxies before PostgreSQL and Redis. `arrange`: what becomes of the region before it is sent.
    `lasts_seconds`: how long injecting takes, about, per replica. `rates`: of the pack that is in force in the end, and
    `afterwards` puts back what the fault left."""

    inject: Inject
    linked: bool = False
    arrange: Arrange = _as_it_is
    lasts_seconds: float = 4.0
    rates: Rates = FIRST_PACK
    afterwards: Callable[[Ground], None] = _nothing


def _kill_points() -> dict[str, Fault]:
    return {
        f"{service}-killed-{point.replace('_', '-')}": Fault(kills.killed_at(service, point))
        for service, points in kills.POINTS.items()
        for point in points
    }


FAULTS: dict[str, Fault] = {
    "nothing": Fault(upstream_faults.only_sent("nothing")),
    # Early: the day clock starts nothing while the days that the trials go through are before today.
    "clocks-jumped": Fault(kills.clocks_jumped, lasts_seconds=12),
    **_kill_points(),
    "every-process-killed": Fault(kills.killed_anywhere, lasts_seconds=30),
    "eligibility-frozen": Fault(kills.frozen("eligibility"), lasts_seconds=20),
    "payments-frozen": Fault(kills.frozen("payments"), lasts_seconds=20),
    "rebalances-in-a-row": Fault(kills.rebalanced, lasts_seconds=20),
    "rolling-restart": Fault(kills.restarted_in_turn, lasts_seconds=16),
    "pack-swapped": Fault(
        swapped_pack.swapped, lasts_seconds=8, rates=swapped_pack.RATES, afterwards=swapped_pack.put_back
    ),
    "kafka-killed": Fault(server_faults.killed("kafka")),
    "kafka-stopped": Fault(server_faults.stopped("kafka")),
    "kafka-and-eligibility-killed": Fault(kills.publishing_into_nothing, lasts_seconds=8),
    "redis-killed": Fault(server_faults.killed("redis")),
    "redis-lost-last-writes": Fault(server_faults.redis_lost_its_last_writes),
    "redis-flushed": Fault(server_faults.redis_flushed),
    "redis-set-back": Fault(server_faults.redis_set_back),
    "postgres-stopped": Fault(server_faults.stopped("postgres")),
    "postgres-killed": Fault(server_faults.killed("postgres")),
    "postgres-sessions-ended": Fault(server_faults.postgres_sessions_ended),
    "postgres-slow": Fault(server_faults.slow("postgres"), linked=True),
    "postgres-cut": Fault(server_faults.cut("postgres"), linked=True),
    "postgres-commits-unanswered": Fault(server_faults.commits_unanswered("postgres"), linked=True),
    "redis-slow": Fault(server_faults.slow("redis"), linked=True),
    "redis-cut": Fault(server_faults.cut("redis"), linked=True),
    "redis-commits-unanswered": Fault(server_faults.commits_unanswered("redis"), linked=True),
    "upstream-sent-again": Fault(upstream_faults.sent_again),
    "upstream-out-of-order": Fault(
        upstream_faults.only_sent("every record of the region in a random order"),
        arrange=upstream_faults.in_another_order,
    ),
}
