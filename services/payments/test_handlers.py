import json
from collections.abc import Sequence
from datetime import date

import pytest

from services.payments.cases import TIME, day, enterprise, made
from services.payments.domain.decision import Decision
from services.payments.domain.refund import Key, Payment, Refund, entitle
from services.payments.domain.state import DAY, Held, parts_of, state_key
from services.payments.handlers import PaymentsFold, told
from services.payments.wire import Occasion
from shared.contracts import registry, topics
from shared.contracts.envelope import Event
from shared.contracts.ledger_events import ExemptionData, RefundData
from shared.ids import clawback_id, decision_id, derived, exemption_id, ledger_event_id, payment_id
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Cause, Output, Record, States

USCC = enterprise(1)
PENSION = "pension/2020-02"
WAIVED, DUE = Key(USCC, "exemption", PENSION), Key(USCC, "refund", "2019")
fold = PaymentsFold()


def take(states: States[Held], record: Record) -> Sequence[Output]:
    fact = fold.decode(record)
    assert set(fold.keys(fact)) <= {DAY, state_key(WAIVED), state_key(DUE)}
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


def paid(amount_fen: int) -> States[Held]:
    """One payment of it, settled."""
    batch = "c" * 32
    payment = Payment(
        1, payment_id(*DUE, 1), amount_fen, "settled", "650100", "d" * 32, derived("Ali"), batch, None, TIME.date()
    )
    refund = Refund(1, amount_fen, 1, (payment,), "650100", "sealed", derived("Ali"))
    return States({state_key(DUE): refund})


def test_a_clawback_is_told_as_the_contract_says() -> None:
    """Booked where the payment was, whatever place the decision names."""
    record = made(USCC, "refund", "2019", 5, 60, offset=9, prefecture="653100", payee="Ali")
    (output,) = take(paid(100), record)
    assert (output.topic, output.partition, output.key) == (topics.LEDGER_REFUNDS, 3, USCC.encode())
    first = payment_id(*DUE, 1)
    claim = clawback_id(first, 1)
    told_event = json.loads(output.value)
    assert (told_event["id"], told_event["type"]) == (
        ledger_event_id(claim, "clawback_raised", 5),
        "relief.refund.clawback_raised.v1",
    )
    assert told_event["data"] == {
        "origin": {"topic": topics.DECISIONS, "partition": 3, "offset": 9, "index": 0},
        "payment_id": first,
        "uscc": USCC,
        "prefecture": "650100",
        "programme": "job_stabilisation",
        "key": "2019",
        "amount_fen": 40,
        "decision_id": decision_id(*DUE, 5),
        "batch_id": "c" * 32,
        "clawback_id": claim,
        "reason": None,
        "booked_on": "2020-02-20",
    }
    assert event(output).time == TIME


def test_steps_are_told_where_the_enterprise_is_whatever_caused_them() -> None:
    """An officer's action or a bank's word has a partition of its own; an enterprise's events stay in its own."""
    decision = fold.decode(made(USCC, "refund", "2019", 1, 100)).fact
    assert isinstance(decision, Decision)
    changes = entitle(None, decision)[2]
    occasion = Occasion(TIME, None, date(2020, 3, 2), "payments.actions", 0, 17, told_in=8)
    before = money("relief.refund.authorised.v1", "job_stabilisation")
    (output,) = told(changes, DUE, occasion, first_index=4)
    assert (output.partition, output.key) == (8, USCC.encode())
    assert event(output).data.origin.model_dump() == {
        "topic": "payments.actions",
        "partition": 0,
        "offset": 17,
        "index": 4,
    }
    assert money("relief.refund.authorised.v1", "job_stabilisation") == before + 100


def test_a_change_of_the_account_alone_is_kept_and_tells_nobody() -> None:
    states: States[Held] = States({})
    take(states, made(USCC, "refund", "2019", 1, 100, payee="Ali"))
    assert not take(states, made(USCC, "refund", "2019", 2, 100, payee="Bek"))
    refund = states.get(state_key(DUE))
    assert isinstance(refund, Refund)
    assert (refund.revision, refund.payee_digest) == (2, derived("Bek"))
    assert refund.payments[0].payee_digest == derived("Bek")


@pytest.mark.parametrize("key", [WAIVED, DUE, Key(USCC, "contribution_return", "pension/2020-02"), Key(USCC, "r", "/")])
def test_a_state_is_kept_under_a_name_that_says_what_it_is_of(key: Key) -> None:
    assert parts_of(state_key(key)) == key


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


def money(event_type: str, category: str) -> float:
    return float(metrics.MONEY_FEN.labels(event_type, category)._value.get())


def _with(record: Record, value: bytes | None) -> tuple[str, int, int, bytes | None, bytes | None]:
    return record.topic, record.partition, record.offset, record.key, value
