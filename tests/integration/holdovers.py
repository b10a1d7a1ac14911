"""Enterprises in difficulty for the integration tests: what their suppliers send, and how each account must stand."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec
import psycopg

from services.cli.log import Line, read
from services.eligibility import packs
from services.holdover import plain_reading
from services.holdover.decoding import read_decision, read_fact
from services.holdover.domain.arrivals import DisconnectionRequested
from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms
from services.holdover.packs import terms_of
from services.holdover.plain_reading import Reading, Seen
from services.simulator import wire
from shared.contracts.topics import APPLICATIONS, DECISIONS, FACTS, TAX, UTILITY
from shared.streaming.kafka_access import KafkaAccess
from shared.uscc import with_check_character
from tests.integration.region import Upstream

DAYS = (
    date(2020, 2, 20), date(2020, 4, 1), date(2020, 7, 1), date(2020, 7, 24), date(2020, 8, 3), date(2020, 8, 16),
    date(2020, 12, 28), date(2021, 1, 20),
)  # fmt: skip
UTILITIES = ("electricity", "water", "provident_fund")
_encode = msgspec.json.Encoder().encode


@dataclass
class Town:
    """Some enterprises, what is sent of them day by day, and what of it names their accounts."""

    number: int
    seed: int
    uscc: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self.uscc = [with_check_character(f"91650100MB{self.seed:03d}{number:04d}") for number in range(self.number)]
        self._bills: list[wire.BillIssued] = []
        self._count = 0

    def before(self, day: date) -> list[Upstream]:
        """What comes in before a day starts; ids are never used twice."""
        facts: list[wire.Data] = []
        for uscc in self.uscc:
            if day == DAYS[0]:
                facts += self._arrival(uscc)
            for _ in range(self._rng.randrange(4)):
                facts += self._move(uscc, day)
        return [_upstream(fact, self._name()) for fact in sorted(facts, key=lambda one: one.topic)]

    def _arrival(self, uscc: str) -> Iterator[wire.Data]:
        # One in ten is large: its application is denied.
        large = self._rng.random() < 0.1
        yield wire.Registered(
            uscc=uscc, name="Tarim Trading", industry="retail", prefecture="650100", registered_on="2015-03-02",
            effective_on="2015-03-02", employees=9_000 if large else 12, annual_revenue_fen=10**13 if large else 10**8,
            total_assets_fen=10**8, payee=None,
        )  # fmt: skip
        for number in range(self._rng.choice([0, 1, 1, 1, 2])):
            yield wire.HoldoverApplied(
                uscc=uscc, application_id=f"{uscc}-{number}", utilities=UTILITIES, declared_difficulty=True,
                contact="office@example.org", submitted_on=f"2020-02-{10 + number}",
            )  # fmt: skip

    def _move(self, uscc: str, day: date) -> Iterator[wire.Data]:
        own = [bill for bill in self._bills if bill.uscc == uscc]
        kind = self._rng.choice(["bill", "bill", "paid", "paid", "paid", "correct", "cut", "withdraw", "early"])
        if kind == "withdraw" and self._rng.random() < 0.1:
            on = (day - timedelta(days=2)).isoformat()
            yield wire.HoldoverWithdrawal(uscc=uscc, application_id=f"{uscc}-0", submitted_on=on)
        elif kind == "early":
            # The payment comes before the bill that it names.
            bill = self._bill(uscc)
            yield self._payment(bill, day)
            yield bill
        elif kind == "bill" or not own:
            yield self._bill(uscc)
        elif kind == "correct":
            bill = self._rng.choice(own)
            fresh = msgspec.structs.replace(
                bill, version=bill.version + 1, amount_fen=self._rng.randrange(400), due_on="2020-04-20",
                production_use=self._rng.random() < 0.9,
            )  # fmt: skip
            self._bills[self._bills.index(bill)] = fresh
            yield fresh
        elif kind == "paid":
            yield self._payment(self._rng.choice(own), day)
        else:
            bill = self._rng.choice(own)
            yield wire.DisconnectionRequested(
                uscc=uscc, request_id=f"r{self._name()}", utility=bill.utility, supplier_id=bill.supplier_id,
                account_no=bill.account_no, reason="unpaid", requested_on=day.isoformat(),
            )  # fmt: skip

    def _bill(self, uscc: str) -> wire.BillIssued:
        utility = self._rng.choice(UTILITIES)
        bill = wire.BillIssued(
            uscc=uscc, bill_id=f"b{self._name()}", utility=utility, supplier_id=f"{utility}-65", account_no=uscc[-8:],
            period="2020-03", amount_fen=self._rng.randrange(1, 600), production_use=self._rng.random() < 0.9,
            due_on=self._rng.choice(["2020-04-20", "2020-06-30", "2020-02-01", "2020-07-01"]),
        )  # fmt: skip
        self._bills.append(bill)
        return bill

    def _payment(self, bill: wire.BillIssued, day: date) -> wire.BillPaid:
        paid_on = day - timedelta(days=self._rng.randrange(30))
        return wire.BillPaid(
            uscc=bill.uscc, bill_id=bill.bill_id, payment_id=f"p{self._name()}",
            amount_fen=self._rng.randrange(1, 1 + max(1, bill.amount_fen)), paid_on=paid_on.isoformat(),
        )  # fmt: skip

    def _name(self) -> str:
        self._count += 1
        return f"{self.seed}-{self._count}"


def _upstream(fact: wire.Data, name: str) -> Upstream:
    at = "2020-02-20T09:30:00+08:00"
    event = wire.Event("1.0", name, wire.SOURCES[fact.topic], fact.type, fact.uscc, at, "application/json", fact)
    topic = {wire.TAX: TAX, wire.UTILITY: UTILITY, wire.APPLICATIONS: APPLICATIONS}[fact.topic]
    written = _encode(event)
    return Upstream(topic, Line(fact.uscc.encode(), written), written)


def terms(pack: str) -> Terms:
    """Of a shipped pack, as holdover keeps them by default."""
    loaded = packs.load_with_content(packs.directory_of(pack))
    return terms_of(loaded.content, loaded.pack.ref.sha256, 7)


class Logs:
    """Both logs of an installation, read once: facts by enterprise, each with the day that its log had reached."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Seen]] = {}
        self.asked: dict[str, set[str]] = {}
        self._day: dict[tuple[str, int], date] = {}

    async def read(self, kafka: KafkaAccess, law: Terms) -> "Logs":
        async for record in read(kafka, FACTS):
            self._take(record, read_fact(record))
        async for record in read(kafka, DECISIONS):
            self._take(record, read_decision(record, lambda _: law))
        return self

    def started(self, partition: int) -> date:
        return min(self._day[topic, partition] for topic in (FACTS, DECISIONS))

    def _take(self, record: object, taken: object) -> None:
        fact = getattr(taken, "fact", None)
        log = (record.topic, record.partition)  # type: ignore[attr-defined]
        if fact is None:
            return
        if isinstance(fact, date):
            self._day[log] = max(fact, self._day.get(log, fact))
        elif isinstance(fact, DisconnectionRequested):
            self.asked.setdefault(fact.uscc, set()).add(fact.request_id)
        else:
            self.seen.setdefault(fact.uscc, []).append(Seen(self._day.get(log, date(1900, 1, 1)), fact))


def expected(logs: Logs, uscc: str, account: Account, partition: int) -> Reading:
    """By the rules read day by day and fen by fen."""
    return plain_reading.read(logs.seen.get(uscc, []), account, logs.started(partition))


def held(postgres: str, enterprises: Sequence[str]) -> list[tuple[str, int, Account, Reading]]:
    """Every account as the tables have it."""
    with psycopg.connect(postgres, autocommit=True) as db:
        rows = db.execute(
            "SELECT holdover_id, uscc, partition, utility, supplier_id, account_no, state, bills_fen, lowered_fen,"
            " repaid_fen FROM holdover.account WHERE uscc = ANY(%s) ORDER BY 1",
            (list(enterprises),),
        ).fetchall()
        found = []
        for identity, uscc, partition, utility, supplier_id, account_no, state, *sums in rows:
            piles = db.execute(
                "SELECT due_on, amount_fen, paid_fen FROM holdover.instalment WHERE holdover_id = %s ORDER BY number",
                (identity,),
            ).fetchall()
            bills = db.execute(
                "SELECT bill_id, left_out FROM holdover.bill WHERE holdover_id = %s AND left_out IS NOT NULL",
                (identity,),
            ).fetchall()
            instalments = [plain_reading.Pile(*pile) for pile in piles]
            reading = Reading(state, sums[0], sums[1], sums[2], {}, dict(bills), instalments)
            found.append((uscc, partition, Account(utility, supplier_id, account_no), reading))
    return found
