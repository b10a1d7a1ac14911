"""A bank's outgoing files: numbered, written whole, and now and then repeated, renumbered, wrong or about nobody."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from services.simulator.bank_behaviour import Behaviour
from services.simulator.bank_files import Booking, notice
from services.simulator.drawing import chances, name

Content = Callable[[str, int], bytes]
"""A file for a message id; the second argument is how much its total is to be wrong, 0 for a right one."""


class Post:
    """Writes into a directory under names that say the day."""

    def __init__(self, directory: Path, seed: int, behaviour: Behaviour) -> None:
        """`directory` is made where it is missing."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._seed = seed
        self._behaviour = behaviour
        self._numbers = 0
        self._tomorrow: list[tuple[str, bytes]] = []

    def next_day(self, on: date) -> None:
        """Sends what was kept to be sent again."""
        again, self._tomorrow = self._tomorrow, []
        for file, content in again:
            self._write(f"{on:%Y%m%d}-again-{file}", content)

    def send(self, on: date, account: str, content: Content, *, can_be_wrong: bool = True) -> None:
        """One file, and whatever this bank makes of it; `account` is the one that stray notices are about."""
        behaviour, message_id = self._behaviour, self._next_id(on)
        chance = chances(self._seed, "file", message_id)
        wrong, reordered, repeated, renumbered, stray = (chance.random() for _ in range(5))
        if wrong < behaviour.wrong_total and can_be_wrong:
            self._deliver(on, lambda another: content(another, 1))
        written = content(message_id, 0)
        # Names are read in their order, and digits come before letters.
        file = f"{'0-' if reordered < behaviour.reordered else ''}{message_id}.xml"
        self._write(f"{on:%Y%m%d}-{file}", written)
        if repeated < behaviour.repeated:
            self._tomorrow.append((file, written))
        if renumbered < behaviour.renumbered:
            self._deliver(on, lambda another: content(another, 0))
        if stray < behaviour.unknown_ids:
            booking = Booking(
                name(self._seed, "stray", message_id), name(self._seed, "nobody", message_id), 100, "DBIT"
            )
            self._deliver(on, lambda another: notice(account, another, on, [booking]))

    def _deliver(self, on: date, content: Callable[[str], bytes]) -> None:
        message_id = self._next_id(on)
        self._write(f"{on:%Y%m%d}-{message_id}.xml", content(message_id))

    def _next_id(self, on: date) -> str:
        self._numbers += 1
        return f"B{on:%Y%m%d}-{self._numbers:06d}-{name(self._seed, str(self._numbers))[:8]}"

    def _write(self, file: str, content: bytes) -> None:
        """Under its name only once it is whole: the reader may look at any moment."""
        draft = self._directory / f".{file}"
        draft.write_bytes(content)
        draft.replace(self._directory / file)
