"""The states that payments keeps, and their keys."""

from services.payments.domain.day import Day
from services.payments.domain.exemption import Exemption
from services.payments.domain.refund import Key, Refund

Held = Day | Exemption | Refund
# The key of a partition's last day.
DAY = "day"


def state_key(key: Key) -> str:
    """The name of an entitlement; `parts_of` takes it apart, for neither a uscc nor a measure has a slash."""
    return f"{key.uscc}/{key.measure}/{key.key}"


def parts_of(name: str) -> Key:
    return Key(*name.split("/", 2))
