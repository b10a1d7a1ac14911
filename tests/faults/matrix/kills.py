"""Faults of the services' own processes: killed at named points, frozen past their time, joined, left, restarted."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import psutil

from tests.faults.matrix import elsewhen
from tests.faults.matrix.ground import SERVICES, Ground
from tests.faults.matrix.load import wait_until

# A static member is out after the session timeout of 10 seconds.
SESSION_SECONDS = 10.0
_REDIS_POINTS = ("before_publish", "after_publish", "before_commit", "after_commit", "before_kafka_commit")
_RELAY_POINTS = ("relay_before_publish", "relay_after_publish")
_CLERK_POINTS = tuple(
    f"{what}_{when}"
    for what in ("batches", "submission", "file", "answer")
    for when in (("before_write", "after_write") if what == "file" else ("before_commit", "after_commit"))
)
POINTS = {
    "intake": _REDIS_POINTS,
    "eligibility": _REDIS_POINTS,
    "payments": ("before_commit", "after_commit", "before_kafka_commit", *_RELAY_POINTS, *_CLERK_POINTS),
    "holdover": ("before_commit", "after_commit", "before_kafka_commit", *_RELAY_POINTS),
    "ledger": ("before_commit", "after_commit", "before_kafka_commit"),
}
# The first times are with few records, or none.
_NTH = {"before_kafka_commit": 2, "relay_before_publish": 2, "relay_after_publish": 2} | dict.fromkeys(_CLERK_POINTS, 1)
# By then each partition has published: before, the client would wait for the topic's metadata, whatever we wait for.
_UNDER_WAY = 30
_FREEZING = {"eligibility": "before_publish", "payments": "before_commit"}


def killed_at(service: str, point: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        nth = _NTH.get(point, 4)
        # One clerk works at a time: only with the others away is it surely this one. They take over from it.
        others = range(1, ground.replicas) if point in _CLERK_POINTS else ()
        with ground.load.flowing():
            for replica in others:
                ground.stack.stop_service(service, replica)
            with ground.running.doomed(service, f"{point}:{nth}") as doomed:
                assert doomed.wait(60) == -signal.SIGKILL, f"{service} ended, but not at {point}"
                ground.load.was_hurt()
            for replica in (*others, 0):
                ground.stack.start_service(service, replica)
        return f"{service} killed by SIGKILL at {point}, time {nth}"

    return inject


def publishing_into_nothing(ground: Ground) -> str:
    """What is handed over to a broker that is gone is not published, whatever the client library takes from us."""
    with ground.load.flowing():
        # At its first batches, which are of all that came while it was away: later ones may have nothing to tell.
        with ground.running.doomed("eligibility", "before_publish:1:SIGSTOP") as doomed:
            wait_until(lambda: psutil.Process(doomed.pid).status() == psutil.STATUS_STOPPED, "the freezing")
            ground.servers.kill_service("kafka", restart=False)
            os.kill(doomed.pid, signal.SIGCONT)
            time.sleep(3)  # it publishes, and waits for an answer
        ground.restart_server("kafka")
        ground.load.was_hurt()
        ground.stack.start_service("eligibility")
    return "SIGKILL to Kafka with eligibility about to publish, 3 s, SIGKILL to eligibility, both started"


def killed_anywhere(ground: Ground) -> str:
    """Whatever they are doing, one after the other, and again."""
    with ground.load.flowing():
        for _ in range(2):
            for name, replica in ground.everyone():
                ground.stack.kill_service(name, replica, restart=False)
                ground.load.was_hurt()
                ground.stack.start_service(name, replica)
    return f"SIGKILL to each of {len(ground.everyone())} processes in turn, twice"


def frozen(service: str) -> Callable[[Ground], str]:
    """It freezes with a batch in hand; another owner goes on; it wakes and still thinks that it owns."""

    def inject(ground: Ground) -> str:
        point = _FREEZING[service]
        successor = 1
        with ground.load.flowing():
            with ground.running.doomed(service, f"{point}:4:SIGSTOP") as doomed:
                wait_until(lambda: psutil.Process(doomed.pid).status() == psutil.STATUS_STOPPED, "the freezing")
                ground.stack.start_service(service, successor)
                time.sleep(SESSION_SECONDS + 5)  # only time passes a session timeout
                os.kill(doomed.pid, signal.SIGCONT)
                wait_until(lambda: psutil.Process(doomed.pid).status() != psutil.STATUS_STOPPED, "the waking")
                ground.load.was_hurt()
                time.sleep(3)  # what it had in hand goes out now, or is refused
            ground.stack.start_service(service)
        if ground.replicas == 1:
            ground.stack.stop_service(service, successor)
        return (
            f"SIGSTOP to {service} with a batch in hand, {SESSION_SECONDS + 5:.0f} s, SIGCONT, with a successor at work"
        )

    return inject


def rebalanced(ground: Ground) -> str:
    """A further replica of each joins and leaves, cleanly and not."""
    extra, rounds = ground.spare(), 3
    with ground.load.flowing():
        for turn in range(rounds):
            for name in ("eligibility", "payments"):
                ground.stack.start_service(name, extra)
            for name in ("eligibility", "payments"):
                if turn % 2:
                    ground.stack.kill_service(name, extra, restart=False)
                else:
                    ground.stack.stop_service(name, extra)
    return f"one more replica of eligibility and payments joined and left {rounds} times"


def restarted_in_turn(ground: Ground) -> str:
    with ground.load.flowing():
        for name in SERVICES:
            for replica in range(ground.replicas):
                ground.stack.stop_service(name, replica)
                ground.stack.start_service(name, replica)
    return f"each of {len(ground.everyone())} processes stopped and started, one after the other"


def clocks_jumped(ground: Ground) -> str:
    """On the host of the first replica of each: 40 days ahead, 80 back, and then an hour off."""
    with ExitStack() as stack, ground.load.flowing():
        for name in SERVICES:
            arguments = ["-m", "tests.faults.matrix.elsewhen", name]
            stack.enter_context(ground.running.instead(name, arguments, RELIEF_CLOCK="auto"))
        wait_until(lambda: _sees_the_clock(ground), "the day clock's seeing something in it")
        time.sleep(elsewhen.LAST_SECONDS + 1)  # only time makes them jump
        ground.load.was_hurt()
    for name in SERVICES:
        ground.stack.start_service(name)
    return f"the clock of the first replica of {', '.join(SERVICES)} 40 days ahead, 40 days behind, an hour ahead"


def _sees_the_clock(ground: Ground) -> bool:
    try:
        return "clock" in ground.running.wrong("intake")
    except httpx.HTTPError:
        return False  # it is not up yet
