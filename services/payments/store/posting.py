"""What the post reads and writes: approved payments, messages sent, files taken."""

from collections.abc import Sequence
from datetime import date
from typing import LiteralString, NamedTuple

from services.payments.domain.refund import Programme
from shared.streaming.postgres_store import Connection


class FileKnown(NamedTuple):
    name: str
    accepted: bool
    sentence: str

    def again(self) -> str:
        """The sentence for the same bytes once more."""
        if self.accepted:
            return f"The same file was processed before, under the name {self.name}."
        return self.sentence


class Submitted(NamedTuple):
    amount_fen: int
    batch_id: str


async def programme_of(db: Connection, batch_id: str) -> Programme:
    row = await (await db.execute("SELECT programme FROM batch WHERE batch_id = %s", (batch_id,))).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


async def approved(db: Connection, batch_id: str) -> list[tuple[str, int, str]]:
    """(payment id, fen, stored payee) of what goes out under this batch, by id."""
    return await (await db.execute(_APPROVED, (batch_id,))).fetchall()


async def unsent(db: Connection) -> list[tuple[str, date, bytes]]:
    """(batch id, day of submission, digest of the message) of batches that are submitted and not with the bank yet."""
    return await (await db.execute(_UNSENT)).fetchall()


async def mark_sent(db: Connection, batch_id: str) -> None:
    await db.execute("UPDATE batch SET sent = true WHERE batch_id = %s", (batch_id,))


async def file_known(db: Connection, sha256: bytes) -> FileKnown | None:
    row = await (
        await db.execute("SELECT name, accepted, sentence FROM bank_file WHERE sha256 = %s", (sha256,))
    ).fetchone()
    return None if row is None else FileKnown(*row)


async def message_known(db: Connection, message_id: str) -> bool:
    """Whether a reply with this id was accepted."""
    found = await db.execute("SELECT 1 FROM bank_file WHERE message_id = %s AND accepted", (message_id,))
    return await found.fetchone() is not None


async def keep_file(db: Connection, sha256: bytes, name: str, message_id: str | None, sentence: str) -> None:
    """Accepted with its message id, refused without."""
    await db.execute(
        "INSERT INTO bank_file (sha256, name, message_id, accepted, sentence) VALUES (%s, %s, %s, %s, %s)",
        (sha256, name, message_id, message_id is not None, sentence),
    )


async def submitted(db: Connection, payments: Sequence[str]) -> dict[str, Submitted]:
    """Those of the payments that were given to the bank."""
    rows = await (await db.execute(_SUBMITTED, (list(payments),))).fetchall()
    return {payment_id: Submitted(*rest) for payment_id, *rest in rows}


async def submitted_in(db: Connection, batch_id: str) -> dict[str, int]:
    """The payments that were given to the bank in one message, and their amounts."""
    return dict(await (await db.execute(_SUBMITTED_IN, (batch_id,))).fetchall())


async def claims_known(db: Connection, claims: Sequence[str]) -> set[str]:
    rows = await (
        await db.execute("SELECT clawback_id FROM clawback WHERE clawback_id = ANY(%s::text[])", (list(claims),))
    ).fetchall()
    return {claim for (claim,) in rows}


_APPROVED: LiteralString = """
    SELECT p.payment_id, a.amount_fen, a.stored
    FROM payment p JOIN approved_payment a ON a.payment_id = p.payment_id AND a.batch_id = p.batch_id
    WHERE p.batch_id = %s ORDER BY p.payment_id"""
_UNSENT: LiteralString = """
    SELECT b.batch_id, min(p.submitted_on), b.message_sha256 FROM batch b JOIN payment p USING (batch_id)
    WHERE b.state = 'submitted' AND NOT b.sent GROUP BY b.batch_id ORDER BY b.batch_id"""
_SUBMITTED: LiteralString = """
    SELECT payment_id, amount_fen, batch_id FROM payment
    WHERE payment_id = ANY(%s::text[]) AND submitted_on IS NOT NULL"""
_SUBMITTED_IN: LiteralString = """
    SELECT payment_id, amount_fen FROM payment WHERE batch_id = %s AND submitted_on IS NOT NULL ORDER BY payment_id"""
