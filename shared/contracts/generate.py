"""JSON Schemas of every event, from the models: `python -m shared.contracts.generate [--check]`.

One file per topic and type, for those who write or read the topics in another language. They describe the wire: what a
sender must put in (`required`), and every field a reader may find.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from shared.contracts import registry, topics

SCHEMAS = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The models fill these in when our own code makes an event; on the wire they must be there.
_ALWAYS_ON_THE_WIRE = ("specversion", "type")
_REMAKE = "run `python -m shared.contracts.generate` and commit what it writes"


class _Plain(GenerateJsonSchema):
    """Without the titles that only repeat a field's name, and with the descriptions on one line."""

    schema_dialect = DIALECT

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        made = super().generate(schema, mode)
        for model in (made, *made.get("$defs", {}).values()):
            for field in model.get("properties", {}).values():
                field.pop("title", None)
            if "description" in model:
                model["description"] = " ".join(model["description"].split())
        return made


def schema(topic: str, type_name: str, model: type[BaseModel]) -> dict[str, Any]:
    """One event's schema; `title` and `description` are the model's name and docstring."""
    body = model.model_json_schema(schema_generator=_Plain)
    body["required"] = [name for name in body["properties"] if name in {*body["required"], *_ALWAYS_ON_THE_WIRE}]
    head: dict[str, Any] = {name: body.pop(name) for name in ("title", "description") if name in body}
    return {"$schema": DIALECT, "$id": f"{topic}/{type_name}.json", **head, **body}


def files() -> dict[Path, str]:
    """Every schema file's text by its path under `SCHEMAS`."""
    return {
        Path(topic, f"{type_name}.json"): _text(schema(topic, type_name, model))
        for topic in topics.topics()
        for type_name, model in registry.models(topic).items()
    }


def differences(directory: Path) -> list[str]:
    """What keeps the files in `directory` from being the models' schemas: one clause for each file."""
    wanted = files()
    found = {path.relative_to(directory) for path in directory.rglob("*.json")}
    problems = [f"{path} is missing" for path in wanted if path not in found]
    problems += [f"{path} belongs to no event" for path in found if path not in wanted]
    problems += [
        f"{path} differs from its model"
        for path, text in wanted.items()
        if path in found and (directory / path).read_bytes() != text.encode()
    ]
    return sorted(problems)


def write(directory: Path) -> None:
    """Makes `directory` hold the models' schemas and no other JSON file."""
    wanted = files()
    for path in directory.rglob("*.json"):
        if path.relative_to(directory) not in wanted:
            path.unlink()
    for path, text in wanted.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(text.encode())


def main(arguments: list[str], say: Callable[[str], object] = sys.stderr.write, directory: Path = SCHEMAS) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m shared.contracts.generate", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the files are not current")
    if not parser.parse_args(arguments).check:
        write(directory)
        return 0
    problems = differences(directory)
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        say(f"The JSON Schemas are not current: {', '.join(problems[:3])}{more}; {_REMAKE}.\n")
    return 1 if problems else 0


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
