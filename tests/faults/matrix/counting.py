"""What a fault did to the money: effects that are missing, that came twice, and that came to another amount."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.faults.oracle import Key
from tests.integration.region import Expected, Standing

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Found:
    """What an installation came to for one region, read from every place that keeps it.

    `effects` counts, by business step (a grant's revision, a payment's authorisation), the ids it was told under.
    `posted` counts the ledger's rows by event id. `two_contents`: ids told with differing bytes. `stated`: what each
    other place says of the decisions, by the place's name. `other`: sentences of checks that give no keys.
    """

    standing: Standing
    net_fen: Mapping[Key, int]
    accounts: Mapping[str, int]
    rejected: Mapping[str, int]
    told: frozenset[str] = frozenset()
    posted: Mapping[str, int] = field(default_factory=dict)
    effects: Mapping[str, int] = field(default_factory=dict)
    two_contents: tuple[str, ...] = ()
    stated: Mapping[str, Standing] = field(default_factory=dict)
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """A sentence for each."""

    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.repeated or self.wrong)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.lost + other.lost, self.repeated + other.repeated, self.wrong + other.wrong)


NOTHING = Counts((), (), ())


def count(expected: Expected, found: Found) -> Counts:
    """The same key may be counted in several places: in the log, in the ledger, in an answer."""
    return Counts(tuple(_lost(expected, found)), tuple(_repeated(expected, found)), tuple(_wrong(expected, found)))


def _lost(expected: Expected, found: Found) -> Iterator[str]:
    for place, standing in _places(found):
        yield from (f"{place} lack {key}" for key in _missing(expected.standing, standing))
    yield from (f"no money was told for {key}" for key in _missing(expected.net_fen, found.net_fen))
    yield from (f"the ledger has no row for event {name}" for name in sorted(found.told - found.posted.keys()))
    for code, number in (Counter(expected.rejected) - Counter(found.rejected)).items():
        yield from [f"a record was not rejected as {code}"] * number


def _repeated(expected: Expected, found: Found) -> Iterator[str]:
    yield from (f"event {name} was told with two contents" for name in found.two_contents)
    yield from (f"{step} was told under {number} ids" for step, number in found.effects.items() if number > 1)
    yield from (f"event {name} was posted {number} times" for name, number in found.posted.items() if number > 1)
    for code, number in (Counter(found.rejected) - Counter(expected.rejected)).items():
        yield from [f"a record was rejected once too often, as {code}"] * number


def _wrong(expected: Expected, found: Found) -> Iterator[str]:
    for place, standing in _places(found):
        yield from _differing(place, expected.standing, standing)
    yield from _differing("told money", expected.net_fen, found.net_fen)
    yield from _differing("accounts", {**dict.fromkeys(found.accounts, 0), **expected.accounts}, found.accounts)
    yield from (f"accounts lack {account}" for account in _missing(expected.accounts, found.accounts))
    yield from (f"event {name} was posted and never told" for name in sorted(found.posted.keys() - found.told))
    yield from found.other


def _places(found: Found) -> Iterable[tuple[str, Standing]]:
    return [("decisions", found.standing), *found.stated.items()]


def _missing(wanted: Mapping[K, object], found: Mapping[K, object]) -> list[K]:
    return sorted(wanted.keys() - found.keys(), key=str)


def _differing(place: str, wanted: Mapping[K, V], found: Mapping[K, V]) -> Iterator[str]:
    """Of what is there: another amount, or nothing that should be there."""
    for key in sorted(found, key=str):
        if found[key] != wanted.get(key):
            yield f"{place}: {key} is {found[key]}, expected {wanted.get(key)}"
