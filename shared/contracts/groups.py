"""The consumer groups, by who is a member of them. A name is for life: Kafka keeps the group's place under it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "intake": ("relief-intake", "relief-intake-status"),
        "eligibility": ("relief-eligibility",),
        "payments": ("relief-payments", "relief-payments-commands"),
        "holdover": ("relief-holdover-facts", "relief-holdover-decisions"),
        "ledger": ("relief-ledger",),
        # Not ours: a name to keep their place under.
        "utilities": ("relief-utilities",),
    }
)
