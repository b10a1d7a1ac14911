"""The table of faults: what each is called, and how it is injected."""

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.structs import TopicPartition

from tests.faults.matrix import (
    cluster_faults,
    disk_faults,
    kills,
    log_faults,
    restores,
    server_faults,
    swapped_pack,
    upstream_faults,
)
from tests.faults.matrix.ground import Ground, Needs
from tests.faults.oracle_rules import FIRST_PACK, Rates
from tests.integration.region import Upstream

# Injects into a ground whose load is ready; says what was done, with the numbers of it.
Inject = Callable[[Ground], str]
Arrange = Callable[[list[Upstream], int], list[Upstream]]
_PLAIN = Needs()


def _nothing(_ground: Ground) -> None:
    pass


def _as_it_is(region: list[Upstream], _seed: int) -> list[Upstream]:
    return region


@dataclass(frozen=True, slots=True)
class Fault:
    """`arrange`: what becomes of the region before it is sent. `lasts_seconds`: how long injecting takes, about, per
    replica. `stops`: there is no way on, and rightly: those who read these partitions stand still, what the others told
    has to be right, and the ground is spent. `rates`: of the pack that is in force in the end, and `afterwards` puts
    back what the fault left. `office`: whether days, officers and the bank go on while it is injected."""

    inject: Inject
    needs: Needs = _PLAIN
    arrange: Arrange = _as_it_is
    lasts_seconds: float = 4.0
    rates: Rates = FIRST_PACK
    afterwards: Callable[[Ground], None] = _nothing
    office: bool = True
    stops: Callable[[Ground], frozenset[TopicPartition]] | None = None


_LINKED = Needs(linked=True)
_THREE = Needs(brokers=3)


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
    "postgres-slow": Fault(server_faults.slow("postgres"), _LINKED),
    "postgres-cut": Fault(server_faults.cut("postgres"), _LINKED),
    "postgres-commits-unanswered": Fault(server_faults.commits_unanswered("postgres"), _LINKED),
    "redis-slow": Fault(server_faults.slow("redis"), _LINKED),
    "redis-cut": Fault(server_faults.cut("redis"), _LINKED),
    "redis-commits-unanswered": Fault(server_faults.commits_unanswered("redis"), _LINKED),
    "upstream-sent-again": Fault(upstream_faults.sent_again),
    "upstream-out-of-order": Fault(
        upstream_faults.only_sent("every record of the region in a random order"),
        arrange=upstream_faults.in_another_order,
    ),
    "ledger-set-back": Fault(restores.set_back("ledger"), lasts_seconds=12),
    # Payments refuses a copy that lacks what went to the bank.
    "payments-set-back": Fault(restores.set_back("payments"), lasts_seconds=12, office=False),
    "holdover-set-back": Fault(
        restores.set_back_and_refused("holdover", "events that this database does not know"), lasts_seconds=20
    ),
    "upstream-trimmed-of-done": Fault(log_faults.trimmed_of_done, arrange=upstream_faults.each_once, lasts_seconds=10),
    "upstream-trimmed-of-undone": Fault(
        log_faults.trimmed_of_undone, arrange=upstream_faults.each_once, lasts_seconds=20
    ),
    "ledger-disk-full": Fault(disk_faults.ledger_disk_full, lasts_seconds=20),
    "topic-recreated": Fault(log_faults.recreated, lasts_seconds=12, stops=log_faults.facts_partitions),
    "broker-killed": Fault(
        cluster_faults.killed(cluster_faults.leads_most, "which led most partitions"), _THREE, lasts_seconds=12
    ),
    "controller-killed": Fault(
        cluster_faults.killed(cluster_faults.controls, "the active controller"), _THREE, lasts_seconds=12
    ),
    "broker-stopped": Fault(cluster_faults.stopped, _THREE, lasts_seconds=12),
    "brokers-restarted-in-turn": Fault(cluster_faults.restarted_in_turn, _THREE, lasts_seconds=40),
    "two-brokers-killed": Fault(cluster_faults.two_killed, _THREE, lasts_seconds=12),
}
