"""What readiness and the process hear of a consumer that is not well."""

import time

import pytest
from faststream.kafka import KafkaBroker

from shared.streaming import edge as module
from shared.streaming.edge import Edge, Listener
from shared.streaming.errors import Retry, Stop
from shared.streaming.fakes import IN, Adding, Log, Process, RecordingPublisher, memory_store
from shared.streaming.runner import Runner


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def edge(told: list[str]) -> Edge:
    runner = Runner("adder", Adding(), memory_store(), RecordingPublisher())
    edge = Edge(KafkaBroker("127.0.0.1:1", logger=None), runner, [IN.topic], "adder", "adder-1")
    edge.on_fatal = told.append
    return edge


async def test_a_listener_that_fails_ends_the_process_since_aiokafka_swallows_it(edge: Edge, told: list[str]) -> None:
    listener = Listener(edge)
    await listener.on_partitions_assigned({IN})
    assert len(told) == 1
    assert "taking partitions over failed" in told[0]
    await listener.on_partitions_revoked({IN})
    assert len(told) == 1, "once is enough"
    assert "has to start anew" in (edge.problem() or "")


async def test_a_poll_that_only_fails_ends_the_process(
    edge: Edge, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    edge._poller.trouble, edge._poller.trouble_since = "the coordinator is gone", time.monotonic()
    async with edge.running():
        edge._poller.trouble_since -= module.STALLED_SECONDS + 1
        assert edge._house is not None
        await edge._house
    assert told == ["the coordinator is gone"]


async def test_a_consumer_that_is_refused_ends_the_process_at_once(
    edge: Edge, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    edge._poller.refused = "no right"
    async with edge.running():
        assert edge._house is not None
        await edge._house
    assert told == ["no right"]


async def test_a_broker_that_answers_nothing_is_asked_whether_it_still_lets_us_in(
    edge: Edge, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that was changed breaks no connection; the next one is refused, and aiokafka only tries again."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.0)
    answers: list[Exception] = [Retry("it is away"), Stop("Kafka does not let adder in.")]

    async def admitted() -> None:
        raise answers.pop(0)

    async def silent() -> bool:
        return False

    edge._still_admitted = admitted
    edge.runner.bind(Process(Log(), memory_store()).consumer)
    monkeypatch.setattr(edge.runner, "measure_lag", silent)
    async with edge.running():
        assert edge._house is not None
        await edge._house
    assert told == ["Kafka does not let adder in."]
    assert answers == []


async def test_a_loop_that_ended_or_hangs_is_told(edge: Edge) -> None:
    async with edge.running():
        assert "consumer loop of adder has ended" in (edge.problem() or "")
        edge._subscriber.tasks.append(edge._house)  # type: ignore[arg-type]  # any task that runs
        assert edge.problem() == "the consumer has not started"
        edge._turned -= module.STALLED_SECONDS + 1
        assert "has not turned for 61 seconds" in (edge.problem() or "")
        edge._turn()
        edge._poller.trouble = "the consumer cannot read"
        assert edge.problem() == "the consumer cannot read"
        edge._subscriber.tasks.clear()


async def test_being_behind_for_long_is_told(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    edge.runner.bind(Process(Log(), memory_store()).consumer)
    edge.runner.lag.done(IN, 0)
    edge.runner.lag.ends(IN, 5)
    assert edge.problem() is None
    monkeypatch.setattr(module, "LAGGING_SECONDS", -1.0)
    assert "seconds behind in numbers/0" in (edge.problem() or "")


async def test_the_subscriber_lets_nobody_else_choose_a_place_or_commit(edge: Edge) -> None:
    arguments = edge._subscriber._connection_args
    assert arguments["enable_auto_commit"] is False
    assert arguments["auto_offset_reset"] == "none"
    assert arguments["group_instance_id"] == "adder-1"
    assert arguments["rebalance_timeout_ms"] > module.DRAIN_SECONDS * 1000
    assert edge._subscriber.topics_to_create == []
