"""What only the logs can say: on which day each fact and each grant became known."""

import json
from collections.abc import Mapping
from datetime import date

from aiokafka.structs import TopicPartition

from services.cli.installation import run
from services.cli.reconcile_logs import Record, bounds, read_between
from shared.contracts.topics import DECISIONS, FACTS
from tests.faults.oracle_holdovers import Known
from tests.integration.running import Running

Places = Mapping[TopicPartition, int]
_DAY = "relief.day.started.v1"


def places(running: Running) -> Places:
    """Where both logs end now."""
    return {log: end for log, (_, end) in run(bounds(running.kafka, (FACTS, DECISIONS))).items()}


def known(running: Running, since: Places, day: date) -> Known:
    """From what the logs hold since then; `day`: the last that had started everywhere at `since`."""
    reading = _Reading(dict.fromkeys(since, day.isoformat()))
    spans = {log: (since[log], end) for log, (_, end) in run(bounds(running.kafka, (FACTS, DECISIONS))).items()}
    run(read_between(running.kafka, spans, reading.take))
    return Known(reading.facts, reading.granted, min(reading.days.values()))


class _Reading:
    def __init__(self, days: dict[TopicPartition, str]) -> None:
        self.days = days
        self.facts: dict[tuple[str, str], str] = {}
        self.granted: dict[tuple[str, str], str] = {}
        self._revisions: dict[tuple[str, str], int] = {}

    def take(self, record: Record) -> None:
        log = TopicPartition(record.topic, record.partition)
        event = json.loads(record.value or b"")
        data = event["data"]
        if event["type"] == _DAY:
            # A day may be told again after later ones.
            self.days[log] = max(self.days[log], data["date"])
        elif record.topic == FACTS and "uscc" in data:
            self.facts.setdefault((data["uscc"], event["id"]), self.days[log])
        elif record.topic == DECISIONS and data.get("measure") == "holdover":
            self._rule((data["uscc"], data["key"]), data["revision"], data["outcome"], self.days[log])

    def _rule(self, key: tuple[str, str], revision: int, outcome: str, day: str) -> None:
        if revision <= self._revisions.get(key, 0):
            return
        self._revisions[key] = revision
        if outcome == "granted":
            self.granted.setdefault(key, day)
        else:
            self.granted.pop(key, None)
