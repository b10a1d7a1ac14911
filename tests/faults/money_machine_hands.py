"""What the rules of the money machine work with: one world, its books, and the model they are held against."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from aiokafka.structs import TopicPartition
from hypothesis.stateful import RuleBasedStateMachine, invariant

from services.payments.cases import day as day_record
from shared.calendar import SHANGHAI
from shared.contracts.topics import COMMANDS, DECISIONS
from shared.observability import metrics
from shared.streaming.records import partition_of
from tests.faults import money_machine_checks as checks
from tests.faults.money_machine_books import Reading
from tests.faults.money_machine_fate import Fate
from tests.faults.money_machine_following import Following
from tests.faults.money_machine_model import Model, Payment
from tests.faults.money_machine_site import ACCOUNTS, READABLE, Site
from tests.faults.money_machine_words import Outcome
from tests.faults.money_machine_world import PARTITIONS, THRESHOLD_FEN, World

COMMAND_PARTITIONS = 12
HUGE = 4 * 10**17
STATUSES = {"moved": (200, 202), "repeat": (200, 202), "refused": (409,), "unknown": (404,)}
T = TypeVar("T")


class Hands(RuleBasedStateMachine):
    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        site.empty()
        self.world = World(site.url, site.secrets, site.loop)
        self.reading = Reading(site.url)
        self.following = Following(self.world.log, self.world.bank, ACCOUNTS, THRESHOLD_FEN, checks.agree)
        self.today = date(2020, 3, 1)
        self.commanded = self.reports = 0
        # What officers have said in the bank's place, by payment.
        self.resolved: dict[str, str] = {}
        self.books = self.reading.books()
        # Something was done whose outcome has not been held against the model; after a failure it stays so.
        self.unchecked = False

    @property
    def model(self) -> Model:
        return self.following.model

    def close(self) -> None:
        self.reading.close()
        self.world.close()

    @invariant()
    def everything_holds(self) -> None:
        if self.unchecked:
            self.check()

    def check(self) -> None:
        self.unchecked = True
        self.books = self.reading.books()
        self.following.follow(self.books)
        posted = list(self.following.posted.values())
        checks.the_trial_balance_is_the_postings(self.books.ledger["account_day"], posted)
        self.unchecked = False

    # --- writing to the logs

    def put(self, topic: str, partition: int, key: str, value: bytes | None, meaning: Any) -> None:
        offset = self.world.log.append(TopicPartition(topic, partition), key, value)
        self.following.meanings[topic, partition, offset] = meaning

    def end(self, topic: str, partition: int) -> int:
        return self.world.log.end.get(TopicPartition(topic, partition), 0)

    def repeat(self, partition: TopicPartition, which: int) -> None:
        """One of the partition's records once more."""
        record = pick(self.world.log.records[partition], which)
        place, meanings = (partition.topic, partition.partition, record.offset), self.following.meanings
        meaning = meanings[place] if place in meanings else json.loads(record.value or b"")
        self.put(partition.topic, partition.partition, (record.key or b"").decode(), record.value, meaning)

    def command(self, kind: str, subject: str, data: Mapping[str, object]) -> None:
        event = {
            "specversion": "1.0", "id": f"c{self.commanded}", "source": "//machine", "type": kind, "subject": subject,
            "time": f"{self.today}T12:00:00+08:00", "data": data,
        }  # fmt: skip
        self.commanded += 1
        partition = partition_of(subject.encode(), COMMAND_PARTITIONS)
        self.put(COMMANDS, partition, subject, json.dumps(event).encode(), event)

    def command_batch(self, batch_id: str, officer: str, approves: bool) -> None:
        kind = f"relief.batch.{'approved' if approves else 'rejected'}.v1"
        self.command(kind, batch_id, {"batch_id": batch_id, "officer": officer, "reason": "seen"})

    def command_status(self, payment_id: str, word: str) -> None:
        data = {"payment_id": payment_id, "status": word, "on": self.today.isoformat(), "reason_code": "AC04"}
        self.command("relief.payment.status.v1", payment_id, data)

    def command_receipt(self, claim_id: str, fen: int, reference: str) -> None:
        data = {"clawback_id": claim_id, "amount_fen": fen, "bank_reference": reference, "on": self.today.isoformat()}
        self.command("relief.clawback.received.v1", claim_id, data)

    def start_days(self, days: int, partitions: Collection[int] = range(PARTITIONS)) -> None:
        self.today += timedelta(days=days)
        self.world.now = datetime.combine(self.today, time(9), SHANGHAI)
        for partition in sorted(partitions):
            record = day_record(self.today, offset=self.end(DECISIONS, partition), partition=partition)
            self.put(DECISIONS, partition, "day", record.value, self.today.isoformat())

    # --- letting the services work

    def take(self, partition: TopicPartition, records: int, fate: Fate | None) -> None:
        counter = metrics.DUPLICATES.labels(COMMANDS)
        counted, repeats = counter._value.get(), self.model.repeats
        self.unchecked = True
        fired = self.world.take(partition, records, fate)
        self.check()
        if fired is None:
            assert counter._value.get() - counted == self.model.repeats - repeats, "a repeat is counted"

    def take_all(self, *logs: str) -> None:
        """All that lies in some logs, one partition after the other."""
        for _ in range(50):
            waiting = [place for topic in logs for place in self.following.waiting(topic)]
            if not waiting:
                return
            self.unchecked = True
            for partition in waiting:
                self.world.take(partition, 100, None)
            self.check()
        raise AssertionError(f"{waiting} do not come to their end")

    def is_refused(self, partition: TopicPartition, key: str, value: bytes | None, why: str) -> None:
        """The partition stops at such a record, and nothing moves; then the record was never there."""
        before = self.books
        self.unchecked = True
        offset = self.world.log.append(partition, key, value)
        sentence = self.world.refused(partition)
        assert sentence is not None
        assert why in sentence
        del self.world.log.records[partition][offset]
        self.world.log.end[partition] -= 1
        self.check()
        assert (self.books.payments, self.books.ledger) == (before.payments, before.ledger)

    def work(self, fate: Fate | None) -> None:
        days = [row["date"] for row in self.books.payments["day"]]
        done = self.books.payments["clerk"][0]["day"]
        self.unchecked = True
        fired = self.world.work(fate)
        self.check()
        if fired is None and len(days) == PARTITIONS:
            if done is None or min(days) > done:
                assert self.books.payments["clerk"][0]["day"] == min(days)
                checks.the_clerk_left_nothing(self.model, self.books, READABLE)
            # What is not acknowledged yet waits.
            assert self.sent() <= self.submitted()

    def ask(
        self, method: str, path: str, token: str, fate: Fate | None, expected: Callable[[], Outcome], **body: object
    ) -> None:
        """An officer's request. One that is refused, or that came to nothing, changes nothing."""
        before = self.books
        self.unchecked = True
        answer = self.world.ask(method, path, token, {"reason": "seen", **body}, fate)
        outcome = expected() if answer.fired in (None, "unknown", "dies after") else None
        if answer.fired is None:
            assert outcome is not None
            assert answer.status in STATUSES[outcome], (answer, outcome)
        self.check()
        if outcome != "moved":
            assert self.books.payments == before.payments

    def at_once(self, partitions: list[TopicPartition], records: int) -> None:
        """Their owners, the clerk and the relay, all at the same time."""
        self.unchecked = True
        self.world.at_once(partitions, records)
        self.check()

    def relay_all(self) -> None:
        """Everything told lies in the log."""
        while self.books.payments["outbox_counter"][0]["last"] > self.books.payments["outbox_pointer"][0]["relayed"]:
            self.unchecked = True
            self.world.relay(100, None)
            self.check()

    def payday(self) -> None:
        """A day as it should be: what waits goes to the bank."""
        self.start_days(1)
        self.take_all(DECISIONS)
        self.work(None)
        for lot in list(self.model.lots.values()):
            if lot.state == "prepared":
                self.command_batch(lot.batch_id, "cai", True)
                self.command_batch(lot.batch_id, "dan", True)
        self.take_all(COMMANDS)
        self.work(None)
        self.relay_all()
        self.work(None)
        assert self.sent() == self.submitted()

    def sent(self) -> set[str]:
        """The batches that the bank has."""
        return {message.batch_id for message in self.world.bank.asked.values()}

    def submitted(self) -> set[str]:
        return {lot.batch_id for lot in self.model.lots.values() if lot.state == "submitted"}

    def paid(self) -> list[Payment]:
        return [one for one in self.model.payments.values() if one.phase == "settled"]

    def away(self) -> list[Payment]:
        """What is with the bank."""
        return [one for one in self.model.payments.values() if one.phase == "submitted"]


def pick(things: Mapping[Any, T] | Sequence[T], which: int) -> T:
    """One of them, whatever the number; a mapping's values, by key."""
    among = [things[name] for name in sorted(things)] if isinstance(things, Mapping) else things
    return among[which % len(among)]
