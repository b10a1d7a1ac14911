"""What a stack remembers between commands: STATE/stack.json, and the lock that lets one command at a time change it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.files import replace_text
from deploy.local.identity import Identity

LOCK_SECONDS = 120.0


@dataclass(slots=True)
class Record:
    """`ports` by port name; `external` is addresses by server name; `services` is wanted replicas by service name."""

    manager: Identity | None = None
    socket: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    external: dict[str, str] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    # A directory outside of the state, where PostgreSQL's own user may enter when it may not enter the state.
    annex: str | None = None
    # How many nodes our Kafka has.
    brokers: int = 1

    @property
    def running(self) -> bool:
        """Whether this stack's process manager runs."""
        return self.manager is not None and self.manager.alive()


def load(state: Path) -> Record:
    """The record, or an empty one when there is none. Raises StackError when it cannot be understood."""
    path = state / "stack.json"
    try:
        fields = json.loads(path.read_text("utf-8"))
        manager = fields.pop("manager")
        return Record(manager=None if manager is None else Identity(**manager), **fields)
    except FileNotFoundError:
        return Record()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StackError(
            f"{path} is not what `relief up` wrote ({error}); end by hand what may still run there and "
            f"delete {state} to start afresh"
        ) from error


def save(state: Path, record: Record) -> None:
    """Writes the record at once or not at all."""
    replace_text(state / "stack.json", json.dumps(asdict(record), indent=2))


@contextlib.contextmanager
def locked(state: Path) -> Iterator[int]:
    """Holds the state directory for one command; yields the lock's file descriptor. Waits for another command first.

    The kernel frees the lock of a command that dies. Raises StackError when the wait is too long.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(f"another `relief` command is starting or stopping the stack in {state}") from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)
