"""Entitlements with their payments, read and written in one statement per batch and table."""

from collections.abc import Sequence
from typing import Any, LiteralString

from services.payments.domain.refund import Clawback, Key, Payment, Refund
from shared.streaming.postgres_store import Connection


async def load_refunds(db: Connection, keys: Sequence[Key]) -> dict[Key, Refund]:
    """Those there are. Payments cancelled before they went out are left out: nobody has a word on them any more."""
    if not keys:
        return {}
    columns = [list(column) for column in zip(*keys, strict=True)]
    payments: dict[Key, list[Payment]] = {}
    for uscc, measure, key, *rest in await (await db.execute(_PAYMENTS, columns)).fetchall():
        payments.setdefault(Key(uscc, measure, key), []).append(Payment(*rest))
    found: dict[Key, Refund] = {}
    for uscc, measure, key, revision, amount, number, *payee in await (await db.execute(_REFUNDS, columns)).fetchall():
        name = Key(uscc, measure, key)
        found[name] = Refund(revision, amount, number, tuple(payments.get(name, ())), *payee)
    return found


async def save_refunds(db: Connection, refunds: Sequence[tuple[Key, int, Refund]]) -> None:
    """(key, the enterprise's partition, state); claims raised on the way are kept too."""
    entitled: list[tuple[object, ...]] = []
    payments: list[tuple[object, ...]] = []
    claims: list[Clawback] = []
    for key, partition, refund in refunds:
        payee = refund.prefecture, refund.payee_sealed, refund.payee_digest
        entitled.append((*key, partition, refund.revision, refund.amount_fen, refund.last_number, *payee))
        payments += [(*key, *_payment_row(payment)) for payment in refund.payments]
        claims += refund.raised
    await _write(db, _SAVE_REFUNDS, entitled)
    # What was with the bank is over by its refusal alone, and the table is told both steps.
    given_up = [one.payment_id for *_, refund in refunds for one in refund.payments if _given_up(one)]
    if given_up:
        await db.execute(_REJECT, (given_up,))
    await _write(db, _SAVE_PAYMENTS, payments)
    await _write(db, _SAVE_CLAIMS, [(claim.clawback_id, claim.payment_id, claim.amount_fen) for claim in claims])


def _given_up(payment: Payment) -> bool:
    return payment.state == "cancelled" and payment.submitted_on is not None


async def _write(db: Connection, statement: LiteralString, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await db.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _payment_row(payment: Payment) -> tuple[Any, ...]:
    return (
        payment.number,
        payment.payment_id,
        payment.amount_fen,
        payment.state,
        payment.prefecture,
        payment.decision_id,
        payment.payee_digest,
        payment.batch_id,
        payment.held_for,
        payment.submitted_on,
        payment.clawed_fen,
        payment.clawbacks,
    )


_REFUNDS: LiteralString = """
    SELECT uscc, measure, key, revision, amount_fen, last_number, prefecture, payee_sealed, payee_digest
    FROM unnest(%b::text[], %b::text[], %b::text[]) AS wanted (uscc, measure, key)
    JOIN refund USING (uscc, measure, key)"""
_PAYMENTS: LiteralString = """
    SELECT uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id, payee_digest, batch_id,
      held_for, submitted_on, clawed_fen, clawbacks
    FROM unnest(%b::text[], %b::text[], %b::text[]) AS wanted (uscc, measure, key)
    JOIN payment USING (uscc, measure, key)
    WHERE state <> 'cancelled' OR submitted_on IS NOT NULL ORDER BY uscc, measure, key, number"""
_SAVE_REFUNDS: LiteralString = """
    INSERT INTO refund (uscc, measure, key, partition, revision, amount_fen, last_number, prefecture, payee_sealed,
      payee_digest)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::int[], %b::bigint[], %b::bigint[], %b::int[],
      %b::text[], %b::text[], %b::text[])
    ON CONFLICT (uscc, measure, key) DO UPDATE SET partition = EXCLUDED.partition, revision = EXCLUDED.revision,
      amount_fen = EXCLUDED.amount_fen, last_number = EXCLUDED.last_number, prefecture = EXCLUDED.prefecture,
      payee_sealed = EXCLUDED.payee_sealed, payee_digest = EXCLUDED.payee_digest"""
# Also what may never change is set: the trigger then refuses a payment that came out different under its old number.
_SAVE_PAYMENTS: LiteralString = """
    INSERT INTO payment AS held (uscc, measure, key, number, payment_id, amount_fen, state, prefecture, decision_id,
      payee_digest, batch_id, held_for, submitted_on, clawed_fen, clawbacks)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::int[], %b::text[], %b::bigint[], %b::text[],
      %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::date[], %b::bigint[], %b::int[])
    ON CONFLICT (uscc, measure, key, number) DO UPDATE SET payment_id = EXCLUDED.payment_id,
      amount_fen = EXCLUDED.amount_fen, state = EXCLUDED.state, prefecture = EXCLUDED.prefecture,
      decision_id = EXCLUDED.decision_id, payee_digest = EXCLUDED.payee_digest, batch_id = EXCLUDED.batch_id,
      held_for = EXCLUDED.held_for, submitted_on = EXCLUDED.submitted_on, clawed_fen = EXCLUDED.clawed_fen,
      clawbacks = EXCLUDED.clawbacks
    WHERE (held.payment_id, held.amount_fen, held.state, held.prefecture, held.decision_id, held.payee_digest,
           held.batch_id, held.held_for, held.submitted_on, held.clawed_fen, held.clawbacks)
      IS DISTINCT FROM (EXCLUDED.payment_id, EXCLUDED.amount_fen, EXCLUDED.state, EXCLUDED.prefecture,
           EXCLUDED.decision_id, EXCLUDED.payee_digest, EXCLUDED.batch_id, EXCLUDED.held_for, EXCLUDED.submitted_on,
           EXCLUDED.clawed_fen, EXCLUDED.clawbacks)"""
_REJECT: LiteralString = """
    UPDATE payment SET state = 'rejected' WHERE payment_id = ANY(%b::text[]) AND state IN ('submitted', 'unknown')"""
_SAVE_CLAIMS: LiteralString = """
    INSERT INTO clawback (clawback_id, payment_id, amount_fen)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[])"""
