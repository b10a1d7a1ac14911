"""What happens by the day, and not by a record: instalments are announced, fall overdue, outlast their grace.

A day starts in a partition by a record of each log. What it brings to thousands of enterprises is worked through here,
in transactions of bounded size under the partition's lock. A record that comes first finds its own enterprise brought
up to the day by the fold, with the same events: when the clock gets to it makes no difference.
"""

from typing import LiteralString

import structlog
from aiokafka.structs import TopicPartition

from services.holdover.domain.enterprise import PARTITION, Days, Enterprise
from services.holdover.handlers import advance
from services.holdover.orders import Signer
from services.holdover.store.rows import HoldoverRows
from shared.contracts import topics
from shared.streaming.postgres_store import Connection, Pool, append, lock_partitions, transaction
from shared.streaming.records import Output

log = structlog.get_logger()

IDLE_SECONDS = 0.2
AT_ONCE = 500


class Clock:
    """`once` is the work of a task beside the runners."""

    def __init__(self, pool: Pool, schema: str, signer: Signer, at_once: int = AT_ONCE) -> None:
        self._pool, self._schema, self._signer, self._at_once = pool, schema, signer, at_once
        self._rows = HoldoverRows()

    async def once(self) -> bool:
        """One transaction in each partition where a day has brought something; whether there was any."""
        async with transaction(self._pool) as db:
            partitions = [row[0] for row in await (await db.execute(_PARTITIONS)).fetchall()]
        for partition in partitions:
            async with transaction(self._pool) as db:
                await self._work(db, partition)
        return bool(partitions)

    async def _work(self, db: Connection, partition: int) -> None:
        await lock_partitions(db, self._schema, [partition])
        # Asked again under the lock: a batch may have gone first.
        due = await (await db.execute(_DUE, (partition, self._at_once))).fetchall()
        where = TopicPartition(topics.FACTS, partition)
        states = await self._rows.load(db, where, [PARTITION, *(uscc for (uscc,) in due)])
        days = states.pop(PARTITION, None)
        if not isinstance(days, Days):
            return
        told: list[Output] = []
        for enterprise in states.values():
            assert isinstance(enterprise, Enterprise)
            days, said = advance(days, enterprise, partition, self._signer)
            told += said
        await self._rows.save(db, where, {PARTITION: days, **states})
        if told:
            await append(db, self._schema, told)


_PARTITIONS: LiteralString = """
    SELECT partition FROM days
    WHERE EXISTS (SELECT FROM enterprise e WHERE e.partition = days.partition AND e.next_due <= least(known, decided))
      AND known IS NOT NULL AND decided IS NOT NULL
    ORDER BY partition"""
_DUE: LiteralString = """
    SELECT uscc FROM enterprise e JOIN days d USING (partition)
    WHERE partition = %s AND next_due <= least(d.known, d.decided) AND d.known IS NOT NULL AND d.decided IS NOT NULL
    ORDER BY next_due, uscc LIMIT %s"""
