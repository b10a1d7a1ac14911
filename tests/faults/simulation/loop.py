"""An event loop whose time is not real and whose next callback is drawn from a seed."""

import asyncio
import heapq
import random
from typing import Any


class Deadlock(Exception):
    """Everybody waits for somebody, and for no time."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Only tasks, futures and timers; no files, sockets or threads.

    Whatever is ready may come next, in any order: that is more than asyncio does, and as much as machines do. Time
    stands still while anything is ready, then jumps to the next timer.
    """

    def __init__(self, order: random.Random) -> None:
        super().__init__()
        self._order, self._now = order, 0.0
        # What asyncio's own loop keeps its callbacks in, and where call_soon and call_at put them.
        self._ready: Any
        self._scheduled: list[asyncio.TimerHandle]

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]  # asyncio's own mark
        if not ready:
            if not scheduled:
                raise Deadlock
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]  # asyncio's own mark
            ready.append(handle)
        if len(ready) > 1:
            ready.rotate(-self._order.randrange(len(ready)))
        handle = ready.popleft()
        if not handle._cancelled:
            handle._run()

    def _process_events(self, event_list: object) -> None:
        raise AssertionError("there are no files here")

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector, so nobody has to be woken."""
