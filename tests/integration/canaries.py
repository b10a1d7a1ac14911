"""Personal data that can be told apart wherever it turns up, and the looking for it."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PERSON = "Canaria Zhang-Vogel"
PHONE = "139-4711-0815-99"
STREET = "Kanarienweg 4711 Urumqi"
ACCOUNT = "6217000047110815999"
HOLDER = "Kanarien Handels GmbH Aksu"
CONTACT = {"name": PERSON, "telephone": PHONE, "address": STREET}
PAYEE = {"account_name": HOLDER, "account_number": ACCOUNT, "bank_code": "102881000015"}
CANARIES = (PERSON, PHONE, STREET, ACCOUNT, HOLDER)


def spelt(texts: Iterable[str]) -> list[bytes]:
    """As they may stand in a file: plain, in JSON with escapes, in a URL, in UTF-16."""
    found: set[bytes] = set()
    for text in texts:
        found |= {text.encode(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le")}
        found |= {text.replace(" ", sign).encode() for sign in ("%20", "+")}
    return sorted(found)


def in_bytes(data: bytes, canaries: Iterable[bytes]) -> list[bytes]:
    return [canary for canary in canaries if canary in data]


def in_files(root: Path, canaries: list[bytes], but: tuple[str, ...] = ()) -> Iterator[str]:
    """Each file under `root` that holds one, with what it holds; without what is under the directories `but`."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(root / name) for name in but):
            found = in_bytes(path.read_bytes(), canaries)
            if found:
                yield f"{path.relative_to(root)}: {found}"


def in_processes(secrets: Iterable[bytes]) -> Iterator[str]:
    """Each process of this machine with one of them among its arguments, which every user may read."""
    wanted = list(secrets)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if any(secret in arguments for secret in wanted):
                yield f"{entry.name}: {arguments.split(bytes(1))[:3]!r}"


def members(document: Any) -> Iterator[tuple[str, str]]:
    """Every text of a JSON document, with its name."""
    pairs = document.items() if isinstance(document, dict) else [("", one) for one in document]
    for name, value in pairs:
        if isinstance(value, dict | list):
            yield from members(value)
        elif isinstance(value, str):
            yield name, value
