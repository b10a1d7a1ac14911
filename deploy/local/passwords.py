"""The passwords that a local stack makes for its own servers, one file for each user; a deployment mounts its own."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from deploy.local.files import replace_text


def file_of(directory: Path, user: str) -> Path:
    """Where a user's password is."""
    return directory / f"{user}.password"


def passwords(directory: Path, users: Iterable[str]) -> dict[str, str]:
    """By user; those that have no file yet get one, readable by us alone. Called while the stack's lock is held."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    found = {}
    for user in users:
        path = file_of(directory, user)
        if not path.exists():
            replace_text(path, secrets.token_urlsafe(24) + "\n")
        found[user] = path.read_text("utf-8").strip()
    return found
