"""Turning the vault's key over: every payee stored under an older key is stored anew under the one in use now."""

import asyncio
from typing import LiteralString, NamedTuple

from services.payments.vault import Vault, VaultError
from shared.streaming.postgres_store import Pool, transaction

AT_ONCE = 500


class Turnover(NamedTuple):
    """How many values were stored anew, and how many do not open, with one sentence on the first of those."""

    renewed: int
    unopened: int
    first_trouble: str | None


class _Stored(NamedTuple):
    """`of`: the account's digest where it was opened, the batch where it was approved."""

    payment_id: str
    of: str
    stored: str


async def turn_over(pool: Pool, vault: Vault) -> Turnover:
    """All accounts that were opened, and their copies in what was approved, in transactions of 500.

    One that does not open is left as it is and counted: its key is missing from the file, or it was altered, and its
    payment stops when its message is built.
    """
    # In this order: what is approved meanwhile copies a value that is under the new key already.
    parts = [await _turn_over(pool, vault, *statements) for statements in (_OPENED, _APPROVED)]
    troubles = (part.first_trouble for part in parts if part.first_trouble)
    return Turnover(sum(part.renewed for part in parts), sum(part.unopened for part in parts), next(troubles, None))


async def _turn_over(pool: Pool, vault: Vault, older: LiteralString, renew: LiteralString) -> Turnover:
    renewed = unopened = 0
    trouble: str | None = None
    after = ("", "")
    while True:
        async with transaction(pool) as db:
            rows = await (await db.execute(older, (vault.key_id, *after, AT_ONCE))).fetchall()
        if not rows:
            return Turnover(renewed, unopened, trouble)
        found = [_Stored(*row) for row in rows]
        after = found[-1][:2]
        fresh, troubles = await asyncio.to_thread(_renew, vault, found)
        unopened += len(troubles)
        trouble = trouble or next(iter(troubles), None)
        if fresh:
            async with transaction(pool) as db:
                columns = [list(column) for column in zip(*fresh, strict=True)]
                renewed += (await db.execute(renew, columns)).rowcount


def _renew(vault: Vault, found: list[_Stored]) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    fresh, troubles = [], []
    for one in found:
        try:
            fresh.append((*one, vault.rotate(one.stored, one.payment_id)))
        except VaultError as error:
            troubles.append(f"Payment {one.payment_id}: {error}")
    return fresh, troubles


# What is stored anew is so only where it still is what was opened: another replica may have been faster.
_OPENED: tuple[LiteralString, LiteralString] = (
    """
    SELECT payment_id, payee_digest, stored FROM payee
    WHERE split_part(stored, '.', 2) <> %s AND (payment_id, payee_digest) > (%s, %s)
    ORDER BY payment_id, payee_digest LIMIT %s""",
    """
    UPDATE payee p SET stored = fresh.stored
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS fresh (payment_id, payee_digest, before, stored)
    WHERE (p.payment_id, p.payee_digest, p.stored) = (fresh.payment_id, fresh.payee_digest, fresh.before)""",
)
_APPROVED: tuple[LiteralString, LiteralString] = (
    """
    SELECT payment_id, batch_id, stored FROM approved_payment
    WHERE split_part(stored, '.', 2) <> %s AND (payment_id, batch_id) > (%s, %s)
    ORDER BY payment_id, batch_id LIMIT %s""",
    """
    UPDATE approved_payment a SET stored = fresh.stored
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS fresh (payment_id, batch_id, before, stored)
    WHERE (a.payment_id, a.batch_id, a.stored) = (fresh.payment_id, fresh.batch_id, fresh.before)""",
)
