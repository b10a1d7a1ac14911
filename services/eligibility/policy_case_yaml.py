"""Case files as a tree that knows its lines: every scalar is the text as written, and nothing is guessed from it.

Cases are read strictly, so that a misspelt key is a sentence with its place and never a case that tests something else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import yaml

from services.eligibility.pack_yaml import compose
from shared.streaming.errors import Stop

_AMOUNT = re.compile(r"(?P<sign>-?)(?P<number>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?P<part>[.][0-9]+)? (?P<unit>[a-z ]+)")
_FEN = {"fen": 1, "yuan": 100, "million yuan": 100_000_000}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a case file. The readers below return it as what it must be, or Stop with file, line, sentence."""

    raw: yaml.Node
    file: str

    @property
    def line(self) -> int:
        return int(self.raw.start_mark.line) + 1

    def refuse(self, sentence: str) -> NoReturn:
        raise Stop(f"{self.file}:{self.line}: {sentence}")

    def is_text(self) -> bool:
        return isinstance(self.raw, yaml.ScalarNode)

    def is_list(self) -> bool:
        return isinstance(self.raw, yaml.SequenceNode)

    def text(self) -> str:
        if not isinstance(self.raw, yaml.ScalarNode) or not self.raw.value.strip():
            self.refuse("a text is expected here.")
        return str(self.raw.value)

    def items(self) -> list["Node"]:
        if not isinstance(self.raw, yaml.SequenceNode) or not self.raw.value:
            self.refuse("a list with at least one entry is expected here.")
        return [Node(raw, self.file) for raw in self.raw.value]

    def entries(self) -> list[tuple["Node", "Node"]]:
        """Keys and values in the order written; no key twice."""
        if not isinstance(self.raw, yaml.MappingNode):
            self.refuse("`key: value` is expected here.")
        seen: set[str] = set()
        pairs = [(Node(key, self.file), Node(value, self.file)) for key, value in self.raw.value]
        for key, _ in pairs:
            if key.text() in seen:
                key.refuse(f"`{key.text()}` occurs twice.")
            seen.add(key.text())
        return pairs

    def fields(self, allowed: Iterable[str], required: Iterable[str] = ()) -> dict[str, "Node"]:
        """Values by key: no key but the allowed ones, and all of the required."""
        known = tuple(allowed)
        found: dict[str, Node] = {}
        for key, value in self.entries():
            if key.text() not in known:
                key.refuse(f"`{key.text()}` is not known here; known are: {', '.join(known)}.")
            found[key.text()] = value
        for name in required:
            if name not in found:
                self.refuse(f"`{name}` is missing.")
        return found

    def one_of(self, words: Iterable[str]) -> str:
        known = tuple(words)
        if self.text() not in known:
            self.refuse(f"`{self.text()}` is not known here; known are: {', '.join(known)}.")
        return self.text()

    def whole(self) -> int:
        """A number of people or a version; thousands may be set off by commas."""
        if not re.fullmatch("[0-9]{1,3}(,[0-9]{3})+|[0-9]+", self.text()):
            self.refuse(f"`{self.text()}` is not a whole number.")
        return int(self.text().replace(",", ""))

    def yes(self) -> bool:
        return self.one_of(("yes", "no")) == "yes"

    def day(self) -> str:
        try:
            return date.fromisoformat(self.text()).isoformat()
        except ValueError:
            self.refuse(f"`{self.text()}` is not a day written YYYY-MM-DD.")

    def month(self) -> str:
        if not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", self.text()):
            self.refuse(f"`{self.text()}` is not a month written YYYY-MM.")
        return self.text()

    def fen(self) -> int:
        """`1,000.00 yuan`, `0.5 million yuan` or `1 fen`, negative too: the unit is always said."""
        found = _AMOUNT.fullmatch(self.text())
        if found is None or found["unit"] not in _FEN:
            self.refuse(f"`{self.text()}` is no amount; write for example `1,000.00 yuan`, `5 million yuan`, `1 fen`.")
        fen = Decimal(found["sign"] + found["number"].replace(",", "") + (found["part"] or "")) * _FEN[found["unit"]]
        if fen != int(fen):
            self.refuse(f"`{self.text()}` is not a whole number of fen.")
        return int(fen)

    def exact_fen(self) -> int:
        """As `fen`, of an expectation: yuan are written with two decimals, so that no fen is left to the reader."""
        if not re.search("([.][0-9]{2} yuan| fen)$", self.text()):
            self.refuse(f"`{self.text()}` is not an exact amount; write yuan with two decimals, or fen.")
        return self.fen()


def read(path: Path, file: str) -> Node:
    """The file's one document; `file` is what messages call it."""
    raw = compose(path, file)
    if raw is None:
        raise Stop(f"{file}:1: the file is empty.")
    return Node(raw, file)
