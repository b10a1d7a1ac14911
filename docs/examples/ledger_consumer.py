"""Another ledger: posts what has come since it last ran, prints a trial balance in fen, and ends.

Usage: python ledger_consumer.py KAFKA_ADDRESS DATABASE_FILE
"""

import asyncio
import json
import sqlite3
import sys
from collections import Counter

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

TOPICS = ("ledger.exemptions.v1", "ledger.refunds.v1")
USED = {"insurance", "programme", "prefecture", "amount_fen", "delta_fen", "booked_on"}
NAMES = {"pension": "Pension", "unemployment": "Unemployment", "work_injury": "Work-Injury", "medical": "Medical"}
NAMES |= {"job_stabilisation": "JobStabilisation", "contribution_return": "ContributionReturn"}
WAIVED = ("Expenses:Relief:Exemption:{purpose}:{prefecture}", "Assets:Receivable:Contributions:{purpose}")
RELIEF, PAYABLE = "Expenses:Relief:{purpose}:{prefecture}", "Liabilities:Payable:Refunds:{purpose}"
CLAIM, TRANSIT, FUND = "Assets:Receivable:Clawback:{purpose}", "Assets:Bank:InTransit", "Assets:Bank:Fund"
CHART = {f"relief.exemption.{change}.v1": WAIVED for change in ("granted", "amended", "revoked")} | {
    "relief.refund.authorised.v1": (RELIEF, PAYABLE),  # debit, credit
    "relief.refund.submitted.v1": (PAYABLE, TRANSIT),
    "relief.refund.settled.v1": (TRANSIT, FUND),
    "relief.refund.rejected.v1": (TRANSIT, PAYABLE),
    "relief.refund.cancelled.v1": (PAYABLE, RELIEF),
    "relief.refund.clawback_raised.v1": (CLAIM, RELIEF),
    "relief.refund.clawback_settled.v1": (FUND, CLAIM),
    "relief.refund.clawback_written_off.v1": (RELIEF, CLAIM),
}
SCHEMA = """
CREATE TABLE IF NOT EXISTS posting (id TEXT PRIMARY KEY, booked_on TEXT NOT NULL, debit TEXT NOT NULL,
  credit TEXT NOT NULL, fen INTEGER NOT NULL CHECK (fen > 0), event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (topic TEXT, part INTEGER, next_offset INTEGER, PRIMARY KEY (topic, part));
CREATE VIEW IF NOT EXISTS trial_balance AS SELECT account, sum(debit), sum(credit), sum(debit) - sum(credit) FROM
  (SELECT debit AS account, fen AS debit, 0 AS credit FROM posting UNION ALL SELECT credit, 0, fen FROM posting)
  GROUP BY account ORDER BY account"""
passed_over: Counter[str] = Counter()


def posting(record: ConsumerRecord) -> tuple[str, str, str, str, int, bytes]:
    """The row of an event. What cannot be booked ends the program: a ledger that skips is wrong ever after."""
    try:
        event = json.loads(record.value)
        data, signed = event["data"], event["type"].startswith("relief.exemption.")
        purpose, fen = data["insurance" if signed else "programme"], data["delta_fen" if signed else "amount_fen"]
        legs = [leg.format(purpose=NAMES[purpose], prefecture=data["prefecture"]) for leg in CHART[event["type"]]]
        if type(fen) is not int or not 0 < abs(fen) < 2**63 or (fen < 0 and not signed):
            raise ValueError(f"it moves {fen!r} fen")
        passed_over.update(data.keys() - USED)
        debit, credit = legs if fen > 0 else reversed(legs)
        return event["id"], data["booked_on"], debit, credit, abs(fen), record.value
    except (AttributeError, KeyError, TypeError, ValueError) as why:
        where = f"{record.topic}/{record.partition} at offset {record.offset}"
        sys.exit(f"{where} cannot be booked ({why!r}). If it is something new, teach this program; start it again.")


def take(db: sqlite3.Connection, records: list[ConsumerRecord], place: int) -> None:
    """The rows of a partition's next records and the place after them: one transaction, all or nothing."""
    with db:
        for record in records:
            row = posting(record)
            fresh = db.execute("INSERT INTO posting VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount
            same = (record.value,) == db.execute("SELECT event FROM posting WHERE id = ?", row[:1]).fetchone()
            if not same or (fresh and record.offset < place):
                where = f"{record.topic}/{record.partition} at offset {record.offset}"
                sys.exit(f"{where} contradicts what was read before, event {row[0]}. Find out which of the two holds.")
            passed_over["repeats"] += not fresh
        db.execute("REPLACE INTO place VALUES (?, ?, ?)", (record.topic, record.partition, record.offset + 1))


async def catch_up(db: sqlite3.Connection, kafka: str) -> None:
    """Takes every partition from its place to where it ends now."""
    consumer = AIOKafkaConsumer(*TOPICS, bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="none")
    try:
        await consumer.start()
        known = {(topic, part): place for topic, part, place in db.execute("SELECT * FROM place")}
        places = {where: known.get(where, 0) for where in consumer.assignment()}
        for where, place in places.items():
            consumer.seek(where, max(place - 1, 0))  # the last record taken has to be there still
        ends = await consumer.end_offsets(places)
        if short := ["{}/{}".format(*where) for where, place in places.items() if ends[where] < place]:
            sys.exit(f"{', '.join(short)} ends before the place read to. Find out what became of the log.")
        while any([await consumer.position(where) < end for where, end in ends.items()]):
            for where, records in (await consumer.getmany(timeout_ms=500, max_records=200)).items():
                take(db, records, places[where])
    finally:
        await consumer.stop()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        database = sqlite3.connect(sys.argv[2])
        database.executescript(SCHEMA)
        asyncio.run(catch_up(database, sys.argv[1]))
        for account in database.execute("SELECT * FROM trial_balance"):
            sys.stdout.write("{}\t{}\t{}\t{}\n".format(*account))
        sys.stderr.write(f"Passed over, how often: {dict(passed_over)}\n")
    except (KafkaError, sqlite3.Error) as why:
        sys.exit(f"Kafka at {sys.argv[1]} or the file {sys.argv[2]} did not do: {why!r}. Put it right and start again.")
