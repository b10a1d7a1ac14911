"""`topics.yaml` as data: the one declaration of every topic."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

TAX = "upstream.tax.v1"
INSURANCE = "upstream.insurance.v1"
UTILITY = "upstream.utility.v1"
APPLICATIONS = "intake.applications.v1"
OPERATIONS = "intake.operations.v1"
COMMANDS = "payments.commands.v1"
PACKS = "relief.packs.v1"
FACTS = "relief.facts.v1"
REJECTED = "relief.rejected.v1"
DECISIONS = "relief.decisions.v1"
LEDGER_EXEMPTIONS = "ledger.exemptions.v1"
LEDGER_REFUNDS = "ledger.refunds.v1"
ORDERS = "holdover.orders.v1"

UPSTREAM = (TAX, INSURANCE, UTILITY, APPLICATIONS)


@dataclass(frozen=True, slots=True)
class Topic:
    """`outage` retention: longer than the longest outage; the log may be trimmed of what was done."""

    name: str
    what: str
    key: str
    partitions: int
    retention: Literal["forever", "outage"]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    types: tuple[str, ...] | Literal["facts"]
    planned: bool = False


@cache
def topics() -> dict[str, Topic]:
    """Every topic by name, in the file's order."""
    declared = yaml.safe_load((Path(__file__).parent / "topics.yaml").read_text("utf-8"))
    return {name: _topic(name, fields) for name, fields in declared.items()}


def _topic(name: str, fields: dict[str, object]) -> Topic:
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Topic(name=name, **lists)  # type: ignore[arg-type]  # a test holds every field's type
