"""The example events on disk: `<topic>/<type>.json`, and `<type>.2.json` where one cannot show every field."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.contracts import registry
from shared.contracts.registry import AnyEvent

EXAMPLES = Path(registry.__file__).parent / "examples"
OLDER = Path(__file__).parent / "older"
_NAME = re.compile(r"(?P<type>.+?\.v[0-9]+)(\.[2-9])?\.json")


@dataclass(frozen=True, slots=True)
class Example:
    """One file; `kind` is its event's type, `event` its JSON as it stands there."""

    name: str
    topic: str
    kind: str
    raw: bytes
    event: dict[str, Any]

    @property
    def model(self) -> type[AnyEvent]:
        return registry.models(self.topic)[self.kind]


def load(directory: Path) -> list[Example]:
    """Every example under `directory`, in the order of their names."""
    return [_example(directory, path) for path in sorted(directory.rglob("*")) if path.is_file()]


def _example(directory: Path, path: Path) -> Example:
    name = _NAME.fullmatch(path.name)
    assert name is not None, f"{path} is not named <type>.json or <type>.2.json"
    raw = path.read_bytes()
    relative = path.relative_to(directory)
    return Example(str(relative), relative.parent.as_posix(), name["type"], raw, json.loads(raw))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Every value of a JSON document that holds no other, by where it stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {at: leaf for key, part in inner for at, leaf in leaves(part, (*path, key)).items()}
    return found or {path: value}
