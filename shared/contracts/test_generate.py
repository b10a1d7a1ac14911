"""The schema generator: what it writes is current, and what is not current is told."""

import json
import re
from pathlib import Path

import pytest

from shared.contracts import generate


@pytest.fixture
def written(tmp_path: Path) -> Path:
    generate.write(tmp_path)
    return tmp_path


def check(directory: Path) -> tuple[int, str]:
    said: list[str] = []
    code = generate.main(["--check"], say=said.append, directory=directory)
    return code, "".join(said)


def test_the_committed_schemas_are_current() -> None:
    assert check(generate.SCHEMAS) == (0, "")


def test_what_was_just_written_is_current(written: Path) -> None:
    assert check(written) == (0, "")


def test_a_changed_a_missing_and_a_left_over_file_are_told_in_one_sentence(written: Path) -> None:
    schemas = sorted(written.rglob("*.json"))
    schemas[0].write_text(schemas[0].read_text("utf-8").replace('"string"', '"number"', 1), "utf-8")
    schemas[1].unlink()
    (written / "left.json").write_text("{}", "utf-8")
    code, sentence = check(written)
    assert code == 1
    for name, what in ((schemas[0], "differs"), (schemas[1], "is missing"), (written / "left.json", "belongs to no")):
        assert f"{name.relative_to(written)} {what}" in sentence
    assert sentence.count("\n") == 1
    assert "python -m shared.contracts.generate" in sentence
    generate.write(written)
    assert check(written) == (0, "")


@pytest.mark.parametrize(("path", "text"), generate.files().items(), ids=lambda value: str(value)[:80])
def test_a_schema_has_a_title_a_description_and_portable_patterns(path: Path, text: str) -> None:
    schema = json.loads(text)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    assert len(schema.get("description", "")) > 10, f"the model of {path} has no docstring"
    assert {"specversion", "type", "id", "source", "subject", "time", "data"} == set(schema["required"])
    for pattern in re.findall(r'"pattern": (".*")', text):
        # \A, \z and \d mean something else, or nothing, in ECMAScript's regular expressions.
        assert not re.search(r"\\[AzZdwsb]", json.loads(pattern)), pattern
