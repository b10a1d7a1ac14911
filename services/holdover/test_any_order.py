"""Whatever order the two logs are read in, whatever comes twice, and whenever the clock gets to work: one end."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.holdover.cases import DECISIONS, FACTS, FUND, POWER, USCC, WATER, Logs, events, signer, take
from services.holdover.domain.arrivals import DisconnectionRequested
from services.holdover.domain.enterprise import PARTITION, Days, Enterprise, Held
from services.holdover.domain.facts import DAWN
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.domain.standing import standing
from services.holdover.handlers import advance
from services.holdover.plain_reading import Reading, Seen, read
from shared.streaming.records import Output, Record, States

ACCOUNTS = (POWER, WATER, FUND)
UTILITIES = [one.utility for one in ACCOUNTS]
FIRST = date(2020, 6, 24)
few = st.integers(1, 3)
# Weighted, so that most histories go far: the account first, the window's edges often, amounts that can be divided.
any_account = st.sampled_from([POWER, POWER, POWER, WATER, FUND])
due = st.sampled_from([date(2020, 6, 30), date(2020, 4, 20), date(2020, 2, 1), date(2020, 6, 30), date(2020, 7, 1)])
fen = st.integers(0, 9) | st.integers(50, 400)
days = st.sampled_from([1, 7, 8, 15, 16, 17, 24, 31, 46, 61])


class History(NamedTuple):
    logs: Logs
    last_day: date


class _Writing:
    """The two logs as their writers write them, move by move."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.logs, self.day = draw, Logs(), FIRST
        self.versions: dict[str, int] = {}
        self.revisions: dict[str, int] = {}
        self.taken_back: set[str] = set()
        self.count = 0
        # Nothing else changes where the first day has not started yet.
        self.started = draw(st.integers(0, 5)) > 0
        if self.started:
            self.logs.day(FIRST)

    def begin(self) -> None:
        """Most holdovers come about."""
        self.revisions["a0"] = 1
        self.logs.applied("a0", *UTILITIES, on=FIRST)
        self.bill()
        self.logs.decided("a0")

    def pass_days(self) -> None:
        self.day += timedelta(days=self.draw(days))
        self.logs.day(self.day)
        self.started = True

    def apply(self) -> None:
        name = f"a{len(self.revisions)}"
        self.revisions[name] = 0
        utilities = self.draw(st.lists(st.sampled_from(UTILITIES), min_size=1, unique=True))
        self.logs.applied(name, *utilities, on=self.day)

    def decide(self) -> None:
        if self.revisions:
            name = self.draw(st.sampled_from(sorted(self.revisions)))
            self.revisions[name] += 1
            outcome = self.draw(st.sampled_from(["granted", "granted", "denied", "pending"]))
            self.logs.decided(name, outcome, self.revisions[name])

    def take_back(self) -> None:
        left = sorted(self.revisions.keys() - self.taken_back)
        if left:
            name = self.draw(st.sampled_from(left))
            self.taken_back.add(name)
            self.logs.withdrawn(name, self.day - timedelta(days=self.draw(st.integers(0, 30))))

    def bill(self) -> None:
        name = f"b{self.draw(few)}"
        self.versions[name] = self.versions.get(name, 0) + 1
        self.logs.bill(
            name,
            self.draw(fen),
            account=self.draw(any_account),
            version=self.versions[name],
            production_use=self.draw(st.integers(0, 9)) > 0,
            due_on=self.draw(due),
        )

    def pay(self) -> None:
        self.count += 1
        paid_on = self.day - timedelta(days=self.draw(st.integers(-9, 40)))
        self.logs.paid(f"p{self.count}", f"b{self.draw(few)}", self.draw(fen), paid_on)

    def ask(self) -> None:
        self.count += 1
        self.logs.asked(f"r{self.count}", self.draw(any_account), self.day)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some months of one enterprise, through the end of the deferral."""
    writing = _Writing(draw)
    if draw(st.integers(0, 4)):
        writing.begin()
    moves = [writing.pass_days] * 7 + [writing.pay] * 5 + [writing.bill] * 3 + [writing.ask] * 2
    moves += [writing.apply, writing.decide, writing.take_back]
    for move in draw(st.lists(st.sampled_from(moves), min_size=6, max_size=24)):
        move()
    return History(writing.logs, writing.day if writing.started else DAWN)


@st.composite
def orders(draw: st.DrawFn, logs: Logs) -> list[Record]:
    """The two logs' records in one order, each log's own kept, some of them again later."""
    facts, decisions, order = list(logs.facts), list(logs.decisions), list[Record]()
    while facts or decisions:
        take_fact = bool(facts) and (not decisions or draw(st.booleans()))
        order.append((facts if take_fact else decisions).pop(0))
        if draw(st.integers(0, 5)) == 0:
            order.append(draw(st.sampled_from(order)))
    return order


def seen_of(logs: Logs) -> list[Seen]:
    """As the logs tell it, each in its own order."""
    found = []
    for log, fold in ((logs.facts, FACTS), (logs.decisions, DECISIONS)):
        day = DAWN
        for record in log:
            taken = fold.decode(record)
            assert taken is not None
            if isinstance(taken.fact, date):
                day = taken.fact
            elif not isinstance(taken.fact, DisconnectionRequested):
                found.append(Seen(day, taken.fact))
    return found


def work(states: States[Held]) -> list[Output]:
    """What the clock does."""
    days, known = states.get(PARTITION), states.get(USCC)
    if not isinstance(days, Days) or not isinstance(known, Enterprise):
        return []
    days, told = advance(days, known, 3, signer())
    states.put(PARTITION, days)
    return told


def known(states: States[Held]) -> Enterprise:
    found = states.get(USCC)
    return found if isinstance(found, Enterprise) else Enterprise(USCC)


def reading(states: States[Held], account: Account, day: date) -> Reading:
    now = standing(known(states).facts, account, day)
    instalments = [(one.due_on, one.amount_fen, one.paid_fen) for one in now.instalments]
    return Reading(
        now.state, now.bills_fen, now.lowered_fen, now.repaid_fen, dict(now.net_fen), dict(now.left_out),
        instalments,  # type: ignore[arg-type]  # piles by another name
    )  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_order_ends_as_the_rules_are_plainly_read(data: st.DataObject) -> None:
    history = data.draw(histories())
    seen = seen_of(history.logs)
    states: States[Held] = States({})
    for record in data.draw(orders(history.logs)):
        take(states, [record])
        if data.draw(st.integers(0, 9)) == 0:
            work(states)
    work(states)
    for account in ACCOUNTS:
        plain = read(seen, account, history.last_day)
        event(f"it ends {plain.state}")
        assert reading(states, account, history.last_day) == plain
        told = known(states).told.get(holdover_id(USCC, account))
        if told is not None:
            # The tables say what was told: nothing may be left untold.
            assert told.state == plain.state
            assert (told.order is not None) == (plain.state in ("open", "repaying") and account is not FUND)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_told_holds_together(data: st.DataObject) -> None:
    """No id twice; causes of one source ascend; what protects is never contradicted; no fen is repaid twice."""
    history = data.draw(histories())
    states: States[Held] = States({})
    told: list[Output] = []
    for record in data.draw(orders(history.logs)):
        told += take(states, [record])
        if data.draw(st.integers(0, 9)) == 0:
            told += work(states)
    told += work(states)
    ids, causes, protected, answered = set[str](), dict[str, tuple[int, int]](), dict[str, str](), set[str]()
    for one in events(told):
        data_, kind = one.data, one.type.removeprefix("relief.holdover.").removesuffix(".v1")
        assert one.id not in ids
        ids.add(one.id)
        source = f"{data_.origin.topic}/{data_.origin.partition}"
        assert (data_.origin.offset, data_.origin.index) > causes.get(source, (-1, -1))
        causes[source] = (data_.origin.offset, data_.origin.index)
        if kind == "supply_protected":
            assert data_.utility != "provident_fund"
            protected[data_.holdover_id] = data_.order_id
        elif kind == "protection_ended" and protected.get(data_.holdover_id) == data_.order_id:
            del protected[data_.holdover_id]
        elif kind.startswith("disconnection_"):
            assert data_.request_id not in answered
            answered.add(data_.request_id)
            assert (data_.holdover_id in protected) <= (kind == "disconnection_refused")
            assert data_.order_id == protected.get(data_.holdover_id)
    # By account: a bill that moves takes its payments along, and the new account is told of them too.
    for (_, identity), paid_fen in _paid(events(told)).items():
        assert paid_fen <= known(states).facts.payments[identity].amount_fen


def _paid(all_events: Iterable[Any]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for one in all_events:
        if one.type == "relief.holdover.instalment_paid.v1":
            key = one.data.holdover_id, one.data.payment_id
            found[key] = found.get(key, 0) + one.data.amount_fen
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_when_the_clock_works_makes_no_difference(data: st.DataObject) -> None:
    history = data.draw(histories())
    order = data.draw(orders(history.logs))

    def run(clock: list[bool]) -> list[Any]:
        states: States[Held] = States({})
        told: list[Output] = []
        for record, works in zip(order, clock, strict=True):
            told += take(states, [record])
            told += work(states) if works else []
        said = [one.model_dump() for one in events([*told, *work(states)])]
        return sorted(said, key=lambda one: str(one["id"]))

    sometimes = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    assert run(sometimes) == run([True] * len(order))
