"""The example of docs/ledger-consumers.md as a process of its own, beside our ledger, on real servers: killed inside
transactions, given repeats and contradictions, and held to the same trial balance to the fen."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from deploy.local.stack import ROOT
from services.cli.log import read
from shared.contracts import registry, topics
from shared.contracts.topics import LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.streaming.records import partition_of
from tests.integration.lives import USCC, every_step
from tests.integration.region import halves, simulate
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

EXAMPLE = ROOT / "docs" / "examples" / "ledger_consumer.py"
ENTERPRISES = 60
KILLED_AFTER = (100, 53, 150, 91)  # rows more than the time before
Balance = dict[str, tuple[int, ...]]  # debit, credit and their difference, in fen


@dataclass(frozen=True, slots=True)
class Consumer:
    """The other team's program and its database."""

    kafka: str
    database: Path

    def start(self) -> "subprocess.Popen[str]":
        words = [sys.executable, str(EXAMPLE), self.kafka, str(self.database)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def balance(self) -> Balance:
        """What it prints once it has caught up."""
        process = self.start()
        told, sentences = process.communicate(timeout=60)
        assert process.returncode == 0, sentences
        lines = [line.split("\t") for line in told.splitlines()]
        return {account: tuple(int(fen) for fen in sums) for account, *sums in lines}

    def refusal(self) -> str:
        """What it says when it does not go on; it prints no balance then."""
        process = self.start()
        told, sentence = process.communicate(timeout=60)
        assert (process.returncode, told) == (1, ""), sentence
        assert "Traceback" not in sentence
        assert sentence.count("\n") == 1, f"more than a sentence:\n{sentence}"
        return sentence

    def rows(self) -> list[tuple[object, ...]]:
        """All it has kept, postings and places."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            found = db.execute("SELECT * FROM posting ORDER BY id").fetchall()
            return found + db.execute("SELECT * FROM place ORDER BY topic, part").fetchall()

    def write(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database, timeout=30)) as db, db:
            assert db.execute(statement).rowcount == 1

    def kill_inside_a_transaction(self, rows: int) -> None:
        """It dies when it has written so many rows more, the last of them in a transaction that is open."""
        with closing(sqlite3.connect(self.database, timeout=1, isolation_level=None)) as db:
            (before,) = db.execute("SELECT max(rowid) FROM posting").fetchone()
            # The row after them takes longer than anybody has.
            db.execute(
                f"CREATE TRIGGER halt AFTER INSERT ON posting WHEN new.rowid > {before + rows} BEGIN "
                "SELECT count(*) FROM posting, posting AS b, posting AS c, posting AS d; END"
            )
            process = self.start()
            while can_write(db):
                assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            assert Path(f"{self.database}-journal").exists(), "it died between two transactions"
            (kept,) = db.execute("SELECT max(rowid) FROM posting").fetchone()
            assert before <= kept <= before + rows, "what was not committed is there"
            db.execute("DROP TRIGGER halt")


def can_write(db: sqlite3.Connection) -> bool:
    """False when another one has been writing for as long as this connection waits."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    db.execute("ROLLBACK")
    return True


@dataclass(frozen=True, slots=True)
class Told:
    """A record of a ledger topic, with where it is."""

    where: TopicPartition
    key: bytes | None
    value: bytes


def in_the_topics(running: Running) -> list[Told]:
    async def collect() -> list[Told]:
        return [
            Told(TopicPartition(topic, record.partition), record.key, record.value or b"")
            for topic in (LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
            async for record in read(running.kafka, topic)
        ]

    return asyncio.run(collect())


def tell(running: Running, records: list[Told]) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(**running.kafka.client(), acks="all")
        await producer.start()
        try:
            for record in records:
                where = record.where
                await producer.send(where.topic, record.value, key=record.key, partition=where.partition)
            await producer.flush()
        finally:
            await producer.stop()

    asyncio.run(send())


def trim(running: Running, where: TopicPartition) -> None:
    """Nobody should: the first record of the partition is deleted."""

    async def delete() -> None:
        admin = AIOKafkaAdminClient(**running.kafka.client())
        await admin.start()
        try:
            await admin.delete_records({where: RecordsToDelete(before_offset=1)})
        finally:
            await admin.close()

    asyncio.run(delete())


def ours(running: Running) -> tuple[Balance, int]:
    """The trial balance of our own ledger, and of how many postings it is."""
    told = running.found.get("ledger", "/v1/trial-balance")
    sums = ("debit_fen", "credit_fen", "balance_fen")
    return {one["account"]: tuple(one[name] for name in sums) for one in told["accounts"]}, told["postings"]


def of_every_type() -> list[Told]:
    number = partition_of(USCC.encode(), topics.topics()[LEDGER_REFUNDS].partitions)
    return [
        Told(TopicPartition(topic, number), USCC.encode(), json.dumps(event).encode()) for topic, event in every_step()
    ]


def test_another_ledger_comes_to_the_same_balance_through_kills_and_repeats(running: Running, tmp_path: Path) -> None:
    consumer = Consumer(running.kafka.bootstrap, tmp_path / "other.db")
    first, last = halves(simulate(ENTERPRISES, 601, tmp_path / "region"))
    running.send(first)
    running.settle()
    half = consumer.balance()
    assert half == ours(running)[0]

    steps = of_every_type()
    told_types = {json.loads(step.value)["type"] for step in steps}
    assert told_types == {*registry.models(LEDGER_EXEMPTIONS), *registry.models(LEDGER_REFUNDS)}
    running.send(last)
    tell(running, steps)
    running.settle()
    # As after a failure of the relay, and later than that: the same again, in order, behind what is new.
    told = in_the_topics(running)
    tell(running, told[::5])

    begun = len(consumer.rows())
    for rows in KILLED_AFTER:
        consumer.kill_inside_a_transaction(rows)
    assert begun < len(consumer.rows()) < begun + sum(KILLED_AFTER)
    caught_up = consumer.balance()
    running.settle()
    balance, postings = ours(running)
    assert caught_up == balance
    assert caught_up != half
    assert sum(balance for _, _, balance in caught_up.values()) == 0
    assert len({json.loads(one.value)["id"] for one in told}) == postings
    kept = consumer.rows()
    assert len(kept) == postings + 2 * topics.topics()[LEDGER_REFUNDS].partitions

    tell(running, told[::7])
    assert consumer.balance() == balance
    assert [row for row in consumer.rows() if len(row) > 3] == [row for row in kept if len(row) > 3]
    # From the start into an empty database: the topics are the whole story.
    assert Consumer(running.kafka.bootstrap, tmp_path / "again.db").balance() == balance


def test_an_event_that_comes_again_with_other_content_stops_it(running: Running, tmp_path: Path) -> None:
    running.spoilt = True  # it stays in the log
    tell(running, of_every_type())
    consumer = Consumer(running.kafka.bootstrap, tmp_path / "other.db")
    consumer.balance()
    kept = consumer.rows()
    original = next(one for one in in_the_topics(running) if one.where.topic == LEDGER_REFUNDS)
    event = json.loads(original.value)
    event["data"]["amount_fen"] += 1
    tell(running, [Told(original.where, original.key, json.dumps(event).encode())])
    for _ in range(2):  # starting it again is no way around it
        sentence = consumer.refusal()
        assert f"{LEDGER_REFUNDS}/{original.where.partition} at offset" in sentence
        assert event["id"] in sentence
        assert consumer.rows() == kept


def test_a_log_that_is_not_the_one_it_read_stops_it(running: Running, tmp_path: Path) -> None:
    running.settle()
    tell(running, of_every_type())
    where = of_every_type()[-1].where
    consumer = Consumer(running.kafka.bootstrap, tmp_path / "other.db")
    consumer.balance()
    part = f"topic = '{LEDGER_REFUNDS}' AND part = {where.partition}"
    consumer.write(f"UPDATE place SET next_offset = next_offset + 1 WHERE {part}")
    assert "ends before" in consumer.refusal()
    consumer.write(f"UPDATE place SET next_offset = next_offset - 1 WHERE {part}")
    consumer.balance()
    # What is last in the log is not what was read last.
    last = [one for one in in_the_topics(running) if one.where == where][-1]
    consumer.write(f"DELETE FROM posting WHERE id = '{json.loads(last.value)['id']}'")
    assert "contradicts" in consumer.refusal()
    running.spoilt = True
    trim(running, where)
    assert "OffsetOutOfRangeError" in Consumer(running.kafka.bootstrap, tmp_path / "late.db").refusal()


def test_without_kafka_it_says_so(tmp_path: Path) -> None:
    process = Consumer("127.0.0.1:1", tmp_path / "other.db").start()
    told, sentence = process.communicate(timeout=60)
    assert (process.returncode, told) == (1, "")
    assert "Traceback" not in sentence
    assert "127.0.0.1:1" in sentence
