"""Runs a service on a host whose clock jumps: `python -m tests.faults.matrix.elsewhen SERVICE`.

The clock of the whole machine cannot be set by a test. So Python's is: what reads the time in seconds sees the jumps in
the whole process, and what asks for a date sees them where a service asks.
"""

import importlib
import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any

DAY_SECONDS = 86_400
# After so many seconds of running, the clock is so many seconds off.
JUMPS = ((0.0, 0), (5.0, 40 * DAY_SECONDS), (8.0, -40 * DAY_SECONDS), (11.0, 3600))
LAST_SECONDS = JUMPS[-1][0]
# Where services ask for a date.
_ASKING = ("services.intake.app", "services.intake.api", "services.payments.desk")
_seconds, _nanoseconds, _started = time.time, time.time_ns, time.monotonic()


def off_seconds() -> int:
    """By how much the clock is off now."""
    running = time.monotonic() - _started
    return [off for after, off in JUMPS if running >= after][-1]


class JumpingDatetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=off_seconds())


def main(service: str) -> int:
    time.time = lambda: _seconds() + off_seconds()
    time.time_ns = lambda: _nanoseconds() + off_seconds() * 10**9
    module = importlib.import_module(f"services.{service}.app")
    for name in _ASKING:
        if name in sys.modules:
            vars(sys.modules[name])["datetime"] = JumpingDatetime
    result: int = module.main()
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
