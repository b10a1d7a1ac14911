"""The states that payments keeps, and their keys."""

from services.payments.domain.day import Day
from services.payments.domain.exemption import Exemption
from services.payments.domain.refund import Refund

Held = Day | Exemption | Refund
# The key of a partition's last day.
DAY = "day"


def state_key(uscc: str, measure: str, key: str) -> str:
    """The key of an entitlement; `parts_of` takes it apart, for neither a uscc nor a measure has a slash."""
    return f"{uscc}/{measure}/{key}"


def parts_of(name: str) -> tuple[str, str, str]:
    """(uscc, measure, key) of a `state_key`."""
    uscc, measure, key = name.split("/", 2)
    return uscc, measure, key
