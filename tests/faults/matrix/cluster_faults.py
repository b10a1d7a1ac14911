"""Faults of a Kafka of three brokers: one away, each restarted in turn, two away at once."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import kafka_server
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.load import wait_until

_FIRST_SECONDS = 1.5  # of load, before a broker goes
_NOTHING_SECONDS = 12.0  # nothing may be acknowledged: longer than the cluster takes to give a broker up
# Which of the brokers: the name of its program.
Choice = Callable[[Ground], str]


def leads_most(ground: Ground) -> str:
    """Of the most partitions of our topics."""
    leads = Counter(leader for leader, _ in _partitions(ground))
    return kafka_server.program(leads.most_common(1)[0][0])


def controls(ground: Ground) -> str:
    """The active controller; which that is, every voter writes down."""
    voted = ground.servers.state / kafka_server.PORT / "data" / "__cluster_metadata-0" / "quorum-state"
    return kafka_server.program(json.loads(voted.read_text("utf-8"))["leaderId"])


def killed(choice: Choice, what: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            time.sleep(_FIRST_SECONDS)
            name = choice(ground)
            ground.servers.kill_service(name, restart=False)
            away = _goes_on_without(ground, name)
            _return(ground, name)
        return f"SIGKILL to {name}, {what}; {away}; started"

    return inject


def stopped(ground: Ground) -> str:
    with ground.load.flowing():
        time.sleep(_FIRST_SECONDS)
        name = leads_most(ground)
        ground.servers.stop_service(name)
        away = _goes_on_without(ground, name)
        _return(ground, name)
    return f"{name}, which led most partitions, stopped cleanly; {away}; started"


def restarted_in_turn(ground: Ground) -> str:
    names = kafka_server.programs(3)
    with ground.load.flowing():
        for name in names:
            ground.servers.stop_service(name)
            _return(ground, name)
    return f"{', '.join(names)} stopped and started one after the other, each when all replicas were in sync"


def two_killed(ground: Ground) -> str:
    """One copy is left, and what one copy alone has is not acknowledged."""
    with ground.load.flowing():
        time.sleep(_FIRST_SECONDS)
        first = controls(ground)
        second = next(name for name in kafka_server.programs(3) if name != first)
        for name in (first, second):
            ground.servers.kill_service(name, restart=False)
        time.sleep(1)  # an acknowledgement that was on its way
        before = len(ground.load.sent)
        time.sleep(_NOTHING_SECONDS)
        assert len(ground.load.sent) == before, "records were acknowledged with one copy of three"
        ground.servers.start_service(first)
        _return(ground, second)
    return f"SIGKILL to {first} and {second}; nothing was acknowledged for {_NOTHING_SECONDS:.0f} s; both started"


def _goes_on_without(ground: Ground, name: str) -> str:
    """Until all that was sent, while it was away too, is posted: what that was."""
    node = kafka_server.programs(3).index(name) + 1
    before = ground.load.sent_in_all()
    wait_until(
        lambda: all(leader not in (node, -1) for leader, _ in _partitions(ground)), "the choice of new leaders", 120
    )
    wait_until(ground.load.waiting, "the sending of what is to be sent while the broker is away", 240)
    ground.running.settle(seconds=180)
    assert all(node not in in_sync for _, in_sync in _partitions(ground)), f"{name} was not away"
    sent = ground.load.sent_in_all() - before
    assert sent, "nothing was sent while it was away"
    return f"{sent} records went through to the ledger without it"


def _return(ground: Ground, name: str) -> None:
    ground.servers.start_service(name)
    wait_until(lambda: all(len(in_sync) == 3 for _, in_sync in _partitions(ground)), "the return of all replicas", 240)


def _partitions(ground: Ground) -> list[tuple[int, list[int]]]:
    """Of each partition the node that leads (-1: none does) and those in sync; nothing while no broker says."""

    async def ask() -> list[tuple[int, list[int]]]:
        admin = AIOKafkaAdminClient(**ground.running.kafka.client(), request_timeout_ms=5000)
        try:
            await admin.start()
            described = await admin.describe_topics()
        finally:
            await admin.close()
        return [(part["leader"], part["isr"]) for topic in described for part in topic["partitions"]]

    while True:
        # A broker that has just gone is still among those that are asked.
        with suppress(KafkaError, OSError):
            return asyncio.run(ask())
        time.sleep(0.2)
