"""Follows the logs as far as the services have taken them, record by record, and holds what was told against it."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import blake2b, sha256
from itertools import islice, permutations
from typing import Any, NamedTuple

from aiokafka.structs import TopicPartition

from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.streaming.fakes import Log
from shared.streaming.records import Record
from tests.faults.money_machine_bank import Bank, Message, Transfer
from tests.faults.money_machine_books import Books, Posted, Row, Told
from tests.faults.money_machine_model import Decision, Lot, Model, legs
from tests.faults.money_machine_words import hear_command
from tests.faults.money_machine_world import SIZE

ACTIONS = "payments.actions"
Place = tuple[str, int, int]
# Of three or four who are at work at once there are fewer.
ORDERS_TRIED = 200


class Unit(NamedTuple):
    """What was committed at once: records of one partition or one action, each with the events it led to."""

    steps: list[tuple[Record | Row, list[Told]]]

    @property
    def number(self) -> int | None:
        """Of an action."""
        cause = self.steps[0][0]
        return None if isinstance(cause, Record) else int(cause["seq"])

    @property
    def seq(self) -> int | None:
        """Of its first event: units that told something came about in that order."""
        return min((told.seq for _, events in self.steps for told in events), default=None)


class Following:
    """`meanings`: what was meant by the records that the machine itself wrote, None for what is no command.

    `agree(model, books)` raises AssertionError where the tables are not what the model says.
    """

    def __init__(
        self, log: Log, bank: Bank, accounts: dict[str, tuple[str, str, str]], threshold_fen: int,
        agree: Callable[[Model, Books], None],
    ) -> None:  # fmt: skip
        self.model, self._log, self._bank = Model(), log, bank
        self._accounts, self._threshold_fen, self._agree = accounts, threshold_fen, agree
        self.meanings: dict[Place, Decision | str | dict[str, Any] | None] = {}
        # Words on payments that payments itself has to put into the log of commands, and claims to be given up.
        self.ordered: Counter[tuple[str, str]] = Counter()
        self.write_offs: dict[str, int] = {}
        self._taken: dict[tuple[str, int], int] = defaultdict(int)
        self._told = self._actions = 0
        self.posted: dict[str, Posted] = {}
        self._delivered: set[str] = set()
        self._links: dict[tuple[str, int], str] = {}
        self._sent: set[str] = set()

    def waiting(self, topic: str) -> list[TopicPartition]:
        """The partitions that hold records which nobody has taken yet."""
        ends = self._log.end.items()
        return sorted(one for one, end in ends if one.topic == topic and end > self._taken[topic, one.partition])

    def follow(self, books: Books) -> None:
        """Everything taken, told, sent and posted since the last time, in an order in which it can have come about."""
        causes, ends = self._causes(books), books.next_offsets()
        units = []
        for topic in (DECISIONS, COMMANDS):
            for partition, records in self._fresh(topic, ends).items():
                units.append(Unit([(one, causes.pop((topic, partition, one.offset), [])) for one in records]))
        for action in books.payments["action"][self._actions :]:
            units.append(Unit([(action, causes.pop((ACTIONS, 0, action["seq"]), []))]))
        self._actions = len(books.payments["action"])
        assert not causes, f"told for no reason: {list(causes)}"
        self._find_order(units, books)
        for name, message in self._bank.asked.items():
            if name not in self._sent:
                self._sent.add(name)
                self._receive(message)
        self._post(books, ends)

    def _causes(self, books: Books) -> dict[Place, list[Told]]:
        """The new events by what caused them."""
        causes: dict[Place, list[Told]] = defaultdict(list)
        for told in books.told:
            self._told += 1
            assert told.seq == self._told, "events are numbered without a gap"
            if told.topic == COMMANDS:
                self._order(told)
            else:
                origin = told.event["data"]["origin"]
                causes[origin["topic"], origin["partition"], origin["offset"]].append(told)
        for events in causes.values():
            for topic in (LEDGER_EXEMPTIONS, LEDGER_REFUNDS):
                indexes = [one.event["data"]["origin"]["index"] for one in events if one.topic == topic]
                assert indexes == list(range(len(indexes)))
        return causes

    def _order(self, told: Told) -> None:
        """A command of payments' own: an officer's answer for the bank, or what a bank's file says."""
        data = told.event["data"]
        assert told.key == told.event["subject"] == data["payment_id"]
        self.ordered[data["payment_id"], data["status"]] -= 1
        assert min(self.ordered.values()) >= 0, "neither an officer nor a file said so"

    def _find_order(self, units: list[Unit], books: Books) -> None:
        """Where several were at work at once, some order of theirs explains what the tables hold."""
        if len(units) < 2:
            self._try(self.model, units, books)
            return
        first: AssertionError | None = None
        for order in islice(_orders(units), ORDERS_TRIED):
            model = deepcopy(self.model)
            try:
                self._try(model, order, books)
            except AssertionError as error:
                first = first or error
            else:
                self.model = model
                return
        assert first is not None
        raise first

    def _try(self, model: Model, units: list[Unit], books: Books) -> None:
        for unit in units:
            for cause, events in unit.steps:
                if isinstance(cause, Record):
                    self._take(model, cause, events)
                else:
                    self._act(model, cause, events)
        _know_lots(model, books)
        self._agree(model, books)

    def _take(self, model: Model, record: Record, events: list[Told]) -> None:
        place = (record.topic, record.partition, record.offset)
        meaning = self.meanings[place] if place in self.meanings else json.loads(record.value or b"")
        if isinstance(meaning, Decision):
            assert all(one.partition == record.partition for one in events)
            model.decide(meaning, events)
        elif isinstance(meaning, str):
            assert not events
            model.start_day(record.partition, meaning)
        else:
            hear_command(model, place, meaning, events, self._threshold_fen)

    def _act(self, model: Model, action: Row, events: list[Told]) -> None:
        if action["kind"] == "submitted":
            _submit(model, model.lots[action["subject"]], events)
        elif action["kind"] == "written_off":
            (told,) = events
            model.hear(told, {"clawback_written_off"})
            assert told.event["data"]["clawback_id"] == action["subject"]
            assert told.event["data"]["amount_fen"] == self.write_offs.pop(action["subject"])
        else:
            assert not events, f"{action['kind']} moved money"

    def _told_submitted(self) -> set[str]:
        logs = (records for where, records in self._log.records.items() if where.topic == LEDGER_REFUNDS)
        events = [json.loads(one.value or b"") for records in logs for one in records.values()]
        return {one["data"]["payment_id"] for one in events if one["type"] == "relief.refund.submitted.v1"}

    def _receive(self, message: Message) -> None:
        """The bank was given a message."""
        lot = self.model.lots[message.batch_id]
        assert lot.state == "submitted"
        assert {one.payment_id for one in message.transfers} <= self._told_submitted(), "the log knows what left"
        expected = set()
        for payment in self.model.payments.values():
            if payment.batch_id == lot.batch_id:
                assert payment.account is not None
                expected.add(Transfer(payment.payment_id, payment.amount_fen, *self._accounts[payment.account]))
        assert len(message.transfers) == len(expected) <= SIZE
        assert len({transfer.bank[:3] for transfer in message.transfers}) == 1, "a message goes to one bank"
        assert set(message.transfers) == expected, "what was submitted is what the bank was asked for"
        assert set(message.counts) == {len(expected)}
        assert set(message.sums_fen) == {sum(one.amount_fen for one in expected)}

    def _post(self, books: Books, ends: dict[tuple[str, int], int]) -> None:
        """Every event that a ledger has taken is posted, once, in the log's order and chained to what was before."""
        expected: dict[tuple[str, int], list[tuple[object, ...]]] = defaultdict(list)
        for topic in (LEDGER_EXEMPTIONS, LEDGER_REFUNDS):
            for partition, records in self._fresh(topic, ends).items():
                for record in records:
                    row = _posting(record)
                    if row[0] not in self._delivered:
                        self._delivered.add(str(row[0]))
                        expected[topic, partition].append(row)
        found: dict[tuple[str, int], list[tuple[object, ...]]] = defaultdict(list)
        for one in books.posted:
            assert one.seq == len(self.posted) + 1, "postings are numbered without a gap"
            self.posted[one.event_id] = one
            chain = (one.topic, one.partition)
            found[chain].append(tuple(one[3:13]))
            previous = self._links.get(chain, "0" * 64)
            content = "".join(f"{len(str(part))}:{part}," for part in (previous, *one[:13]))
            assert one.link == sha256(content.encode()).hexdigest(), "a broken chain"
            self._links[chain] = one.link
        assert found == expected

    def _fresh(self, topic: str, ends: dict[tuple[str, int], int]) -> dict[int, list[Record]]:
        """What was taken of a topic since the last time, by partition."""
        found = {}
        for (name, partition), end in sorted(ends.items()):
            if name == topic and end > self._taken[name, partition]:
                stored = self._log.records[TopicPartition(topic, partition)]
                found[partition] = [stored[offset] for offset in range(self._taken[name, partition], end)]
                self._taken[name, partition] = end
        return found


def _orders(units: list[Unit]) -> Iterator[list[Unit]]:
    """Every order in which actions stand as they were numbered, and what told something as it told it; first the one
    in which they would come about if nobody were in anybody's way.
    """
    actions, takes = [one for one in units if one.number is not None], [one for one in units if one.number is None]
    told = iter(sorted((one for one in takes if one.seq is not None), key=lambda one: one.seq or 0))
    takes = [one if one.seq is None else next(told) for one in takes]
    for places in permutations(range(len(units)), len(takes)):
        order: list[Unit] = []
        left, rest = dict(zip(places, takes, strict=True)), iter(actions)
        for place in range(len(units)):
            order.append(left[place] if place in left else next(rest))
        seqs = [unit.seq for unit in order if unit.seq is not None]
        if seqs == sorted(seqs):
            yield order


def _submit(model: Model, lot: Lot, events: list[Told]) -> None:
    """A batch goes to the bank as the officers saw it, and nothing that is frozen goes."""
    assert lot.state == "approved", f"a batch that is {lot.state} was submitted"
    assert not lot.frozen
    assert lot.released is not None
    gone = set()
    for one in events:
        payment = model.hear(one, {"submitted"})
        payment.batch_id = one.event["data"]["batch_id"]
        payment.account = model.latest[payment.key].account
        assert payment.batch_id == lot.batch_id
        assert one.event["data"]["decision_id"] == payment.decision_id
        gone.add((payment.payment_id, payment.amount_fen, payment.account))
        assert not model.frozen & {("enterprise", payment.key[0]), ("programme", lot.programme)}
    assert gone == lot.content, "a batch goes whole"
    assert gone <= lot.released, "what was approved is what goes out"
    lot.state = "submitted"


def _know_lots(model: Model, books: Books) -> None:
    """Batches are as officers see them; those that are new are known from now on."""
    inside: dict[str, set[tuple[str, int, str | None]]] = defaultdict(set)
    for row in books.payments["payment"]:
        if row["batch_id"] is not None:
            payment = model.payments[row["payment_id"]]
            inside[row["batch_id"]].add((payment.payment_id, payment.amount_fen, model.latest[payment.key].account))
    for row in books.payments["batch"]:
        content = frozenset(inside[row["batch_id"]])
        lot = model.lots.get(row["batch_id"])
        if lot is None:
            lot = Lot(row["batch_id"], row["programme"], row["prepared_by"], content, row["version"])
            model.lots[row["batch_id"]] = lot
        if lot.state != "submitted":
            assert lot.content == content, "a batch holds what nobody put in, or lost what nobody took out"
            lot.version = row["version"]


def _posting(record: Record) -> tuple[object, ...]:
    """A row of the journal from event_id to digest."""
    event, digest = json.loads(record.value or b""), blake2b(digest_size=16)
    for part in (record.key or b"", record.value or b""):
        digest.update(len(part).to_bytes(8, "big") + part)
    data = event["data"]
    debit, credit, fen = legs(event["type"], data)
    key = data.get("exemption_id") or data["payment_id"]
    return (
        event["id"], event["type"], key, data["uscc"], data["decision_id"], debit, credit, fen, data["booked_on"],
        digest.hexdigest(),
    )  # fmt: skip
