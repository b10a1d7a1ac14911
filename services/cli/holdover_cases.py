"""For tests: one enterprise's dues lived through in memory by holdover's own folds, with every book that it leaves."""

from collections.abc import Iterable, Mapping
from datetime import date

from aiokafka.structs import TopicPartition

from services.cli.holdover_books import View
from services.cli.holdover_compare import examine
from services.cli.holdover_logs import Rows
from services.cli.holdover_rows import Row, Seen
from services.holdover.cases import FUND, PARTITION, USCC, WATER, Logs, signer, take
from services.holdover.domain.enterprise import PARTITION as DAYS
from services.holdover.domain.enterprise import Days, Enterprise, Held
from services.holdover.domain.facts import DAWN, Facts
from services.holdover.domain.standing import Standing, standing
from services.holdover.domain.telling import Told
from services.holdover.handlers import advance
from services.holdover.store.books import (
    AccountBooked,
    AnswerBooked,
    ApplicationBooked,
    BillBooked,
    EnterpriseBooks,
    InstalmentBooked,
    OrderBooked,
    PaymentBooked,
)
from shared.contracts import topics
from shared.streaming.records import Output, Record, States

FACTS_LOG, DECISIONS_LOG = (TopicPartition(topic, PARTITION) for topic in (topics.FACTS, topics.DECISIONS))


class World:
    """`taken` are the records that holdover has read, `outputs` what it has told."""

    def __init__(self, logs: Logs | None = None) -> None:
        self.logs = Logs() if logs is None else logs
        self.states: States[Held] = States({})
        self.places = {FACTS_LOG: 0, DECISIONS_LOG: 0}
        self.outputs: list[Output] = []

    def take(self, *records: Record) -> None:
        for record in records:
            self.outputs += take(self.states, [record])
            log = TopicPartition(record.topic, record.partition)
            self.places[log] = max(self.places[log], record.offset + 1)

    def day(self, day: date) -> None:
        self.take(*self.logs.day(day))
        self.work()

    def work(self) -> None:
        """What the clock does."""
        days, known = self.states.get(DAYS), self.states.get(USCC)
        if isinstance(days, Days) and isinstance(known, Enterprise):
            days, told = advance(days, known, PARTITION, signer())
            self.states.put(DAYS, days)
            self.outputs += told

    def books(self) -> EnterpriseBooks:
        days, known = self.states.get(DAYS), self.states.get(USCC)
        one = known if isinstance(known, Enterprise) else Enterprise(USCC)
        day = days.started if isinstance(days, Days) else None
        now = {key: standing(one.facts, told.account, day or DAWN) for key, told in one.told.items()}
        return EnterpriseBooks(
            USCC,
            list(_applications(one.facts)),
            [_account(key, told, now[key]) for key, told in sorted(one.told.items())],
            list(_bills(one.facts, now)),
            [PaymentBooked(key, paid.bill_id, paid.amount_fen, paid.paid_on)
             for key, paid in sorted(one.facts.payments.items())],
            [InstalmentBooked(key, number, part.due_on, part.amount_fen, part.paid_fen)
             for key, stands in now.items() for number, part in enumerate(stands.instalments, 1)],
            list(_answers(one)),
        )  # fmt: skip

    def seen(self, look: int = 0) -> Seen:
        return Seen(USCC, look, self.books())

    def logged(self) -> list[Row]:
        """The rows of the logs, whether holdover has taken them or not."""
        told = [Record(one.topic, one.partition, offset, one.key, one.value) for offset, one in enumerate(self.outputs)]
        rows = Rows()
        made = [rows.row(record) for record in (*self.logs.facts, *self.logs.decisions, *told)]
        return [row for row in made if row is not None]

    def rows(self) -> list[Row]:
        return [self.seen(), *self.logged()]

    def view(self, backlog: int = 0) -> View:
        """All that the logs hold was there at the beginning."""
        ends = {FACTS_LOG: len(self.logs.facts), DECISIONS_LOG: len(self.logs.decisions)}
        return View(ends, [dict(self.places)], backlog)


def lived() -> World:
    """Power deferred, half repaid, with an overpaid bill; water undecided; the provident fund in default; every kind of
    record, and a request for each.
    """
    world = World()
    logs = world.logs
    world.day(date(2020, 2, 1))
    world.take(
        logs.applied("a1", "electricity", "provident_fund"),
        logs.paid("p0", "b9", 40, date(2020, 2, 3)),
        logs.bill("b1", 1000),
        logs.bill("b2", 80, production_use=False),
        logs.bill("w1", 90, account=WATER),
        logs.asked("r1"),
        logs.decided("a1"),
        logs.bill("f1", 700, account=FUND),
        logs.bill("b9", 60, due_on=date(2020, 6, 30)),
        logs.bill("b3", 30, due_on=date(2020, 7, 1)),
        logs.paid("p1", "b1", 1, date(2020, 4, 1)),
        logs.asked("r2"),
        logs.applied("a2", "water"),
        logs.asked("r3", account=WATER),
        logs.withdrawn("a2", date(2020, 4, 1)),
        logs.paid("p9", "b404", 5, date(2020, 4, 1)),
    )
    world.day(date(2020, 7, 24))
    world.take(logs.bill("b1", 1100, version=2), logs.paid("p2", "b1", 600, date(2020, 7, 30)))
    world.day(date(2020, 9, 20))
    world.take(logs.asked("r4", account=FUND), logs.asked("r5", account=WATER))
    return world


def found(rows: Iterable[Row], view: View) -> dict[str, str]:
    """What is said, by kind."""
    return {one.kind: one.why for one in examine(USCC, rows, view).differences}


def _applications(facts: Facts) -> Iterable[ApplicationBooked]:
    for identity in sorted(facts.applications.keys() | facts.rulings.keys() | facts.withdrawals.keys()):
        asked, gone = facts.applications.get(identity), facts.withdrawals.get(identity)
        ruling = facts.rulings.get(identity)
        yield ApplicationBooked(
            identity,
            None if asked is None else list(asked.utilities),
            None if asked is None else asked.submitted_on,
            "undecided" if ruling is None else ruling.outcome,
            None if gone is None else gone.submitted_on,
        )


def _account(identity: str, told: Told, now: Standing) -> AccountBooked:
    order = told.order
    return AccountBooked(
        told.events,
        None if order is None else OrderBooked(order.order_id, order.from_on, order.until_on, order.signature),
        identity, *told.account, now.state, now.application_id, now.begun_on, now.bills_fen, now.lowered_fen,
        now.repaid_fen, now.open_fen, now.surplus_fen, len(now.instalments),
    )  # fmt: skip


def _bills(facts: Facts, now: Mapping[str, Standing]) -> Iterable[BillBooked]:
    homes = {bill: key for key, stands in now.items() for bill in (*stands.net_fen, *stands.left_out)}
    for identity, versions in sorted(facts.bills.items()):
        last = versions[-1]
        paid_fen = sum(one.amount_fen for one in facts.payments.values() if one.bill_id == identity)
        yield BillBooked(
            identity, homes[identity], last.version, last.period, last.due_on, last.amount_fen, last.production_use,
            now[homes[identity]].left_out.get(identity), paid_fen,
        )  # fmt: skip


def _answers(one: Enterprise) -> Iterable[AnswerBooked]:
    for request, holdover, told in one.changed.answered:
        answer = told.kind.removeprefix("disconnection_")
        fields = told.fields
        yield AnswerBooked(
            request.request_id, holdover, request.requested_on, answer, fields["order_id"], fields["reason"], told.on
        )
