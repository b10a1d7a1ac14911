"""Money through crashes, lost state, stale owners, poison and rebalances, on real servers: to the fen as undisturbed.

What is undisturbed comes from an independent reading of the policy over the same upstream records, and the first test
shows that an undisturbed run gives just that. Each test has a region of its own, and every balance moves by what that
region implies.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition
from redis import Redis

from deploy.local.stack import Stack
from deploy.local.testing import eventually
from services.cli.log import Line, read
from shared.contracts.topics import DECISIONS, FACTS, REJECTED, TAX, topics
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import partition_of
from tests.integration.outcome import before, check, decided, net_fen, told
from tests.integration.region import Upstream, enterprises_of, expected, halves, simulate, slices
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ENTERPRISES = 80
SERVICES = ("intake", "eligibility", "payments", "ledger")
PARTITIONS = topics()[FACTS].partitions


def test_the_undisturbed_run_is_what_the_policy_implies(running: Running, tmp_path: Path) -> None:
    region = simulate(ENTERPRISES, 101, tmp_path)
    implied = expected(region)
    assert len(implied.net_fen) > 1000
    assert implied.rejected.total() > 0
    earlier = before(running)
    running.send(region)
    running.settle()
    check(running, enterprises_of(region), implied, earlier)


@pytest.mark.parametrize(
    ("point", "seed"),
    [
        pytest.param("after_publish", 102, id="between publish and commit"),
        pytest.param("after_commit", 103, id="between the state's commit and Kafka's"),
    ],
)
def test_eligibility_killed(running: Running, tmp_path: Path, point: str, seed: int) -> None:
    region = simulate(ENTERPRISES, seed, tmp_path)
    earlier = before(running)
    first, last = halves(region)
    running.send(first)
    running.settle()
    running.stack.stop_service("eligibility")
    told_before, places_before = told(running, DECISIONS).repeats, places(running)
    running.send(last)
    running.settle("intake")
    # Everything waits in the log, so that the batch in hand at its end has much to tell.
    with running.doomed("eligibility", f"{point}:4") as doomed:
        assert doomed.wait(60) == -signal.SIGKILL
    committed = {number: range(places_before[number], end) for number, end in places(running).items()}
    running.stack.start_service("eligibility")
    running.settle()
    check(running, enterprises_of(region), expected(region), earlier)
    # Batches of other partitions are in hand too, each at a point of its own.
    times = decisions_of(running, committed)
    assert set(times.values()) <= {1}, "what was committed was told again"
    if point == "after_commit":
        assert times, "it died elsewhere: nothing was committed"
    else:
        assert told(running, DECISIONS).repeats > told_before, "it died elsewhere: nothing was told twice"


def places(running: Running) -> dict[int, int]:
    """How many facts of each partition eligibility has done for good."""
    with Redis.from_url(running.environment["RELIEF_REDIS_URL"]) as redis:
        found = [redis.hget(f"relief:eligibility:{FACTS}:{number}", "@next") for number in range(PARTITIONS)]
    return {number: int(offset or 0) for number, offset in enumerate(found)}


def decisions_of(running: Running, facts: dict[int, range]) -> Counter[str]:
    """How often each decision on these facts, by partition and offset, was told."""

    async def collect() -> Counter[str]:
        times: Counter[str] = Counter()
        async for record in read(running.kafka, DECISIONS):
            event = json.loads(record.value or b"")
            origin = event["data"]["origin"]
            if "uscc" in event["data"] and origin["offset"] in facts[origin["partition"]]:
                times[event["id"]] += 1
        return times

    return asyncio.run(collect())


def test_redis_flushed_in_the_middle_and_again_at_rest(running: Running, tmp_path: Path) -> None:
    region = simulate(ENTERPRISES, 104, tmp_path)
    earlier = before(running)
    parts = slices(region, 3)
    running.send(parts[0])
    running.settle()
    done, repeated = running.ends(DECISIONS), told(running, DECISIONS).repeats
    running.send(parts[1])
    eventually(lambda: running.ends(DECISIONS) > done)
    running.flush_redis()
    running.send(parts[2])
    running.settle()
    check(running, enterprises_of(region), expected(region), earlier)
    assert told(running, DECISIONS).repeats > repeated, "nothing was lost"
    # Nothing comes in that would show it: the loss is found all the same.
    running.flush_redis()
    running.settle()
    check(running, enterprises_of(region), expected(region), earlier)


def test_a_paused_and_resumed_stale_owner(running: Running, tmp_path: Path) -> None:
    region = simulate(ENTERPRISES, 105, tmp_path)
    earlier = before(running)
    parts = slices(region, 4)
    running.send(parts[0])
    running.settle()
    running.stack.stop_service("eligibility")
    running.send(parts[1])
    running.settle("intake")
    # It has loaded its state and stepped, and freezes before it publishes: what it says when it wakes is old.
    with running.doomed("eligibility", "before_publish:4:SIGSTOP") as frozen:
        eventually(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED, 60)
        running.stack.start_service("eligibility", 1)
        running.send(parts[2])
        running.settle()
        taken_over = running.ends(DECISIONS)
        os.kill(frozen.pid, signal.SIGCONT)
        eventually(lambda: running.ends(DECISIONS) > taken_over)
        running.send(parts[3])
        running.settle()
        check(running, enterprises_of(region), expected(region), earlier)
        assert running.metric("relief_fences_total", "eligibility", topic=FACTS) > 0
    running.stack.start_service("eligibility")
    running.stack.stop_service("eligibility", 1)


def test_a_poison_record_in_the_middle_of_a_batch_is_rejected_once(running: Running, tmp_path: Path) -> None:
    region = simulate(ENTERPRISES, 106, tmp_path)
    implied = expected(region)
    earlier = before(running)
    poisoned: list[Upstream] = []
    for position, one in enumerate(region):
        if one.topic == TAX and position % 200 == 100:
            # In its neighbours' partition, and sent with them in one go.
            poisoned.append(Upstream(TAX, Line(one.record.key, b'{"specversion":"1.0","id":'), b""))
            implied.rejected["NOT_JSON"] += 1
        poisoned.append(one)
    assert implied.rejected["NOT_JSON"] > 5
    running.send(poisoned)
    running.settle()
    check(running, enterprises_of(region), implied, earlier)
    assert told(running, REJECTED).repeats == earlier.rejected_again, "a rejected record was told twice"


def test_a_fact_that_cannot_be_read_stops_its_partition_loudly_and_no_other(running: Running, tmp_path: Path) -> None:
    running.spoilt = True  # it stays in the log
    region = simulate(ENTERPRISES, 107, tmp_path)
    first, last = halves(region)
    everybody = enterprises_of(region)
    number = partition_of(min(everybody).encode(), topics()[FACTS].partitions)
    stopped = {uscc for uscc in everybody if partition_of(uscc.encode(), topics()[FACTS].partitions) == number}
    poisoned = TopicPartition(FACTS, number)
    running.send(first)
    running.settle()
    asyncio.run(_put(running.kafka, poisoned, b"no fact"))
    eventually(lambda: "stopped" in running.wrong("eligibility").get("relief-eligibility", ""))
    sentence = running.wrong("eligibility")["relief-eligibility"]
    assert f"{FACTS}/{number}" in sentence, sentence
    assert running.metric("relief_stopped_partitions", "eligibility", topic=FACTS) == 1
    running.send(last)
    running.settle(but=frozenset({poisoned}))
    others = everybody - stopped
    all_of_others = expected(one for one in region if one.record.key is None or one.record.key.decode() in others)
    assert decided(running, others) == all_of_others.standing
    assert net_fen(running, others) == all_of_others.net_fen
    # Of the stopped partition, all before the record counts and nothing after it.
    before_it = expected(one for one in first if one.record.key is None or one.record.key.decode() in stopped)
    assert decided(running, stopped) == before_it.standing
    assert net_fen(running, stopped) == before_it.net_fen
    assert before_it.standing != expected(one for one in region if one.record.key in _keys(stopped)).standing
    # Starting anew is no way around it.
    running.stack.stop_service("eligibility")
    with running.doomed("eligibility", "before_publish:1000000"):
        eventually(lambda: _answers(running) and "stopped" in str(running.wrong("eligibility")), 60)
        assert decided(running, stopped) == before_it.standing


def test_a_rebalance_under_load(running: Running, tmp_path: Path) -> None:
    region = simulate(3 * ENTERPRISES, 108, tmp_path)
    earlier = before(running)
    waiting = slices(region, 150)

    def feed_until(holds: Callable[[], bool]) -> None:
        while not holds():
            assert waiting, "the stream ended before it was disturbed"
            running.send(waiting.pop(0))
            time.sleep(0.1)

    stack = running.stack
    both = Stack(stack.state, replicas=dict.fromkeys(SERVICES, 2), prefer_defaults=False, environ=stack.environ)
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        started = pool.submit(both.up)
        feed_until(started.done)
        started.result()
        taken = "relief_records_consumed_total"
        feed_until(lambda: all(running.metric(taken, service, 1) > 0 for service in SERVICES))
        ended: list[Future[None]] = [
            pool.submit(stack.kill_service, "eligibility", 1, signal.SIGKILL, restart=False),
            pool.submit(stack.kill_service, "payments", 1, signal.SIGKILL, restart=False),
            pool.submit(stack.stop_service, "intake", 1),
            pool.submit(stack.stop_service, "ledger", 1),
        ]
        feed_until(lambda: all(one.done() for one in ended))
        for one in ended:
            one.result()
    for part in waiting:
        running.send(part)
    running.settle()
    check(running, enterprises_of(region), expected(region), earlier)


def _keys(enterprises: set[str]) -> set[bytes]:
    return {uscc.encode() for uscc in enterprises}


def _answers(running: Running) -> bool:
    try:
        running.wrong("eligibility")
    except httpx.TransportError:
        return False
    return True


async def _put(kafka: KafkaAccess, where: TopicPartition, value: bytes) -> None:
    producer = AIOKafkaProducer(**kafka.client())
    await producer.start()
    try:
        await producer.send_and_wait(where.topic, value, key=b"x", partition=where.partition)
    finally:
        await producer.stop()
