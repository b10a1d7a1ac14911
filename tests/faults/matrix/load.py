"""A stream that goes on while something is done to the system; its senders send again what was not taken."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.cli.terminal import CommandError
from tests.integration.region import Upstream
from tests.integration.running import Running

_GIVE_UP_SECONDS = 120.0


class Load:
    """Sends parts of a region one after the other. While the fault is being injected, some parts are always kept, so
    that its end is under load too. `meanwhile`: how many records were sent from the beginning to the last injury."""

    def __init__(self, running: Running, parts: list[list[Upstream]], kept: int, pause_seconds: float) -> None:
        self._running, self._parts, self._kept = running, list(parts), kept
        self._pause_seconds = pause_seconds
        self._over = threading.Event()
        self._cut = threading.Event()
        self._trouble: BaseException | None = None
        self.again = 0
        self.over_at = 0.0
        self.meanwhile = 0
        self.sent: list[list[Upstream]] = []
        self._sent_before = 0

    def enterprises(self) -> set[str]:
        """Of all parts, sent and not."""
        parts = [*self.sent, *self._parts]
        return {key.decode() for part in parts for one in part if (key := one.record.key) is not None}

    def take(self, count: int) -> None:
        """Sends so many parts now."""
        for _ in range(count):
            self._send(self._parts.pop(0))

    def mix(self, parts: list[list[Upstream]]) -> None:
        """More to come, each amid what waits."""
        step = max(1, len(self._parts) // max(1, len(parts)))
        for number, part in enumerate(parts):
            self._parts.insert(number * (step + 1), part)

    def was_hurt(self) -> None:
        """The last injury was now; what comes until the load ends is recovery already."""
        self.over_at = time.monotonic()
        self.meanwhile = self.sent_in_all() - self._sent_before

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Inside: it is sent, at a pace. On leaving (`over_at`, unless it `was_hurt`), the rest as fast as it goes."""
        self._sent_before = self.sent_in_all()
        thread = threading.Thread(target=self._flow)
        thread.start()
        try:
            yield
        except BaseException:
            self._cut.set()
            raise
        finally:
            if not self.over_at:
                self.was_hurt()
            self._over.set()
            thread.join()
        if self._trouble is not None:
            raise self._trouble

    def sent_in_all(self) -> int:
        """Records that were acknowledged."""
        return sum(len(part) for part in self.sent)

    def waiting(self) -> bool:
        """Whether only those parts are left that are kept for the end of the injection."""
        return len(self._parts) <= self._kept

    def _flow(self) -> None:
        try:
            while self._parts and not self._cut.is_set():
                if not self._over.is_set():
                    self._over.wait(self._pause_seconds)
                    if len(self._parts) <= self._kept:
                        continue
                self._send(self._parts.pop(0))
        except BaseException as error:  # noqa: BLE001  # told by whoever waits for this thread
            self._trouble = error

    def _send(self, part: list[Upstream]) -> None:
        """A broker that is away did perhaps take some of it: the authority sends all of it again."""
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                self._running.send(part)
                self.sent.append(part)
                return
            except (CommandError, OSError):
                self.again += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds:.0f} seconds")
        time.sleep(0.05)
