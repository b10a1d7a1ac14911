"""What the environment tells the runner, apart from what it tells a service."""

import os


def crash_at() -> str | None:
    """RELIEF_CRASH_AT, which only tests set: see `crash`."""
    return os.environ.get("RELIEF_CRASH_AT")
