"""How far a service with tables has come: what it has read of every log, and what it has told.

Every function reads inside the caller's snapshot, so that it is of one moment with what else is read there.
"""

from dataclasses import dataclass
from typing import LiteralString

from shared.streaming.postgres_store import Connection


@dataclass(frozen=True, slots=True)
class PlaceRead:
    """How far a log was read: everything below `next_offset` is in."""

    topic: str
    partition: int
    next_offset: int


async def places(db: Connection) -> list[PlaceRead]:
    """Of every log that the service reads."""
    return [PlaceRead(*row) for row in await (await db.execute(_PLACES)).fetchall()]


async def told_and_relayed(db: Connection) -> tuple[int, int]:
    """How many events are stored to be told, and how many of them the topics are known to have."""
    row = await (await db.execute(_TOLD)).fetchone()
    assert row is not None
    return row[0], row[1]


_PLACES: LiteralString = "SELECT topic, partition, next_offset FROM inbox ORDER BY topic, partition"
_TOLD: LiteralString = "SELECT last, relayed FROM outbox_counter, outbox_pointer"
