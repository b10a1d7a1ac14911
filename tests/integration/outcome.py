"""What an installation came to for one region, read from every place that keeps it, against what was expected."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.installation import run
from services.cli.log import read
from shared.contracts.topics import DECISIONS, FACTS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, REJECTED
from shared.devkeys import issue_development_token
from tests.faults.oracle import Key
from tests.integration.region import Expected, Standing
from tests.integration.running import Running

# What the bank does with money changes nothing of what is owed.
_SIGNS = {"relief.refund.authorised.v1": 1, "relief.refund.cancelled.v1": -1, "relief.refund.clawback_raised.v1": -1}
_MEASURES = {"job_stabilisation": "refund", "contribution_return": "contribution_return"}
_SHOWN = 10
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Before:
    """Where the accounts stood, and which records had been rejected, before a region was sent."""

    accounts: Counter[str]
    rejected: frozenset[str]
    rejected_again: int


@dataclass(frozen=True, slots=True)
class Told:
    """One topic's events by id, each once, in the order of first appearance, and how many came again."""

    events: dict[str, dict[str, Any]]
    repeats: int


def before(running: Running) -> Before:
    rejected = told(running, REJECTED)
    return Before(accounts(running), frozenset(rejected.events), rejected.repeats)


def told(running: Running, topic: str, enterprises: set[str] | None = None) -> Told:
    """A repeat that is not byte for byte the first is an AssertionError."""

    async def collect() -> Told:
        values: dict[str, bytes] = {}
        events: dict[str, dict[str, Any]] = {}
        repeats = 0
        async for record in read(running.kafka, topic):
            assert record.value is not None
            event = json.loads(record.value)
            if enterprises is not None and event["data"].get("uscc") not in enterprises:
                continue
            name = event["id"]
            # A day or a pack goes to every partition under one id.
            if topic in (FACTS, DECISIONS) and "uscc" not in event["data"]:
                name = f"{name}/{record.partition}"
            repeats += name in values
            first = values.setdefault(name, record.value)
            assert first == record.value, f"{topic}: {name} came again with other content:\n{first!r}\n{record.value!r}"
            events[name] = event
        return Told(events, repeats)

    return run(collect())


def check(running: Running, enterprises: set[str], expected: Expected, earlier: Before) -> None:
    """Decisions, told money, accounts, rejects, eligibility's own answer and `relief reconcile`; differences by key."""
    _same("the decisions log", expected.standing, decided(running, enterprises))
    _same("the ledger topics", expected.net_fen, net_fen(running, enterprises))
    now = accounts(running)
    moved = {account: now[account] - earlier.accounts[account] for account in now}
    _same("the ledger's accounts", expected.accounts, {account: fen for account, fen in moved.items() if fen})
    assert sum(now.values()) == 0, "debits and credits differ"
    rejected = [event for name, event in told(running, REJECTED).events.items() if name not in earlier.rejected]
    _same("the rejected topic", expected.rejected, Counter(event["data"]["code"] for event in rejected))
    for answer in (explained, written):
        _same(f"eligibility's API ({answer.__name__})", expected.standing, answer(running, enterprises))
    reconciled = CliRunner().invoke(app, ["reconcile", "--state", str(running.stack.state)])
    assert reconciled.exit_code == 0, f"relief reconcile: {reconciled.output}"


def decided(running: Running, enterprises: set[str]) -> Standing:
    """The decision of the highest revision per business key."""
    return decided_by(told(running, DECISIONS, enterprises).events)


def decided_by(events: Mapping[str, dict[str, Any]]) -> Standing:
    latest: dict[Key, tuple[int, str, int]] = {}
    for event in events.values():
        data = event["data"]
        key, found = _key(data), (data["revision"], data["outcome"], data["amount_fen"])
        if key not in latest or latest[key][0] < found[0]:
            latest[key] = found
    return _without_returns_of_nothing({key: (outcome, fen) for key, (_, outcome, fen) in latest.items()})


def net_fen(running: Running, enterprises: set[str]) -> dict[Key, int]:
    """What the ledger topics add up to per business key, every event id once; keys that net to 0 are left out."""
    exemptions, refunds = (told(running, topic, enterprises).events for topic in (LEDGER_EXEMPTIONS, LEDGER_REFUNDS))
    return net_by(exemptions, refunds)


def net_by(exemptions: Mapping[str, dict[str, Any]], refunds: Mapping[str, dict[str, Any]]) -> dict[Key, int]:
    net: Counter[Key] = Counter()
    for event in exemptions.values():
        data = event["data"]
        net[data["uscc"], "exemption", f"{data['insurance']}/{data['period']}"] += data["delta_fen"]
    for event in refunds.values():
        data = event["data"]
        net[data["uscc"], _MEASURES[data["programme"]], data["key"]] += (
            _SIGNS.get(event["type"], 0) * data["amount_fen"]
        )
    return {key: fen for key, fen in net.items() if fen}


def explained(running: Running, enterprises: set[str]) -> Standing:
    """What eligibility says of each decision when asked."""
    found = {_key(decision): (decision["outcome"], decision["amount_fen"]) for decision in _asked(running, enterprises)}
    return _without_returns_of_nothing(found)


def written(running: Running, enterprises: set[str]) -> Standing:
    """What eligibility remembers to have told last."""
    remembered = [(_key(decision), decision.get("written")) for decision in _asked(running, enterprises)]
    found = {key: (last["outcome"], last["amount_fen"]) for key, last in remembered if last is not None}
    return _without_returns_of_nothing(found)


def _asked(running: Running, enterprises: set[str]) -> list[dict[str, Any]]:
    # A name of its own: the limit on requests is per caller.
    name = f"auditor-{min(enterprises)}"
    token = issue_development_token(running.stack.state / "secrets", "auditor", name, None)
    headers = {"Authorization": f"Bearer {token}"}
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=running.url("eligibility"), headers=headers, timeout=10, trust_env=False) as client:
        for uscc in sorted(enterprises):
            answer = client.get(f"/v1/enterprises/{uscc}")
            if answer.status_code == 404:
                continue  # never heard of: where it was to be decided on, its decisions are missing from what is found
            assert answer.status_code == 200, f"{uscc}: {answer.text}"
            found += answer.json()["decisions"]
    return found


def accounts(running: Running) -> Counter[str]:
    balance = running.found.get("ledger", "/v1/trial-balance")
    return Counter({account["account"]: account["balance_fen"] for account in balance["accounts"]})


def _key(data: Mapping[str, Any]) -> Key:
    return data["uscc"], data["measure"], data["key"]


def _without_returns_of_nothing(standing: Standing) -> Standing:
    """A return that was decided and then fell to 0 is no decision where no log keeps it."""
    return {key: found for key, found in standing.items() if key[1] != "contribution_return" or found[1]}


def _same(where: str, wanted: Mapping[K, V], found: Mapping[K, V]) -> None:
    """AssertionError with the keys that differ."""
    differing = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
    lines = [f"  {key}: expected {wanted.get(key)}, found {found.get(key)}" for key in sorted(differing, key=str)]
    if differing:
        more = f"\n  ... and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise AssertionError(f"{where} differs in {len(lines)} keys:\n" + "\n".join(lines[:_SHOWN]) + more)
