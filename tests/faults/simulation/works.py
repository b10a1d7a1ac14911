"""What the processes of a history work on: the chain that forgives nothing, and the services' own folds.

A service's records are made by the services before it, in one straight run of a small region.
"""

import json
import pickle
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple
from zlib import crc32

from services.eligibility import handlers as eligibility
from services.eligibility import packs
from services.intake import handlers as intake
from services.ledger.handlers import LedgerFold
from services.payments.handlers import PaymentsFold
from shared.contracts.topics import DECISIONS, FACTS, LEDGER_EXEMPTIONS, TAX
from shared.streaming.folding import step_through
from shared.streaming.records import Fold, Output, Record, States
from tests.faults.simulation.fold import Chaining
from tests.integration.region import Upstream, simulate
from tests.properties.logs import PACK, SEALING, decided, facts_of, numbered, under

Kind = Literal["log-fed", "database"]
PARTITIONS = 2
_ENTERPRISES, _REGION_SEED = 60, 7


class Sent(NamedTuple):
    """A record without a place."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Name(str):
    """A topic's name with the same hash in every process: the order of a set must not depend on the interpreter."""

    __slots__ = ()

    def __hash__(self) -> int:
        return crc32(self.encode())


IN, OUT = Name("in"), Name("out")


@dataclass(frozen=True)
class Work:
    """`stream`: what a writer has to tell in one partition, drawn; `identity`: what an output is known by."""

    kinds: tuple[Kind, ...]
    topic: str
    fold: Callable[[], Fold[Any, Any]]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    stream: Callable[[random.Random, int], Sequence[Sent]]
    identity: Callable[[bytes], str] = lambda value: str(json.loads(value)["id"])


def _chain(chance: random.Random, partition: int) -> Sequence[Sent]:
    return [
        Sent(f"{partition}{'abc'[(n * n + partition) % 3]}".encode(), json.dumps({"origin": n}).encode())
        for n in range(1, chance.randint(4, 9))
    ]


@cache
def _region() -> tuple[dict[bytes, list[Upstream]], tuple[bytes, ...]]:
    by_key: dict[bytes, list[Upstream]] = defaultdict(list)
    with TemporaryDirectory(prefix="relief-region-") as directory:
        for one in simulate(_ENTERPRISES, _REGION_SEED, Path(directory)):
            by_key[one.record.key or b""].append(one)
    return by_key, tuple(sorted(by_key))


def _mine(chance: random.Random, partition: int) -> list[Upstream]:
    """Of one or two enterprises, none of which is in another partition; topic by topic, as they came."""
    by_key, keys = _region()
    own = keys[partition::PARTITIONS]
    return [one for key in chance.sample(own, chance.choice((1, 1, 2))) for one in by_key[key]]


def _upstream(chance: random.Random, partition: int) -> Sequence[Sent]:
    mine = [one.record for one in _mine(chance, partition) if one.topic == TAX]
    first = chance.randrange(max(1, len(mine) - 6))
    return [Sent(one.key or b"", one.value or b"", tuple(one.headers)) for one in mine[first : first + 12]]


def _facts(chance: random.Random, partition: int) -> list[Record]:
    """Registrations come first, and of the rest some; the pack is in force from the beginning."""
    mine = facts_of([one.line for one in _mine(chance, partition)])
    mine.sort(key=lambda fact: b"registered" not in (fact.value or b""))
    chosen = mine[:1] + [mine[at] for at in sorted(chance.sample(range(1, len(mine)), min(11, len(mine) - 1)))]
    return under(PACK, [Record(FACTS, partition, 0, one.key, one.value) for one in chosen])


def _decisions(chance: random.Random, partition: int) -> list[Record]:
    return [one.record for one in decided(_facts(chance, partition))]


def _money(chance: random.Random, partition: int) -> list[Record]:
    told = [one for one in straight(PaymentsFold(), _decisions(chance, partition)) if one.topic == LEDGER_EXEMPTIONS]
    return numbered(Record(one.topic, partition, 0, one.key, one.value) for one in told)


def straight(fold: Fold[Any, Any], records: Sequence[Record]) -> list[Output]:
    """All that is told of the records, by one who is never disturbed."""
    return step_through(fold, records, [fold.decode(record) for record in records], States({}), {})


def _sent(made: Callable[[random.Random, int], list[Record]]) -> Callable[[random.Random, int], Sequence[Sent]]:
    return lambda chance, partition: [Sent(one.key or b"", one.value or b"") for one in made(chance, partition)]


_pickled = partial(pickle.dumps, protocol=5)
WORKS = {
    "chain": Work(("log-fed", "database"), IN, partial(Chaining, OUT), str.encode, bytes.decode, _chain,
                  identity=lambda value: value.decode().partition(" ")[0]),
    "intake": Work(("log-fed",), TAX, partial(intake.IntakeFold, SEALING), intake.encode_state,
                   intake.decode_state, _upstream),
    "eligibility": Work(("log-fed",), FACTS, partial(eligibility.EligibilityFold, packs.by_hash),
                        eligibility.encode_state, eligibility.decode_state, _sent(_facts)),
    # In the database their states are rows; that these give back what was put is the stores' own suite's to prove.
    "payments": Work(("database",), DECISIONS, PaymentsFold, _pickled, pickle.loads, _sent(_decisions)),
    "ledger": Work(("database",), LEDGER_EXEMPTIONS, LedgerFold, _pickled, pickle.loads, _sent(_money)),
}  # fmt: skip
