"""What goes into a fold and what comes out of it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
from aiokafka.partitioner import murmur2

S = TypeVar("S")
F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)


class Raw(Protocol):
    """A consumed record: aiokafka's ConsumerRecord, or a `Record` where there is no broker."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Record:
    """A record in hand; `timestamp` in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 0


class Output(NamedTuple):
    """One record to publish; the partition is chosen by the fold, so that a replay chooses it again."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The `origin` of one of our own events: (source topic/partition, (offset, index))."""

    source: str
    position: tuple[int, int]


@dataclass(slots=True)
class Mark:
    """Where a reader stands in one partition, kept in the same commit as the states it led to.

    `digest` is of the last record taken, at `last_offset` (-1: none yet); `watermarks` holds, per source
    topic/partition, the highest `origin` position seen here.
    """

    next_offset: int
    last_offset: int = -1
    digest: bytes = b""
    watermarks: dict[str, tuple[int, int]] = field(default_factory=dict)


class States(Generic[S]):
    """The states of a batch's keys: loaded once, changed in memory, committed together or dropped."""

    __slots__ = ("_values", "changed")

    def __init__(self, values: dict[str, S]) -> None:
        self._values = values
        self.changed: set[str] = set()

    def get(self, key: str) -> S | None:
        return self._values.get(key)

    def put(self, key: str, value: S) -> None:
        self._values[key] = value
        self.changed.add(key)

    def changes(self) -> dict[str, S]:
        return {key: self._values[key] for key in self.changed}

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


class Fold(Protocol[F, S]):
    """A service as the runner sees it. All four are pure: no clock, no I/O, no randomness."""

    def decode(self, record: Raw) -> F:
        """Bytes to a fact. Never raises for what a sender can get wrong where the service may reject."""
        ...

    def keys(self, fact: F) -> Iterable[str]:
        """The state keys that `step` will read or write."""
        ...

    def cause(self, fact: F) -> Cause | None:
        """The fact's origin, for the high-watermark; None for records that are not ours."""
        ...

    def step(self, states: States[S], fact: F, record: Raw) -> Sequence[Output]:
        """The outputs, a function of the states of the keys and this one record."""
        ...


def digest(record: Raw) -> bytes:
    """Recognises a record again: 16 bytes over key and value, length-prefixed, None told from empty."""
    h = hashlib.blake2b(digest_size=16)
    for part in (record.key, record.value):
        h.update(b"-" if part is None else len(part).to_bytes(8, "big") + part)
    return h.digest()


def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's default partitioner (murmur2), so that any producer with the default agrees with us."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
