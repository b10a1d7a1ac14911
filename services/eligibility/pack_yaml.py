"""One YAML file of a pack: what it says, and on which line it says it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.streaming.errors import Stop

# The C parser where the library has it: a folder of cases in a tenth of a second.
_FAST_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """`lines`: from the place of a value (its keys and list positions) to its line, counted from 1."""

    path: Path
    content: Any
    lines: dict[Key, int]

    def where(self, key: Key) -> str:
        """`pack/file.yaml:line` of the key, or of the nearest part of it that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path.parent.name}/{self.path.name}:{self.lines.get(key, 1)}"


class _Loader(yaml.SafeLoader):
    """YAML as written: a key that occurs twice in one mapping is refused, where the library would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path) -> Source:
    """Stop with one sentence that names file and line where it cannot be read."""
    name = f"{path.parent.name}/{path.name}"
    lines: dict[Key, int] = {}
    with _readable(name):
        loader = _Loader(_text(path))
        node = loader.get_single_node()
        if node is not None:
            _number(node, (), lines)
        content = loader.construct_document(node) if node is not None else None
    return Source(path, content, lines)


def compose(path: Path, name: str) -> yaml.Node | None:
    """The file's one document as written, every scalar a text; None when empty. Stops as `read` does, by this name."""
    with _readable(name):
        return yaml.compose(_text(path), Loader=_FAST_LOADER)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise Stop(f"Policy file {path.name} is missing in {path.parent.name}.") from None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = name if mark is None else f"{name}:{mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise Stop(f"{place}: the file cannot be read: {' '.join(problem.split())}.") from None


def _number(node: yaml.Node, key: Key, lines: dict[Key, int]) -> None:
    lines[key] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            lines[*key, name.value] = name.start_mark.line + 1
            _number_inner(value, (*key, name.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _number(value, (*key, position), lines)


def _number_inner(node: yaml.Node, key: Key, lines: dict[Key, int]) -> None:
    """Below a key that has its line already: a mapping is named by its key's line, not by its first member's."""
    line = lines[key]
    _number(node, key, lines)
    lines[key] = line
