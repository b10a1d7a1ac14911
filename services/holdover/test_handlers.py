import json
from datetime import date

from services.holdover.cases import FACTS, POWER, TIME, USCC, Logs, events, kinds, take
from services.holdover.domain.enterprise import Held
from services.holdover.domain.identity import event_id, holdover_id, order_id
from services.holdover.orders import FIELDS, canonical, order_in
from shared.contracts import topics
from shared.contracts.orders import ORDER_EVENTS
from shared.contracts.registry import type_of
from shared.contracts.topics import ORDERS
from shared.streaming.records import Cause, Record, States

HOLDOVER = holdover_id(USCC, POWER)


def opened() -> tuple[Logs, States[Held], list[Record]]:
    logs, states = Logs(), States[Held]({})
    records = [*logs.day(date(2020, 2, 21)), logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")]
    return logs, states, records


def test_an_order_is_told_as_the_contract_says() -> None:
    _, states, records = opened()
    order = json.loads(take(states, records)[1].value)
    identity = order_id(HOLDOVER, 1)
    signature = order["data"].pop("signature")
    assert order == {
        "specversion": "1.0",
        "id": event_id(HOLDOVER, "supply_protected", 2),
        "source": "/relief/holdover",
        "type": "relief.holdover.supply_protected.v1",
        "subject": USCC,
        "time": TIME.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "origin": {"topic": topics.DECISIONS, "partition": 3, "offset": 1, "index": 1},
            "holdover_id": HOLDOVER,
            "uscc": USCC,
            "utility": "electricity",
            "supplier_id": "grid-6501",
            "account_no": "0001",
            "on": "2020-02-21",
            "order_id": identity,
            "from_on": "2020-02-21",
            "until_on": "2021-01-15",
        },
    }
    assert signature.count(".") == 2
    assert json.loads(canonical(order["data"])) == {name: order["data"][name] for name in FIELDS}


def test_the_event_itself_is_an_order_to_verify() -> None:
    _, states, records = opened()
    told = take(states, records)
    order, signature = order_in(json.loads(told[1].value))
    assert order["order_id"] == order_id(HOLDOVER, 1)
    assert signature


def test_events_stay_in_the_enterprises_partition_under_its_key() -> None:
    logs, states = Logs(7), States[Held]({})
    told = take(states, [logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    assert {(one.topic, one.partition, one.key) for one in told} == {(ORDERS, 7, USCC.encode())}


def test_a_trace_is_carried_on_and_a_repeat_is_the_same_bytes() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, states, records = opened()
    last = records[-1]
    traced = json.dumps(json.loads(last.value or b"") | {"traceparent": trace}).encode()
    records[-1] = Record(last.topic, 3, last.offset, last.key, traced)
    told = take(states, records)
    assert {one.traceparent for one in events(told)} == {trace}
    assert take(States({}), records) == told


def test_what_a_day_causes_names_the_day_and_a_count_of_its_own() -> None:
    logs, states, records = opened()
    take(states, [*records, *logs.day(date(2020, 9, 20))])
    told = take(states, [logs.paid("p1", "b1", 5, date(2020, 9, 20))])
    found = [
        (one.type[16:-3], one.data.origin.topic, one.data.origin.offset, one.data.origin.index) for one in events(told)
    ]
    assert found == [
        ("instalment_due", "holdover.days", 1, 0),
        ("instalment_overdue", "holdover.days", 2, 0),
        ("protection_ended", "holdover.days", 3, 0),
        ("defaulted", "holdover.days", 3, 1),
        ("instalment_paid", topics.FACTS, 4, 0),
    ]
    assert events(told)[0].time.isoformat() == "2020-07-24T00:00:00+08:00"
    assert events(told)[0].data.on == date(2020, 7, 24)


def test_before_any_day_things_are_told_on_their_records_own_day() -> None:
    logs = Logs()
    told = take(States({}), [logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    assert {one.data.on for one in events(told)} == {date(2020, 2, 20)}


def test_the_cause_is_the_records_origin() -> None:
    logs = Logs()
    logs.applied("a1")
    assert FACTS.cause(FACTS.decode(logs.bill("b1", 5))) == Cause("upstream.utility.v1/0", (1, 0))


def test_days_are_told_twice_and_never_go_back() -> None:
    logs, states = Logs(), States[Held]({})
    take(states, [*logs.day(date(2020, 3, 1)), *logs.day(date(2020, 2, 1)), *logs.day(date(2020, 3, 1))])
    take(states, [logs.applied("a1"), logs.bill("b1", 5)])
    told = take(states, [logs.decided("a1")])
    assert {one.data.on for one in events(told)} == {date(2020, 3, 1)}


def test_every_type_of_the_topic_is_told_somewhere_here() -> None:
    logs, states, records = opened()
    told = take(states, [*records, logs.asked("r1"), *logs.day(date(2020, 8, 1)), logs.bill("b2", 60)])
    told += take(states, [logs.paid("p1", "b1", 660, date(2020, 8, 1)), logs.asked("r2")])
    other, again = Logs(), States[Held]({})
    take(again, [other.applied("a1"), other.bill("b1", 5), other.decided("a1"), *other.day(date(2021, 1, 1))])
    told += take(again, [other.bill("b2", 5), other.withdrawn("a1", date(2020, 2, 20))])
    third = Logs()
    told += take(States({}), [third.applied("a1"), third.bill("b1", 5), third.decided("a1"),
                              third.withdrawn("a1", date(2020, 2, 20))])  # fmt: skip
    assert {f"relief.holdover.{kind}.v1" for kind in kinds(told)} == {type_of(model) for model in ORDER_EVENTS}
