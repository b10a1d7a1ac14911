"""How long to wait before the next attempt."""

import random

FIRST_SECONDS, MAX_SECONDS = 0.1, 15.0


def seconds(failures: int, jitter: random.Random) -> float:
    """Doubles with every failure in a row up to a bound, spread so that not all come back at the same time."""
    ceiling = min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** min(failures, 12))
    return ceiling * (0.5 + jitter.random() / 2)
