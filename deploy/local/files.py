"""Files that other processes read or still write."""

import os
import shutil
import time
from pathlib import Path

from deploy.local.errors import StackError

REMOVE_SECONDS = 20.0


def replace_text(path: Path, text: str) -> None:
    """All of the new text or all of the old, whatever dies when; readable by us alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def remove_tree(path: Path) -> None:
    """Removes a directory with all in it, if it is there.

    A process of a killed command may live for a moment longer and add files: then once more. Raises StackError.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    while path.exists():
        try:
            shutil.rmtree(path)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StackError(f"{path} cannot be removed ({error}): remove it by hand") from error
            time.sleep(0.1)
