"""Who may do what at Kafka, computed from topics.yaml: data, for whatever tells it to a cluster.

One principal for each name that writes or reads a served topic. A planned topic gives no rights yet. Every name is
exact: there is no prefix and no wildcard, and what is not listed is denied.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.contracts.groups import GROUPS
from shared.contracts.topics import Topic, topics

Operation = Literal["Read", "Write", "Describe"]
# Sees, of every topic and every group, how far it is: what `relief` waits for and `relief doctor` tells.
OVERSEER: Final = "cli"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that one principal may do with the one resource of exactly this name, from any host."""

    kind: Literal["topic", "group"]
    name: str
    operation: Operation


def rights(
    declared: Iterable[Topic] | None = None, groups: Mapping[str, tuple[str, ...]] = GROUPS
) -> dict[str, tuple[Right, ...]]:
    """Each principal's rights, sorted; principals in the order of topics.yaml.

    A publisher with acknowledged sequence numbers (idempotent) needs no more than Write of a topic since Kafka 3.0.
    """
    served = [topic for topic in (topics().values() if declared is None else declared) if not topic.planned]
    found: dict[str, set[Right]] = {}
    for topic in served:
        for name in topic.writers:
            found.setdefault(name, set()).update(_on("topic", topic.name, "Write"))
        for name in topic.readers:
            found.setdefault(name, set()).update(_on("topic", topic.name, "Read"))
    for name, own in found.items():
        for group in groups.get(name, ()):
            found[name].update(_on("group", group, "Read"))
        if name == OVERSEER:
            own.update(Right("topic", topic.name, "Describe") for topic in served)
            own.update(Right("group", group, "Describe") for name in groups for group in groups[name])
    return {name: tuple(sorted(own)) for name, own in found.items()}


def _on(kind: Literal["topic", "group"], name: str, operation: Operation) -> tuple[Right, Right]:
    """Describe goes with it: Kafka implies it, and other authorisers do not."""
    return Right(kind, name, operation), Right(kind, name, "Describe")
