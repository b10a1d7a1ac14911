"""The tables of the ledger: known events of a batch in, new postings out, one statement each."""

from collections.abc import Iterable, Sequence
from typing import LiteralString

from aiokafka.structs import TopicPartition

from services.ledger.domain.chain import NO_LINK, link
from services.ledger.domain.posting import Posted, Posting
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


class PostingRows:
    """Implements `Rows[Posted]`. The runner holds the partition's lock around every call."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Posted]:
        """Those of the event ids that are posted, with their digests."""
        rows = await (await db.execute(_KNOWN, (_array(keys),))).fetchall()
        return {event_id: Posted(digest) for event_id, digest in rows}

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Posted]) -> None:
        """Insert the new postings, numbered and chained; the tables refuse an event id they know."""
        # The ledger's order within a batch is the log's: `changes` has none.
        fresh = sorted((change for change in changes.values() if change.posting), key=lambda change: change.offset)
        postings = [change.posting for change in fresh if change.posting]
        if not postings:
            return
        row = await (await db.execute(_HEAD, (partition.topic, partition.partition))).fetchone()
        if row is None:
            raise Stop("Table posting_counter of the ledger is empty; run the migrations again.")
        last, head = row
        columns = _columns(postings, last, partition, head or NO_LINK)
        await db.execute(_INSERT, (last, partition.topic, partition.partition, *map(_array, columns)))

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Allowed only where nothing is posted: the topics hold every event, but a rebuild is never silent."""
        row = await (await db.execute(_ANYTHING, (partition.topic, partition.partition))).fetchone()
        if row is not None and row[0]:
            raise Stop(
                f"The ledger has postings of {partition.topic}/{partition.partition} but not how far it had read. "
                "Restore the database, inbox included, or rebuild the ledger into an empty one."
            )


def _columns(postings: Sequence[Posting], last: int, partition: TopicPartition, head: str) -> Iterable[Iterable[str]]:
    """The columns of `_INSERT` from event_id on, in text. `last`: the number before the first; `head`: its link."""
    topic, number = partition.topic, str(partition.partition)
    rows = []
    for seq, posting in enumerate(postings, last + 1):
        event = posting.event
        amount, day, digest = str(posting.amount_fen), event.booked_on.isoformat(), event.digest.hex()
        head = link(
            head, str(seq), topic, number, event.event_id, event.type, event.business_key, event.uscc,
            event.decision_id, posting.debit, posting.credit, amount, day, digest,
        )  # fmt: skip
        rows.append((
            event.event_id, event.type, event.business_key, event.uscc, event.decision_id, posting.debit,
            posting.credit, amount, day, digest, head,
        ))  # fmt: skip
    return zip(*rows, strict=True)


def _array(values: Iterable[str]) -> str:
    """A PostgreSQL array in text, a tenth of the work of adapting a list.

    Nothing here needs a quote: hex digits, digits, the chart's names, a social credit code. Anything else would make
    a longer array than the others, and the columns refuse the nulls that fill those up.
    """
    return "{" + ",".join(values) + "}"


_KNOWN: LiteralString = "SELECT hex(event_id), digest FROM posting WHERE event_id = ANY(%s::uuid[])"
# Locks the counter's row to the end of the transaction: numbers are given in the order of the commits. The trigger
# moves it, with all else that follows the postings.
_HEAD: LiteralString = """
    SELECT counter.last, encode(head.link, 'hex')
    FROM posting_counter AS counter LEFT JOIN chain_head AS head ON head.topic = %s AND head.partition = %s
    FOR UPDATE OF counter"""
_INSERT: LiteralString = """
    INSERT INTO posting (seq, event_id, type, business_key, uscc, decision_id, debit, credit, amount_fen, booked_on,
      digest, link, topic, partition)
    SELECT %s::bigint + fresh.place, fresh.event_id, fresh.type, fresh.business_key, fresh.uscc, fresh.decision_id,
      fresh.debit, fresh.credit, fresh.amount_fen, fresh.booked_on, decode(fresh.digest, 'hex'),
      decode(fresh.link, 'hex'), %s, %s
    FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::bigint[],
      %s::date[], %s::text[], %s::text[]) WITH ORDINALITY
      AS fresh (event_id, type, business_key, uscc, decision_id, debit, credit, amount_fen, booked_on, digest, link,
        place)"""
_ANYTHING: LiteralString = "SELECT EXISTS (SELECT FROM posting WHERE topic = %s AND partition = %s)"
