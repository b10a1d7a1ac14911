"""How much the fuzzers draw: always the same, unless FUZZ_EXAMPLES asks for so many and for others each time."""

import os

from hypothesis import HealthCheck, settings


def profile(examples: int) -> settings:
    """For a test that draws `examples` where nobody asks for more."""
    wanted = os.environ.get("FUZZ_EXAMPLES")
    return settings(
        max_examples=int(wanted or examples),
        derandomize=wanted is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
