"""Enterprises as they are stored, read for the API: by their code, or by a supplier's account number.

Every function reads inside the caller's snapshot, so that state, days and answers are of one moment.
"""

from datetime import date
from typing import LiteralString, NamedTuple

from services.holdover.domain.enterprise import Days, Enterprise
from services.holdover.domain.identity import Account
from services.holdover.store.packed import unpack
from shared.streaming.postgres_store import Connection


class Known(NamedTuple):
    """One enterprise as it was last written, and the days of its partition."""

    enterprise: Enterprise
    partition: int
    days: Days


class AnswerGiven(NamedTuple):
    """What one request to cut a supply was answered, `refused` or `allowed`, and by which order."""

    request_id: str
    holdover_id: str
    requested_on: date
    answer: str
    order_id: str | None
    reason: str
    answered_on: date


async def of_account(
    db: Connection, supplier_id: str, account_no: str, utility: str | None, uscc: str | None, limit: int
) -> list[tuple[Known, Account]]:
    """Every enterprise's account with this number at the supplier, at most `limit`. Raises Stop, see `unpack`."""
    given = {"supplier_id": supplier_id, "account_no": account_no, "utility": utility, "uscc": uscc, "limit": limit}
    rows = await (await db.execute(_OF_ACCOUNT, given)).fetchall()
    return [(_known(*row), Account(named, supplier_id, account_no)) for named, *row in rows]


async def of_enterprise(db: Connection, uscc: str) -> Known | None:
    """Raises Stop, see `unpack`."""
    row = await (await db.execute(_OF_ENTERPRISE, (uscc,))).fetchone()
    return None if row is None else _known(*row)


async def days(db: Connection, partition: int) -> Days:
    row = await (await db.execute(_DAYS, (partition,))).fetchone()
    return Days() if row is None else Days(*row)


async def answers(db: Connection, uscc: str) -> list[AnswerGiven]:
    """In the order in which they were given."""
    return [AnswerGiven(*row) for row in await (await db.execute(_ANSWERS, (uscc,))).fetchall()]


def _known(
    uscc: str, state: bytes, partition: int, known: date | None, decided: date | None, *counts: int | None
) -> Known:
    told, facts, decisions = (count or 0 for count in counts)
    return Known(unpack(uscc, state), partition, Days(known, decided, told, facts, decisions))


# Planned anew each time: with a utility or an enterprise named there is another way to the rows.
_OF_ACCOUNT: LiteralString = """
    SELECT a.utility, e.uscc, e.state, e.partition, d.known, d.decided, d.told, d.facts, d.decisions
    FROM account a JOIN enterprise e USING (uscc) LEFT JOIN days d ON d.partition = e.partition
    WHERE a.supplier_id = %(supplier_id)s AND a.account_no = %(account_no)s
      AND (%(utility)s::text IS NULL OR a.utility = %(utility)s) AND (%(uscc)s::text IS NULL OR a.uscc = %(uscc)s)
    ORDER BY a.utility, a.uscc LIMIT %(limit)s"""
_OF_ENTERPRISE: LiteralString = """
    SELECT e.uscc, e.state, e.partition, d.known, d.decided, d.told, d.facts, d.decisions
    FROM enterprise e LEFT JOIN days d ON d.partition = e.partition WHERE e.uscc = %s"""
_DAYS: LiteralString = "SELECT known, decided, told, facts, decisions FROM days WHERE partition = %s"
_ANSWERS: LiteralString = """
    SELECT request_id, holdover_id, requested_on, answer, order_id, reason, answered_on
    FROM disconnection WHERE uscc = %s ORDER BY answered_on, request_id"""
