"""A database that was set back to an older copy: holdover does not start on it. ADR 0019 says why.

Two logs come in, and how they interleaved is known to its tables alone. Read again they may interleave otherwise, and
the suppliers would be told something else under ids that they have.
"""

from shared.contracts import topics
from shared.streaming import told
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Pool


class Restored:
    """`look` before anything starts."""

    def __init__(self, pool: Pool, schema: str, bootstrap: str) -> None:
        self._pool, self._schema, self._bootstrap = pool, schema, bootstrap

    async def look(self) -> None:
        """Raises Stop where suppliers know more than the database, Retry where Kafka does not answer."""
        found = await told.unknown(self._pool, self._schema, self._bootstrap, (topics.ORDERS,))
        if found:
            first = found[0]
            raise Stop(
                f"{topics.ORDERS} holds {len(found)} events that this database does not know (first: offset "
                f"{first.offset} of partition {first.partition}): it was set back to an older copy. Restore it up to "
                "its last commit, with the write-ahead log (docs/adr/0019)."
            )
