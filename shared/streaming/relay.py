"""The relay: publishes the event table in order and moves its pointer after the acknowledgements.

One replica relays at a time, by the row lock of the pointer; a frozen holder loses it to the server's timeout. What it
published before the pointer moved is published again by the next: readers are safe by identity. Whoever relays begins
at the pointer and goes in order, so what is new in the log is in order too, even where two overlap for a while.
"""

import structlog
from psycopg import sql

from shared.observability import metrics
from shared.streaming import crash
from shared.streaming.postgres_store import Pool, transaction
from shared.streaming.records import Output
from shared.streaming.runner import Publishes
from shared.streaming.steady import Steady

log = structlog.get_logger()

IDLE_SECONDS = 0.05
BATCH = 2000


class Relay:
    """`once` is the work of a task beside the runner."""

    def __init__(self, pool: Pool, schema: str, publisher: Publishes, batch: int = BATCH) -> None:
        self._pool, self._publisher, self._batch = pool, publisher, batch
        self._schema, name = schema, sql.Identifier(schema)
        self._take = sql.SQL(
            "SELECT p.relayed, c.last FROM {0}.outbox_pointer p, {0}.outbox_counter c FOR UPDATE OF p SKIP LOCKED"
        ).format(name)
        self._read = sql.SQL(
            "SELECT seq, topic, partition, key, value FROM {}.outbox WHERE seq > %s ORDER BY seq LIMIT %s"
        ).format(name)
        self._move = sql.SQL("UPDATE {}.outbox_pointer SET relayed = %s").format(name)

    async def once(self) -> int:
        """Publish the next events, in order; how many. 0 also when another replica holds the pointer."""
        async with transaction(self._pool) as db:
            held = await (await db.execute(self._take)).fetchone()
            if held is None:
                return 0
            relayed, last = held
            metrics.RELAY_BACKLOG.labels(self._schema).set(last - relayed)
            if last == relayed:
                return 0
            rows = await (await db.execute(self._read, (relayed, self._batch))).fetchall()
            if not rows:
                return 0
            crash.reached("relay_before_publish")
            await self._publisher.publish([Output(topic, part, key, value) for _, topic, part, key, value in rows])
            crash.reached("relay_after_publish")
            await db.execute(self._move, (rows[-1][0],))
        metrics.RELAY_POSITION.labels(self._schema).set(rows[-1][0])
        metrics.RELAY_BACKLOG.labels(self._schema).set(max(0, last - rows[-1][0]))
        return len(rows)


def relaying(pool: Pool, schema: str, publisher: Publishes, batch: int = BATCH) -> Steady:
    """The relay as a task."""
    relay = Relay(pool, schema, publisher, batch)
    return Steady("relay", f"the relay of {schema} cannot publish", relay.once, IDLE_SECONDS)
