"""Named places where a test makes the process die, as a power cut would.

RELIEF_CRASH_AT holds `point` or `point:N`: the Nth time that the point is reached, the process kills itself.
"""

import os
import signal

POINTS = frozenset(
    {
        "before_publish",
        "after_publish",
        "before_commit",
        "after_commit",
        "before_kafka_commit",
        "relay_before_publish",
        "relay_after_publish",
    }
)


def _armed(setting: str) -> tuple[str, int]:
    point, _, count = setting.partition(":")
    if point not in POINTS:
        raise ValueError(f"RELIEF_CRASH_AT names {point!r}; the points are {', '.join(sorted(POINTS))}.")
    return point, int(count or 1)


# Read here and not from settings: it is for tests alone, and free in every other process.
_setting = os.environ.get("RELIEF_CRASH_AT")
_point, _left = _armed(_setting) if _setting else ("", 0)


def reached(point: str) -> None:
    """Die here, without any clean-up, if this is the place and the time."""
    global _left
    if point != _point:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
