"""What the documents promise: commands and metrics that exist."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

from .checkout import Source

_FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = {"", "sh", "bash", "shell", "console"}
_TARGET = re.compile(r"^(?P<names>[A-Za-z0-9_. -]+?)\s*:(?![=:])", re.MULTILINE)
_METRIC = re.compile(r"\brelief_[a-z0-9_]+\b")
# What a query appends to a histogram's or summary's name.
_SERIES = re.compile(r"_(bucket|sum|count|created)$")


def commands(text: str) -> list[list[str]]:
    """The shell commands in a document's fenced blocks, as words."""
    found = []
    for block in _FENCE.finditer(text):
        if block["language"] not in _SHELL:
            continue
        for line in block["body"].splitlines():
            line = line.strip()
            if block["language"] == "console" and not line.startswith("$"):
                continue  # what the command printed
            for part in re.split(r"&&|\|\||[;|]", line.removeprefix("$").split(" #")[0]):
                try:
                    words = shlex.split(part)
                except ValueError:
                    continue
                if words and not words[0].startswith("#"):
                    found.append(words)
    return found


def targets(makefile: str) -> set[str]:
    return {name for line in _TARGET.finditer(makefile) for name in line["names"].split() if not name.startswith(".")}


def missing_targets(document: Source, makefile: str) -> Iterator[str]:
    """`make` targets that a document tells to run and the Makefile lacks."""
    known = targets(makefile)
    for words in commands(document.text):
        if words[0] == "make":
            for word in words[1:]:
                if not word.startswith("-") and "=" not in word and word not in known:
                    yield f"{document.path}: the Makefile has no target {word}"


def missing_commands(document: Source, relief: Any) -> Iterator[str]:
    """`relief` commands and options that a document tells to use and the program lacks.

    `relief`: the program's click group (typer carries its own copy of click, so it has no importable type).
    """
    for words in commands(document.text):
        if words[0].rsplit("/", 1)[-1] == "relief":
            yield from (
                f"{document.path}: `{shlex.join(words)}`: {problem}" for problem in _problems(words[1:], relief)
            )


def _problems(words: list[str], command: Any) -> Iterator[str]:
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            yield f"there is no command {name}"
            return
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.split("=")[0]
        if option.startswith("--") and option not in {*known, "--help", "--"}:
            yield f"there is no option {option}"


def unknown_metrics(document: Source, catalogue: set[str]) -> Iterator[str]:
    """Names of metrics that a document or dashboard uses and the catalogue lacks."""
    for number, line in enumerate(document.text.splitlines(), start=1):
        for name in _METRIC.findall(line):
            if name not in catalogue and _SERIES.sub("", name) not in catalogue:
                yield f"{document.path}:{number}: there is no metric {name}"
