"""Named places where a test makes the process die, as a power cut would, or freeze.

RELIEF_CRASH_AT holds `point` or `point:N`: the Nth time that the point is reached, the process kills itself. With
`point:N:SIGSTOP` it freezes there until somebody sends SIGCONT.
"""

import itertools
import os
import signal

from shared.streaming import settings

POINTS = frozenset(
    {
        "before_publish",
        "after_publish",
        "before_commit",
        "after_commit",
        "before_kafka_commit",
        "relay_before_publish",
        "relay_after_publish",
        # Of payments: what the clerk does by the day, files for the bank, and files from it.
        "batches_before_commit",
        "batches_after_commit",
        "submission_before_commit",
        "submission_after_commit",
        "file_before_write",
        "file_after_write",
        "answer_before_commit",
        "answer_after_commit",
    }
)


def _armed(setting: str) -> tuple[str, int, signal.Signals]:
    point, count, number = [*setting.split(":"), *("", "1", "SIGKILL")[1 + setting.count(":") :]]
    if point not in POINTS:
        raise ValueError(f"RELIEF_CRASH_AT names {point!r}; the points are {', '.join(sorted(POINTS))}.")
    return point, int(count), signal.Signals[number]


_setting = settings.crash_at()
_point, _nth, _signal = _armed(_setting) if _setting else ("", 0, signal.SIGKILL)
_times = itertools.count(1)


def reached(point: str) -> None:
    """Die or freeze here, without any clean-up, if this is the place and the time."""
    if point == _point and next(_times) == _nth:
        os.kill(os.getpid(), _signal)
