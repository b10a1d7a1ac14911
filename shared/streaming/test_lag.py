"""How far behind, and since when."""

from shared.observability import metrics
from shared.streaming.fakes import IN, Log, Process, memory_store
from shared.streaming.lag import SIGHTINGS_AT_MOST, Lag


def shown() -> tuple[float, float]:
    labels = (IN.topic, str(IN.partition))
    return metrics.LAG_RECORDS.labels(*labels)._value.get(), metrics.LAG_SECONDS.labels(*labels)._value.get()


def test_age_counts_from_when_the_oldest_record_left_was_first_seen() -> None:
    now = 100.0
    lag = Lag(lambda: now)
    lag.done(IN, 0)
    lag.ends(IN, 10)
    now = 105.0
    lag.ends(IN, 20)
    assert lag.worst() == (5.0, IN)
    assert shown() == (20, 5.0)
    lag.done(IN, 10)
    assert lag.worst() == (0.0, IN)
    now = 107.0
    lag.ends(IN, 20)
    assert lag.worst() == (2.0, IN)
    assert shown() == (10, 2.0)
    lag.done(IN, 20)
    assert shown() == (0, 0.0)
    now = 200.0
    lag.ends(IN, 20)
    assert lag.worst() == (0.0, IN)


def test_what_is_kept_is_bounded_and_the_oldest_stays() -> None:
    now = 0.0
    lag = Lag(lambda: now)
    lag.done(IN, 0)
    for second in range(3 * SIGHTINGS_AT_MOST):
        now = float(second)
        lag.ends(IN, second + 1)
    assert lag.worst()[0] == now
    assert len(lag._sightings[IN]) <= SIGHTINGS_AT_MOST


async def test_lag_is_measured_while_idle_and_while_stopped() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    process = await Process(log, store).take(IN)
    await process.turn()
    assert shown()[0] == 0
    process.consumer.paused.add(IN)
    log.add(2, 3)
    await process.runner.measure_lag()
    assert shown()[0] == 2
    process.consumer.paused.discard(IN)
    log.append(IN, "a", b"no JSON at all")
    await process.turn(9)
    log.add(4, 5)
    assert process.runner.stopped
    await process.runner.measure_lag()
    assert shown()[0] == 5
    await process.lose(IN)
    assert (IN.topic, str(IN.partition)) not in metrics.LAG_RECORDS._metrics
