import json
from collections.abc import Sequence
from datetime import date

import pytest

from services.payments.cases import TIME, day, enterprise, made
from services.payments.domain.state import DAY, Held, state_key
from services.payments.handlers import PaymentsFold
from shared.contracts import registry, topics
from shared.contracts.envelope import Event
from shared.contracts.ledger_events import ExemptionData, RefundData
from shared.ids import exemption_id, ledger_event_id, payment_id
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Record, States

USCC = enterprise(1)
PENSION = "pension/2020-02"
fold = PaymentsFold()


def take(states: States[Held], record: Record) -> Sequence[Output]:
    fact = fold.decode(record)
    assert set(fold.keys(fact)) <= {DAY, state_key(USCC, "exemption", PENSION), state_key(USCC, "refund", "2019")}
    return fold.step(states, fact, record)


def event(output: Output) -> Event[ExemptionData] | Event[RefundData]:
    return registry.decoder(output.topic).validate_json(output.value)


def test_an_exemption_is_told_as_the_contract_says() -> None:
    (output,) = take(States({}), made(USCC, "exemption", PENSION, 4, 700, offset=9, prefecture="653100"))
    assert (output.topic, output.partition, output.key) == (topics.LEDGER_EXEMPTIONS, 3, USCC.encode())
    identity = exemption_id(USCC, PENSION)
    assert json.loads(output.value) == {
        "specversion": "1.0",
        "id": ledger_event_id(identity, "granted", 4),
        "source": "/relief/payments",
        "type": "relief.exemption.granted.v1",
        "subject": USCC,
        "time": "2020-02-20T09:30:00+08:00",
        "datacontenttype": "application/json",
        "data": {
            "origin": {"topic": topics.DECISIONS, "partition": 3, "offset": 9, "index": 0},
            "exemption_id": identity,
            "uscc": USCC,
            "prefecture": "653100",
            "insurance": "pension",
            "period": "2020-02",
            "amount_fen": 700,
            "delta_fen": 700,
            "revision": 4,
            "decision_id": json.loads(made(USCC, "exemption", PENSION, 4, 700).value or b"")["data"]["decision_id"],
            "booked_on": "2020-02-20",
        },
    }
    assert event(output).time == TIME


def test_steps_of_one_decision_are_counted_in_their_order() -> None:
    states: States[Held] = States({})
    take(states, made(USCC, "refund", "2019", 1, 100, offset=1, payee="Ali"))
    outputs = take(states, made(USCC, "refund", "2019", 2, 60, offset=2, payee="Ali"))
    events = [event(output) for output in outputs]
    assert [one.type for one in events] == ["relief.refund.cancelled.v1", "relief.refund.authorised.v1"]
    assert [one.data.origin.index for one in events] == [0, 1]
    first, second = payment_id(USCC, "refund", "2019", 1), payment_id(USCC, "refund", "2019", 2)
    assert [one.id for one in events] == [
        ledger_event_id(first, "cancelled", 2),
        ledger_event_id(second, "authorised", 2),
    ]
    assert b"payee" not in b"".join(output.value for output in outputs)


def test_a_trace_is_carried_on() -> None:
    record = made(USCC, "exemption", PENSION, 1, 700)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = json.loads(record.value or b"") | {"traceparent": trace}
    (output,) = take(States({}), Record(*_with(record, json.dumps(traced).encode())))
    assert event(output).traceparent == trace


def test_events_are_booked_on_the_last_day_started() -> None:
    states: States[Held] = States({})
    for record in (day(date(2020, 3, 2)), day(date(2020, 3, 1))):
        assert take(states, record) == ()
    (output,) = take(states, made(USCC, "exemption", PENSION, 1, 700))
    assert event(output).data.booked_on == date(2020, 3, 2)


def test_a_holdover_moves_no_money() -> None:
    record = made(USCC, "holdover", "app-1", 1, 0, outcome="granted")
    fact = fold.decode(record)
    assert fold.keys(fact) == ()
    assert fold.step(States({}), fact, record) == ()


@pytest.mark.parametrize("measure", ["exemption", "refund"])
def test_what_is_no_news_is_counted(measure: str) -> None:
    key = PENSION if measure == "exemption" else "2019"
    states: States[Held] = States({})
    take(states, made(USCC, measure, key, 2, 70))
    repeats = metrics.DUPLICATES.labels(topics.DECISIONS)
    older = metrics.SUPERSEDED.labels("relief.decision.made.v1")
    before = repeats._value.get(), older._value.get()
    states.changed.clear()
    assert take(states, made(USCC, measure, key, 2, 70)) == ()
    assert take(states, made(USCC, measure, key, 1, 90)) == ()
    assert (repeats._value.get(), older._value.get()) == (before[0] + 1, before[1] + 1)
    assert not states.changed


def test_a_log_that_contradicts_itself_stops() -> None:
    states: States[Held] = States({})
    take(states, made(USCC, "exemption", PENSION, 2, 70))
    with pytest.raises(Stop, match=r"offset 8 of relief\.decisions\.v1/3 contradicts"):
        take(states, made(USCC, "exemption", PENSION, 2, 71, offset=8))


def test_what_cannot_be_read_stops_and_shows_nothing_of_it() -> None:
    good = made(USCC, "refund", "2019", 1, 100, payee="Ali", offset=5)
    secret = (good.value or b"").replace(b'"amount_fen":100', b'"amount_fen":"6222020200112233445"')
    for value in (secret, b"", None, b"{}", b"\xff", (good.value or b"").replace(b"decision.made", b"decision.taken")):
        with pytest.raises(Stop, match=r"offset 5 of relief\.decisions\.v1/3 holds no decision") as raised:
            fold.decode(Record(*_with(good, value)))
        assert "6222020200112233445" not in f"{raised.value!r}{raised.value.__cause__}"


@pytest.mark.parametrize(
    "record",
    [
        made(USCC, "refund", "2019", 1, 100, outcome="denied"),
        made(USCC, "refund", "2019", 1, 100, outcome="pending"),
        made(USCC, "exemption", "pension/2020-2", 1, 100),
    ],
)
def test_a_decision_that_cannot_be_meant_stops(record: Record) -> None:
    with pytest.raises(Stop):
        fold.decode(record)


def test_another_key_than_the_enterprise_stops() -> None:
    record = made(USCC, "refund", "2019", 1, 100)
    with pytest.raises(Stop, match="another key"):
        fold.decode(Record(record.topic, record.partition, record.offset, enterprise(2).encode(), record.value))


def test_the_cause_is_the_decisions_origin() -> None:
    assert fold.cause(fold.decode(made(USCC, "refund", "2019", 1, 1, offset=7))) == Cause("relief.facts.v1/3", (7, 0))


def _with(record: Record, value: bytes | None) -> tuple[str, int, int, bytes | None, bytes | None]:
    return record.topic, record.partition, record.offset, record.key, value
