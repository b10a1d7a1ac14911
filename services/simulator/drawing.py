"""Chances and names that follow from a seed and what they are about, never from when they are drawn."""

import hashlib
import random


def chances(seed: int, *about: str) -> random.Random:
    return random.Random("/".join((str(seed), *about)))  # noqa: S311 - a simulation, not a secret


def name(seed: int, *about: str) -> str:
    """32 hex digits, as a bank or a supplier might number something."""
    return hashlib.sha256("/".join((str(seed), *about)).encode()).hexdigest()[:32]
