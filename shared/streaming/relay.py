"""The relay: publishes the event table in order and moves its pointer after the acknowledgements.

One replica relays at a time, by the row lock of the pointer; a frozen holder loses it to the server's timeout. What it
published before the pointer moved is published again by the next: readers are safe by identity.
"""

import asyncio

import structlog
from psycopg import sql

from shared.observability import metrics
from shared.streaming.errors import Retry
from shared.streaming.postgres_store import Pool, transaction
from shared.streaming.records import Output
from shared.streaming.runner import BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS, Publishes

log = structlog.get_logger()

IDLE_SECONDS = 0.05
BATCH = 2000


class Relay:
    """Run as a task beside the runner; `trouble` is a sentence while it cannot publish."""

    def __init__(self, pool: Pool, schema: str, publisher: Publishes, batch: int = BATCH) -> None:
        self._pool, self._publisher, self._batch = pool, publisher, batch
        self._schema, name = schema, sql.Identifier(schema)
        self._take = sql.SQL("SELECT relayed FROM {}.outbox_pointer FOR UPDATE SKIP LOCKED").format(name)
        self._read = sql.SQL(
            "SELECT seq, topic, partition, key, value FROM {}.outbox WHERE seq > %s ORDER BY seq LIMIT %s"
        ).format(name)
        self._move = sql.SQL("UPDATE {}.outbox_pointer SET relayed = %s").format(name)
        self.trouble: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                sent = await self.once()
                failures, self.trouble = 0, None
                if sent == 0:
                    await asyncio.sleep(IDLE_SECONDS)
            except Exception as error:  # whatever it is: nothing is skipped, readiness tells, try again
                failures += 1
                passing = isinstance(error, Retry)
                self.trouble = f"the relay of {self._schema} cannot publish: {error}"
                metrics.RETRIES.labels(f"relay_{'passing' if passing else 'unexpected'}").inc()
                log.warning("relay failed, trying again", error=repr(error), exc_info=None if passing else error)
                await asyncio.sleep(min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures, 12)))

    async def once(self) -> int:
        """Publish the next events, in order; how many. 0 also when another replica holds the pointer."""
        async with transaction(self._pool) as db:
            held = await (await db.execute(self._take)).fetchone()
            if held is None:
                return 0
            rows = await (await db.execute(self._read, (held[0], self._batch))).fetchall()
            if not rows:
                return 0
            await self._publisher.publish([Output(topic, part, key, value) for _, topic, part, key, value in rows])
            await db.execute(self._move, (rows[-1][0],))
        metrics.RELAY_POSITION.labels(self._schema).set(rows[-1][0])
        return len(rows)
