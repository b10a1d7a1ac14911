"""What is shown of an enterprise is what a request would be answered and what is told, whatever happened before."""

from datetime import date

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.holdover import picture
from services.holdover.answers import EnterpriseHoldovers, HoldoverShown
from services.holdover.cases import POWER, USCC, Logs, events, public_keys, signer, take
from services.holdover.domain.enterprise import PARTITION, Days, Enterprise, Held
from services.holdover.domain.schedule import Instalment, Status
from services.holdover.life_cases import Life
from services.holdover.orders import FIELDS, Verifier
from services.holdover.store.packed import pack, unpack
from services.holdover.store.reading import AnswerGiven, Known
from services.holdover.test_any_order import ACCOUNTS, histories, orders
from shared.streaming.records import States


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    path = tmp_path_factory.mktemp("keys") / "public"
    path.write_text(public_keys())
    return Verifier(path)


def stored(states: States[Held]) -> Known | None:
    """As the tables would have it."""
    known, days = states.get(USCC), states.get(PARTITION)
    if not isinstance(known, Enterprise) or not isinstance(days, Days):
        return None
    return Known(unpack(USCC, pack(known)), 3, days)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_shown_is_what_a_request_is_answered(verifier: Verifier, data: st.DataObject) -> None:
    """Anywhere in any history, also where a day has started whose work is not done yet."""
    history = data.draw(histories())
    order = data.draw(orders(history.logs))
    states: States[Held] = States({})
    take(states, order[: data.draw(st.integers(1, len(order)))])
    for account in ACCOUNTS:
        known = stored(states)
        if known is None or not any(one.account == account for one in known.enterprise.told.values()):
            continue
        shown = picture.protection(known, account, signer())
        again = stored(states)
        assert again is not None
        probe: States[Held] = States({USCC: again.enterprise, PARTITION: again.days})
        told = events(take(probe, [Logs().asked("probe", account)]))
        answer = told[-1]
        event(f"{shown.state}, {'as stored' if len(told) == 1 else 'with work to do'}")
        assert answer.type == f"relief.holdover.disconnection_{'allowed' if shown.may_disconnect else 'refused'}.v1"
        assert (answer.data.reason, answer.data.order_id) == (shown.reason, shown.order and shown.order.order_id)
        assert shown.protected == (shown.order is not None)
        assert not (shown.may_disconnect and (shown.protected or shown.undecided))
        if shown.order is not None:
            sent = shown.order.model_dump(mode="json")
            verifier.check({name: sent[name] for name in FIELDS}, sent["signature"])
            for one in told:
                if one.type == "relief.holdover.supply_protected.v1" and one.data.order_id == shown.order.order_id:
                    assert one.data.signature == shown.order.signature


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_schedule_adds_up(data: st.DataObject) -> None:
    history = data.draw(histories())
    states: States[Held] = States({})
    take(states, data.draw(orders(history.logs)))
    known = stored(states)
    if known is None:
        return
    seen = picture.holdovers(known, [], signer())
    assert sorted(bill.bill_id for one in seen.accounts for bill in one.bills) == sorted(known.enterprise.facts.bills)
    for one in seen.accounts:
        _adds_up(one)
    paid = sum(bill.paid_fen for one in seen.accounts for bill in one.bills)
    waiting = sum(one.amount_fen for one in seen.waiting_payments)
    assert paid + waiting == sum(one.amount_fen for one in known.enterprise.facts.payments.values())


def _adds_up(one: HoldoverShown) -> None:
    deferred = [bill for bill in one.bills if bill.left_out is None]
    assert sum(bill.amount_fen for bill in deferred) == one.deferred_fen
    assert sum(bill.paid_fen for bill in deferred) == one.paid_fen
    assert one.open_fen - one.surplus_fen == one.deferred_fen - one.paid_fen
    if one.instalments:
        assert sum(part.open_fen for part in one.instalments) == one.open_fen
    for part in one.instalments:
        assert part.open_fen == part.amount_fen - part.paid_fen
        assert (part.status == "paid") == (part.open_fen == 0)
    assert all((bill.left_out is None) == (bill.why is None) for bill in one.bills)


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (date(2020, 7, 23), "planned"),
        (date(2020, 7, 24), "due"),
        (date(2020, 7, 31), "due"),
        (date(2020, 8, 1), "overdue"),
    ],
)
def test_an_instalment_by_the_day(day: date, status: Status) -> None:
    assert Instalment(date(2020, 7, 24), date(2020, 7, 31), 100, 99).status(day) == status
    assert Instalment(date(2020, 7, 24), date(2020, 7, 31), 100, 100).status(day) == "paid"
    assert Instalment(date(2020, 7, 24), date(2020, 7, 31), 0, 0).status(day) == "paid"


def test_looking_changes_and_tells_nothing(repaying: Life) -> None:
    known = stored(repaying.states)
    assert known is not None
    repaying.take(*repaying.logs.day(date(2020, 8, 16)))
    before = pack(known.enterprise)
    late = stored(repaying.states)
    assert late is not None
    assert picture.protection(late, POWER, signer()).state == "defaulted"
    held = repaying.states.get(USCC)
    assert isinstance(held, Enterprise)
    assert pack(held) == before


def test_an_answer_is_shown_with_its_account(opened: Life) -> None:
    known = stored(opened.states)
    assert known is not None
    shown: EnterpriseHoldovers = picture.holdovers(known, [], signer())
    given = AnswerGiven(
        "r1", shown.accounts[0].holdover_id, date(2020, 5, 6), "refused", "o1", "because", date(2020, 5, 7)
    )
    seen = picture.holdovers(known, [given, given._replace(holdover_id="another")], signer())
    assert [one.model_dump() for account in seen.accounts for one in account.answers] == [
        {name: value for name, value in given._asdict().items() if name != "holdover_id"}
    ]


def test_before_any_day_there_is_no_day() -> None:
    states: States[Held] = States({})
    take(states, [Logs().bill("b1", 5)])
    known = stored(states)
    assert known is not None
    assert picture.protection(known, POWER, signer()).as_of is None
