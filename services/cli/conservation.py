"""Conservation, checked from the topics alone: every decision against what payments told the ledgers.

Works partition by partition, because an enterprise keeps its partition number from facts to ledgers: memory holds one
twelfth of a region at a time.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.cli.log import read
from shared.contracts.decisions import DecisionMadeData
from shared.contracts.ledger_events import ExemptionData, RefundData
from shared.contracts.registry import decoder
from shared.contracts.topics import DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, topics

# What an event does to the amount authorised for its business key; the rest of a payment's life moves money on.
_REFUND_SIGNS = {
    "relief.refund.authorised.v1": 1,
    "relief.refund.cancelled.v1": -1,
    "relief.refund.clawback_raised.v1": -1,
}
_PROGRAMMES = {"job_stabilisation": "refund", "contribution_return": "contribution_return"}
_MONEY = frozenset({"exemption", "refund", "contribution_return"})

BusinessKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One business key on which two records of the same money disagree; fen."""

    uscc: str
    measure: str
    key: str
    decided_fen: int
    told_fen: int
    why: str


@dataclass(slots=True)
class Findings:
    """What the topics say. Keys of `decided`: (measure, outcome); of `events`: event types; of the others: measures."""

    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    decided_fen: Counter[str] = field(default_factory=Counter)
    told_fen: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    differences: list[Difference] = field(default_factory=list)


async def check(kafka: str) -> Findings:
    """Read decisions and ledger topics once, and compare per business key."""
    findings = Findings()
    for partition in range(topics()[DECISIONS].partitions):
        latest = await _latest_decisions(kafka, partition)
        told = await _told(kafka, partition, findings)
        for (_, measure, _), (_, outcome, amount) in latest.items():
            findings.decided[measure, outcome] += 1
            findings.decided_fen[measure] += amount
        for (_, measure, _), amount in told.items():
            findings.told_fen[measure] += amount
        findings.differences += _compare(latest, told)
    return findings


async def _latest_decisions(kafka: str, partition: int) -> dict[BusinessKey, tuple[int, str, int]]:
    """(revision, outcome, amount) of the highest revision of each business key."""
    adapter = decoder(DECISIONS)
    latest: dict[BusinessKey, tuple[int, str, int]] = {}
    async for record in read(kafka, DECISIONS, [partition]):
        data = adapter.validate_json(record.value or b"").data
        if not isinstance(data, DecisionMadeData):
            continue
        key = (data.uscc, data.measure, data.key)
        if key not in latest or latest[key][0] < data.revision:
            latest[key] = (data.revision, data.outcome, data.amount_fen)
    return latest


async def _told(kafka: str, partition: int, findings: Findings) -> Counter[BusinessKey]:
    """Net fen per business key from the ledger events, each id once."""
    told: Counter[BusinessKey] = Counter()
    for topic in (LEDGER_EXEMPTIONS, LEDGER_REFUNDS):
        seen: set[str] = set()
        adapter = decoder(topic)
        async for record in read(kafka, topic, [partition]):
            event = adapter.validate_json(record.value or b"")
            if event.id in seen:
                findings.repeats += 1
                continue
            seen.add(event.id)
            findings.events[event.type] += 1
            if isinstance(event.data, ExemptionData):
                told[event.data.uscc, "exemption", f"{event.data.insurance}/{event.data.period}"] += (
                    event.data.delta_fen
                )
            elif isinstance(event.data, RefundData):
                sign = _REFUND_SIGNS.get(event.type, 0)
                told[event.data.uscc, _PROGRAMMES[event.data.programme], event.data.key] += sign * event.data.amount_fen
    return told


def _compare(latest: dict[BusinessKey, tuple[int, str, int]], told: Counter[BusinessKey]) -> Iterator[Difference]:
    for key in sorted(latest.keys() | told.keys()):
        if key[1] not in _MONEY:
            continue
        decided = latest[key][2] if key in latest else 0
        if decided != told[key]:
            why = "told without a decision" if key not in latest else "payments told another amount than was decided"
            yield Difference(*key, decided, told[key], why)
