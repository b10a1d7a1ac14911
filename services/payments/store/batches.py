"""Batches in the tables: as they are declared, and whether that is what they hold."""

from collections.abc import Iterable, Sequence
from typing import LiteralString, NamedTuple

from services.payments.domain.batch import Batch
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection


class Approval(NamedTuple):
    """One officer's approval of one version of a batch; `place` 1 or 2."""

    batch_id: str
    version: int
    officer: str
    reason: str
    place: int


async def partitions_of(db: Connection, batches: Iterable[str]) -> list[int]:
    """The partitions of the enterprises that batches pay, ascending: whose locks are needed to change them."""
    rows = await (await db.execute(_PARTITIONS, (list(batches),))).fetchall()
    return [number for (number,) in rows]


async def load_batches(db: Connection, batches: Sequence[str]) -> dict[str, Batch]:
    """Those there are, locked. Raises Stop where one does not hold what it declares: nobody may act on it.

    The partitions' locks are held: what a batch holds is counted before its row is locked.
    """
    if not batches:
        return {}
    found: dict[str, Batch] = {}
    for batch_id, programme, state, count, total, version, prepared_by, frozen, officers, held, sums in await (
        await db.execute(_BATCHES, (sorted(set(batches)),))
    ).fetchall():
        if (count, total) != (held, sums):
            raise Stop(
                f"Batch {batch_id} declares {count} payments of {total} fen and holds {held} of {sums} fen. Nothing of "
                "it may be paid until that is explained."
            )
        approvals = tuple(officers)
        found[batch_id] = Batch(batch_id, programme, state, count, total, version, prepared_by, approvals, frozen)
    return found


async def save_batch(db: Connection, batch: Batch, approvals: Iterable[Approval]) -> None:
    """Keep what an officer decided, with what follows for the payments. The partitions' locks are held."""
    for approval in approvals:
        await db.execute(_APPROVE, approval)
    if batch.state == "approved":
        await db.execute(_KEEP_APPROVED, (batch.batch_id,))
        await db.execute("UPDATE payment SET state = 'approved' WHERE batch_id = %s", (batch.batch_id,))
    elif batch.state == "refused":
        await db.execute(
            "UPDATE payment SET state = 'authorised', batch_id = NULL WHERE batch_id = %s", (batch.batch_id,)
        )
    await db.execute("UPDATE batch SET state = %s WHERE batch_id = %s", (batch.state, batch.batch_id))


_PARTITIONS: LiteralString = """
    SELECT DISTINCT partition FROM payment JOIN refund USING (uscc, measure, key)
    WHERE batch_id = ANY(%s::text[]) ORDER BY partition"""
_BATCHES: LiteralString = """
    SELECT b.batch_id, b.programme, b.state, b.count, b.total_fen, b.version, b.prepared_by, b.frozen,
      ARRAY(SELECT officer FROM approval a WHERE a.batch_id = b.batch_id AND a.version = b.version ORDER BY place),
      (SELECT count(*) FROM payment p WHERE p.batch_id = b.batch_id),
      (SELECT coalesce(sum(amount_fen), 0)::bigint FROM payment p WHERE p.batch_id = b.batch_id)
    FROM batch b WHERE b.batch_id = ANY(%s::text[]) ORDER BY b.batch_id FOR UPDATE OF b"""
_APPROVE: LiteralString = """
    INSERT INTO approval (batch_id, version, officer, reason, place) VALUES (%s, %s, %s, %s, %s)"""
_KEEP_APPROVED: LiteralString = """
    INSERT INTO approved_payment (batch_id, payment_id, amount_fen, decision_id, revision, payee_digest, stored)
    SELECT p.batch_id, p.payment_id, p.amount_fen, p.decision_id, r.revision, p.payee_digest, a.stored
    FROM payment p JOIN refund r USING (uscc, measure, key)
    JOIN payee a ON a.payment_id = p.payment_id AND a.payee_digest = p.payee_digest
    WHERE p.batch_id = %s"""
