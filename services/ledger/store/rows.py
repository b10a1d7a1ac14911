"""The tables of the ledger: known events of a batch in, new postings out, one statement each."""

from collections.abc import Sequence
from typing import LiteralString

from aiokafka.structs import TopicPartition

from services.ledger.domain.posting import Posted, Posting
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


class PostingRows:
    """Implements `Rows[Posted]`. The runner holds the partition's lock around every call."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Posted]:
        """Those of the event ids that are posted, with their digests."""
        rows = await (await db.execute(_KNOWN, (list(keys),))).fetchall()
        return {event_id: Posted(digest) for event_id, digest in rows}

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Posted]) -> None:
        """Insert the new postings, numbered; the tables refuse an event id they know."""
        # The ledger's order within a batch is the log's: `changes` has none.
        fresh = sorted((change for change in changes.values() if change.posting), key=lambda change: change.offset)
        postings = [change.posting for change in fresh if change.posting]
        if not postings:
            return
        row = await (await db.execute(_COUNT, (len(postings),))).fetchone()
        if row is None:
            raise Stop("Table posting_counter of the ledger is empty; run the migrations again.")
        columns = [list(column) for column in zip(*(_row(posting) for posting in postings), strict=True)]
        await db.execute(_INSERT, (row[0] - len(postings), partition.topic, partition.partition, *columns))

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Allowed only where nothing is posted: the topics hold every event, but a rebuild is never silent."""
        row = await (await db.execute(_ANYTHING, (partition.topic, partition.partition))).fetchone()
        if row is not None and row[0]:
            raise Stop(
                f"The ledger has postings of {partition.topic}/{partition.partition} but not how far it had read. "
                "Restore the database, inbox included, or rebuild the ledger into an empty one."
            )


def _row(posting: Posting) -> tuple[object, ...]:
    return (
        posting.event_id,
        posting.type,
        posting.business_key,
        posting.uscc,
        posting.decision_id,
        posting.debit,
        posting.credit,
        posting.amount_fen,
        posting.booked_on,
        posting.digest,
    )


_KNOWN: LiteralString = "SELECT event_id, digest FROM posting WHERE event_id = ANY(%s::text[])"
# Locks the counter's row to the end of the transaction: numbers are given in the order of the commits.
_COUNT: LiteralString = "UPDATE posting_counter SET last = last + %s RETURNING last"
_INSERT: LiteralString = """
    INSERT INTO posting (seq, event_id, type, business_key, uscc, decision_id, debit, credit, amount_fen, booked_on,
      digest, topic, partition)
    SELECT %s::bigint + fresh.place, fresh.event_id, fresh.type, fresh.business_key, fresh.uscc, fresh.decision_id,
      fresh.debit, fresh.credit, fresh.amount_fen, fresh.booked_on, fresh.digest, %s, %s
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[],
      %s::date[], %s::bytea[]) WITH ORDINALITY
      AS fresh (event_id, type, business_key, uscc, decision_id, debit, credit, amount_fen, booked_on, digest, place)"""
_ANYTHING: LiteralString = "SELECT EXISTS (SELECT FROM posting WHERE topic = %s AND partition = %s)"
