"""A pure step that forgives nothing: per key a chain of digests, which every loss, repeat and swap breaks for good."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.streaming.records import Cause, Output, Raw, States

OUT_PARTITIONS = 2


class Link(NamedTuple):
    key: str
    origin: int
    cause: Cause


class Chaining:
    """`{"origin": n}` under a key: the key's chain grows by it and is told, in one output partition or in both."""

    def __init__(self, out: str) -> None:
        self._out = out

    def decode(self, record: Raw) -> Link:
        origin = json.loads(record.value or b"")["origin"]
        return Link((record.key or b"").decode(), origin, Cause("writer/0", (origin, 0)))

    def keys(self, fact: Link) -> Iterable[str]:
        return (fact.key,)

    def cause(self, fact: Link) -> Cause:
        return fact.cause

    def step(self, states: States[str], fact: Link, record: Raw) -> Sequence[Output]:
        before = states.get(fact.key) or "0:"
        count = int(before.partition(":")[0]) + 1
        after = f"{count}:{hashlib.blake2b(f'{before} {fact.origin}'.encode(), digest_size=8).hexdigest()}"
        states.put(fact.key, after)
        # One key always goes to one partition, as an enterprise does; every third is told in the other one too.
        home = ord(fact.key[-1]) % OUT_PARTITIONS
        parts = [home] if count % 3 else [home, 1 - home]
        return [
            Output(self._out, part, fact.key.encode(), f"{record.partition}/{fact.origin}/{n} {after}".encode())
            for n, part in enumerate(parts)
        ]
