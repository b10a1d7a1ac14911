"""After its database was set back to an older copy, payments first becomes again who it was. ADR 0019 says why so.

The ledger topics tell what it knew: an event there that its event table lacks was told after the copy was made. Where
decisions alone caused them, reading the decisions again tells them again, to the same bytes; until then no command is
taken, no officer is heard, and nothing goes to the bank. Where money left or came back, no log says all that was known:
payments does not start.
"""

from collections.abc import Sequence
from typing import LiteralString

import msgspec
from aiokafka.structs import TopicPartition

from services.payments.domain.state import Held
from services.payments.store.command_rows import CommandRows, Kept
from services.payments.store.rows import PaymentRows
from shared.contracts import topics
from shared.streaming import progress, told
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import Connection, Pool, transaction
from shared.streaming.told import Told

_NEWEST: LiteralString = """
    (SELECT seq, decode(md5(value), 'hex') FROM outbox WHERE seq = %s)
    UNION (SELECT seq, decode(md5(value), 'hex') FROM outbox ORDER BY seq DESC LIMIT 1)"""
_LEDGERS = (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS)


class _Origin(msgspec.Struct):
    topic: str


class _Data(msgspec.Struct):
    origin: _Origin


class _Event(msgspec.Struct):
    data: _Data


class Restored:
    """`look` before anything starts; then the others hold back what must wait, with Retry.

    A database may be set back under us as well: then the newest event that we saw there is another one, or gone. Who
    finds that leaves the looking to the clerk, who comes by all the time and holds no connection meanwhile.
    """

    def __init__(self, pool: Pool, schema: str, kafka: KafkaAccess) -> None:
        self._pool, self._schema, self._kafka = pool, schema, kafka
        self._untold: set[bytes] = set()
        self._looked_at = 0
        self._unheard: dict[TopicPartition, int] = {}
        # The number and the digest of the newest event seen.
        self._newest: tuple[int, bytes] | None = None
        self._set_back = False
        self._refusal: str | None = None

    async def look(self) -> None:
        """Raises Stop where the database lacks money that left or came back, Retry where Kafka does not answer."""
        found = await told.unknown(self._pool, self._schema, self._kafka, _LEDGERS)
        others = [one for one in found if not _decided(one)]
        if others:
            self._refusal = _refusal(len(found), others)
            raise Stop(self._refusal)
        _, self._looked_at = await told.stored(self._pool, self._schema, 0) if found else (set(), 0)
        self._untold = {one.digest for one in found}
        ends = await told.ends(self._kafka, [topics.COMMANDS])
        self._unheard = {where: end for where, end in ends.items() if end}
        self._newest, self._set_back = None, False

    async def same(self, db: Connection) -> None:
        """Raises Retry where the database was set back under us, Stop once it is known that none may go on from it."""
        if self._refusal is not None:
            raise Stop(self._refusal)
        # Another transaction may see more while this one asks: what it asked for is held against the answer.
        seen = self._newest
        rows = await (await db.execute(_NEWEST, (0 if seen is None else seen[0],))).fetchall()
        if seen is not None and seen not in rows:
            self._set_back = True
        if self._set_back:
            raise Retry("the database was set back to an older copy; what the ledger topics know more is looked up")
        self._newest = max(rows, default=None)

    async def told_again(self) -> None:
        """Retry until what decisions caused since the copy was made is told again."""
        if self._untold:
            again, self._looked_at = await told.stored(self._pool, self._schema, self._looked_at)
            self._untold -= again
        if self._untold:
            raise Retry(
                f"the database was set back: {len(self._untold)} events that the ledger topics hold are not told again "
                "yet; until then no money moves"
            )

    async def over(self) -> None:
        """Retry until then, and until every command given before the start is taken.

        So an approval meets the batch it was given for, or none: never one made anew under the same id.
        """
        try:
            async with transaction(self._pool) as db:
                await self.same(db)
                places = await progress.places(db)
        except Retry:
            if self._set_back:
                await self.look()
            raise
        await self.told_again()
        for one in places:
            where = TopicPartition(one.topic, one.partition)
            if one.next_offset >= self._unheard.get(where, one.next_offset + 1):
                del self._unheard[where]
        if self._unheard:
            raise Retry("commands given before the start are not all taken yet; until then nothing goes to the bank")


async def ready_at_once() -> None:
    """For a database that was never set back."""


class DecisionsAfter(PaymentRows):
    """The tables as decisions see them, as long as they are the same ones."""

    def __init__(self, restored: Restored) -> None:
        self._restored = restored

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Held]:
        await self._restored.same(db)
        return await super().load(db, partition, keys)


class CommandsAfter(CommandRows):
    """The tables as commands see them, once all is told again."""

    def __init__(self, schema: str, restored: Restored) -> None:
        super().__init__(schema)
        self._restored = restored

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Kept]:
        await self._restored.same(db)
        await self._restored.told_again()
        return await super().load(db, partition, keys)


def _decided(one: Told) -> bool:
    """Whether a decision caused it, and nothing that is known to this database alone."""
    try:
        return msgspec.json.decode(one.value, type=_Event).data.origin.topic == topics.DECISIONS
    except msgspec.MsgspecError:
        return False


def _refusal(found: int, others: Sequence[Told]) -> str:
    first = others[0]
    return (
        f"The ledger topics hold {found} events that this database does not know, and {len(others)} of them are of "
        f"money that left or came back (first: offset {first.offset} of {first.topic}/{first.partition}): it was set "
        "back to an older copy, and from that copy payments would pay again. Restore it up to its last commit, with "
        "the write-ahead log (docs/adr/0019)."
    )
