"""How much memory each service holds, sampled while something is done to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import psutil

from tests.integration.running import Running

EVERY_SECONDS = 0.5
MEGABYTE = 1024**2


class Memory:
    """Resident bytes of every service's process, by service, in the order of time."""

    def __init__(self, running: Running) -> None:
        found = running.stack.status().services
        self._processes = {name: psutil.Process(one.pid) for name, one in found.items() if one.pid is not None}
        assert len(self._processes) == len(found)
        self.bytes: dict[str, list[int]] = {name: [] for name in found}
        self.ended: set[str] = set()
        self._over = threading.Event()

    @contextmanager
    def sampled(self) -> Iterator[None]:
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def most(self, service: str) -> int:
        """In MB."""
        return max(self.bytes[service], default=0) // MEGABYTE

    def grows(self, service: str) -> bool:
        """Whether each quarter of the time needed more than the one before, and the last a fifth more than the second:
        what a queue without an end does. What is read ahead and kept for good fills up in the beginning.
        """
        samples = self.bytes[service]
        step = max(1, len(samples) // 4)
        quarters = [max(samples[start : start + step]) for start in range(0, step * 4, step) if samples[start:]]
        rising = all(earlier < later for earlier, later in pairwise(quarters))
        return len(quarters) == 4 and rising and quarters[3] > 1.2 * quarters[1]

    def _sample(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            for name, process in self._processes.items():
                try:
                    self.bytes[name].append(process.memory_info().rss)
                except psutil.Error:
                    self.ended.add(name)
