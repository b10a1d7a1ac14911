"""A small region's upstream records, and what they imply, by the independent reading of the policy."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.cli.log import Line
from services.simulator.corruption import Corruption
from services.simulator.records import RawRecord, records
from services.simulator.upstream import write_upstream
from shared.contracts.topics import UPSTREAM
from tests.faults.oracle import Key, Verdicts, judge

# Late, repeated, corrected and conflicting records are wanted; malformed ones only where a test puts them.
CORRUPTION = Corruption(late=0.02, repeated=0.03, corrected=0.02, superseded=0.01, malformed=0.0)
MONEY = frozenset({"exemption", "refund", "contribution_return"})

# The accounts of the chart, written down a second time: the services' own is what is tested.
_INSURANCES = {"pension": "Pension", "unemployment": "Unemployment", "work_injury": "Work-Injury", "medical": "Medical"}
_PROGRAMMES = {"refund": "JobStabilisation", "contribution_return": "ContributionReturn"}

Standing = dict[Key, tuple[str, int]]  # (outcome, fen) by business key


@dataclass(frozen=True, slots=True)
class Upstream:
    """One topic's record with the line that says the same in a file."""

    topic: str
    record: RawRecord | Line
    line: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be there in the end. `net_fen` holds no zeros; accounts are debit minus credit, in fen."""

    standing: Standing
    accounts: Counter[str]
    rejected: Counter[str]

    @property
    def net_fen(self) -> dict[Key, int]:
        return {key: fen for key, (_, fen) in self.standing.items() if key[1] in MONEY and fen}


def simulate(enterprises: int, seed: int, directory: Path) -> list[Upstream]:
    """The region's records, topic by topic, in order of arrival; no two seeds share an enterprise or an id.

    Without the enterprises that move to another prefecture: which one their refund is booked under depends on how
    two topics interleave, and nothing fixes that.
    """
    write_upstream(enterprises, seed, directory, CORRUPTION)
    found: list[Upstream] = []
    for topic in UPSTREAM:
        lines = (directory / f"{topic}.jsonl").read_bytes().splitlines()
        pairs = zip(records(directory, topic), lines, strict=True)
        found += [Upstream(topic, record, line) for record, line in pairs]
    moved = set(_moved(one.line for one in found))
    return [one for one in found if one.record.key not in moved]


def _moved(lines: Iterable[bytes]) -> Iterator[bytes]:
    prefectures: dict[str, str] = {}
    for line in lines:
        event = json.loads(line)
        prefecture = event["data"].get("prefecture")
        if prefecture is not None and prefectures.setdefault(event["subject"], prefecture) != prefecture:
            yield event["subject"].encode()


def halves(region: list[Upstream]) -> tuple[list[Upstream], list[Upstream]]:
    """What arrives first and what arrives last, of every topic."""
    first, last = [], []
    for topic in UPSTREAM:
        of_topic = [one for one in region if one.topic == topic]
        first += of_topic[: len(of_topic) // 2]
        last += of_topic[len(of_topic) // 2 :]
    return first, last


def slices(region: list[Upstream], count: int) -> list[list[Upstream]]:
    """`count` parts, each with its share of every topic, in order."""
    parts: list[list[Upstream]] = [[] for _ in range(count)]
    for topic in UPSTREAM:
        of_topic = [one for one in region if one.topic == topic]
        for position, one in enumerate(of_topic):
            parts[position * count // len(of_topic)].append(one)
    return parts


def expected(region: Iterable[Upstream]) -> Expected:
    """What these records imply once all have gone through, whatever happened on the way, and nothing has been paid."""
    return implied(judge(one.line for one in region))


def implied(verdicts: Verdicts) -> Expected:
    """The same, of what was judged already."""
    standing = {
        key: (decision.outcome, decision.amount_fen)
        for key, decision in verdicts.decisions.items()
        if key[1] != "contribution_return" or decision.amount_fen
    }
    accounts: Counter[str] = Counter()
    for (_, measure, key), decision in verdicts.decisions.items():
        if measure == "exemption":
            insurance = _INSURANCES[key.split("/")[0]]
            accounts[f"Expenses:Relief:Exemption:{insurance}:{decision.prefecture}"] += decision.amount_fen
            accounts[f"Assets:Receivable:Contributions:{insurance}"] -= decision.amount_fen
        elif measure in _PROGRAMMES:
            programme = _PROGRAMMES[measure]
            accounts[f"Expenses:Relief:{programme}:{decision.prefecture}"] += decision.amount_fen
            accounts[f"Liabilities:Payable:Refunds:{programme}"] -= decision.amount_fen
    accounts = Counter({account: fen for account, fen in accounts.items() if fen})
    return Expected(standing, accounts, Counter(verdicts.rejected.values()))


def enterprises_of(region: Iterable[Upstream]) -> set[str]:
    return {json.loads(one.line)["subject"] for one in region}
