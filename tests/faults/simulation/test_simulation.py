"""Histories of fixed seeds come out as a straight run; with one rule left out, some do not."""

import os
import subprocess
import sys

import pytest

from shared.streaming.records import Record
from tests.faults.simulation import broken
from tests.faults.simulation.__main__ import report
from tests.faults.simulation.plan import MET, SUDDEN, draw
from tests.faults.simulation.running import Parts, quiet, run, shrink
from tests.faults.simulation.works import WORKS, straight

HISTORIES, CAUGHT_WITHIN = 200, 120


def test_every_history_comes_out_as_a_straight_run() -> None:
    with quiet():
        for seed in range(HISTORIES):
            plan = draw(seed)
            outcome = run(plan)
            assert outcome.wrong is None, report(plan, outcome)


def test_the_plans_hold_every_fault_in_both_kinds() -> None:
    drawn = {(plan.kind, fault.kind) for plan in map(draw, range(HISTORIES)) for fault in plan.faults}
    assert drawn == {("log-fed", name) for name in SUDDEN + MET} | {
        ("database", name) for name in SUDDEN + MET if name != "lose"
    }


def test_the_plans_hold_every_service_and_each_tells_something() -> None:
    plans = list(map(draw, range(HISTORIES)))
    assert {plan.work for plan in plans} == set(WORKS)
    telling = set()
    for plan in plans:
        work = WORKS[plan.work]
        records = [Record(work.topic, 0, n, *one.sent) for n, one in enumerate(plan.arrivals) if one.partition == 0]
        if straight(work.fold(), records):
            telling.add(plan.work)
    assert telling == set(WORKS) - {"ledger"}  # it posts, and tells nobody


def test_logs_are_trimmed_of_what_was_done() -> None:
    plans = [plan for plan in map(draw, range(HISTORIES)) if any(fault.kind == "trim" for fault in plan.faults)]
    with quiet():
        assert any(run(plan).trimmed for plan in plans)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(Parts(server=broken.NoFence), id="no fence"),
        pytest.param(Parts(publisher=broken.NoWaiting), id="the next batch before the last is acknowledged"),
        pytest.param(Parts(publisher=broken.NoCommitWait), id="commit without acknowledgement"),
        pytest.param(Parts(runner=broken.FromKafka), id="begin at Kafka's offset"),
        pytest.param(Parts(runner=broken.NoNumbers), id="chunks of any number"),
    ],
)
def test_a_rule_left_out_is_noticed_and_shrinks(parts: Parts) -> None:
    with quiet():
        for seed in range(CAUGHT_WITHIN):
            plan = draw(seed)
            if run(plan, parts).wrong is None:
                continue
            least = shrink(plan, lambda fewer: run(fewer, parts).wrong is not None)
            assert run(least, parts).wrong is not None
            assert len(least.faults) <= len(plan.faults)
            for place in range(len(least.faults)):
                fewer = least.with_faults(least.faults[:place] + least.faults[place + 1 :])
                assert run(fewer, parts).wrong is None, "it needs every fault that is left"
            return
    pytest.fail(f"{CAUGHT_WITHIN} histories and nobody noticed")


def test_a_seed_is_the_same_history_in_every_process() -> None:
    """Whatever order the interpreter gives its sets."""
    code = (
        "from tests.faults.simulation.plan import draw\n"
        "from tests.faults.simulation.running import quiet, run\n"
        "with quiet(): print(hash(()) and [run(draw(seed)).notes for seed in range(5)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
