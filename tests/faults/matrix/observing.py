"""Reading what an installation came to for one region, without an opinion: counting has it."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.installation import run
from services.cli.log import read
from shared.contracts.topics import DECISIONS, FACTS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, ORDERS, REJECTED
from tests.faults.matrix.counting import Found
from tests.integration import outcome
from tests.integration.outcome import Before
from tests.integration.running import Running

_TOLD = (FACTS, DECISIONS, ORDERS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
# How a sentence of its begins.
RECONCILE = "relief reconcile"


@dataclass(frozen=True, slots=True)
class Heard:
    """One topic's events by id, and what came again: with the same bytes, or with other ones."""

    events: dict[str, dict[str, Any]]
    repeats: int
    two_contents: tuple[str, ...]


def hear(running: Running, topic: str, enterprises: set[str] | None = None) -> Heard:
    async def collect() -> Heard:
        values: dict[str, bytes] = {}
        repeats, differing = 0, []
        async for record in read(running.kafka, topic):
            assert record.value is not None
            data = json.loads(record.value)
            if enterprises is not None and data["data"].get("uscc") not in enterprises:
                continue
            repeats += data["id"] in values
            if values.setdefault(data["id"], record.value) != record.value:
                differing.append(data["id"])
        return Heard({name: json.loads(value) for name, value in values.items()}, repeats, tuple(differing))

    return run(collect())


@dataclass(frozen=True, slots=True)
class Observed:
    """What was found; how many records came again with the same bytes; the events of refunds and orders, in order."""

    found: Found
    repeats: int
    refunds: dict[str, dict[str, Any]]
    orders: dict[str, dict[str, Any]]


def observe(running: Running, enterprises: set[str], earlier: Before) -> Observed:
    heard = {name: hear(running, name, enterprises) for name in _TOLD}
    rejects = hear(running, REJECTED)
    other: list[str] = []
    two_contents = tuple(name for one in (*heard.values(), rejects) for name in one.two_contents)
    money = heard[LEDGER_EXEMPTIONS].events | heard[LEDGER_REFUNDS].events
    now = outcome.accounts(running)
    moved = {account: now[account] - earlier.accounts[account] for account in now}
    if sum(now.values()):
        other.append("debits and credits differ")
    reconciled = CliRunner().invoke(app, ["reconcile", "--state", str(running.stack.state)])
    if reconciled.exit_code:
        other.append(f"{RECONCILE}: {reconciled.output}")
    found = Found(
        standing=outcome.decided_by(heard[DECISIONS].events),
        net_fen=outcome.net_by(heard[LEDGER_EXEMPTIONS].events, heard[LEDGER_REFUNDS].events),
        accounts={account: fen for account, fen in moved.items() if fen},
        rejected=Counter(e["data"]["code"] for name, e in rejects.events.items() if name not in earlier.rejected),
        told=frozenset(money),
        posted=_posted(running, enterprises),
        effects=_effects(money),
        two_contents=two_contents,
        stated={
            "eligibility's answers": outcome.explained(running, enterprises),
            "eligibility's memory": outcome.written(running, enterprises),
        },
        other=tuple(other),
    )
    repeats = sum(one.repeats for one in heard.values()) + rejects.repeats - earlier.rejected_again
    return Observed(found, repeats, heard[LEDGER_REFUNDS].events, heard[ORDERS].events)


def _posted(running: Running, enterprises: set[str]) -> Counter[str]:
    with psycopg.connect(running.environment["RELIEF_POSTGRES_URL"], autocommit=True) as db:
        rows = db.execute("SELECT event_id FROM ledger.posting WHERE uscc = ANY(%s)", (sorted(enterprises),)).fetchall()
    return Counter(row[0].hex for row in rows)


def _effects(money: dict[str, dict[str, Any]]) -> Counter[str]:
    """By business step, under how many ids it was told. The table says what makes two steps the same one."""
    ids: dict[str, set[str]] = defaultdict(set)
    for name, event in money.items():
        data, kind = event["data"], event["type"]
        if kind.startswith("relief.exemption."):
            step = f"{data['exemption_id']}, revision {data['revision']}"
        elif kind == "relief.refund.authorised.v1":
            step = f"a payment by decision {data['decision_id']}"
        elif kind == "relief.refund.clawback_settled.v1":
            continue  # comes in parts; what they add up to is compared with the bank
        else:
            step = f"{kind} of {data['clawback_id'] or data['payment_id']}"
        ids[step].add(name)
    return Counter({step: len(names) for step, names in ids.items()})
