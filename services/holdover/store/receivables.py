"""What a supplier is owed of the sums deferred: in totals, by the page, and all of it.

Receivable is an account in which something is or was deferred. `deferred_fen`: its bills in the holdover, in their
latest version; `paid_fen`: the payments that name them. What is open is not yet due, due or overdue by the last day
that started in the enterprise's partition, `as_of`:

- before repayment begins nothing is due yet;
- in repayment, and after a default, by instalment: due from the day one is announced, overdue the day after its date;
- after an application was taken back by the bills' own dates, payments counting for the oldest: due on that date.

So in every row and every sum, to the fen: open = not yet due + due + overdue, and open - surplus = deferred - paid.
Every function reads inside the caller's snapshot.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

from shared.streaming.postgres_store import Connection

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Receivable:
    """One account; amounts as the module says. `as_of` is null while no day has started."""

    holdover_id: str
    uscc: str
    utility: str
    account_no: str
    state: str
    begun_on: date
    as_of: date | None
    deferred_fen: int
    paid_fen: int
    open_fen: int
    not_yet_due_fen: int
    due_fen: int
    overdue_fen: int
    surplus_fen: int


@dataclass(frozen=True, slots=True)
class ReceivableSum:
    """The accounts of one utility. Of `open_fen`, `defaulted_fen` is on accounts in default, and `ended_fen` on those
    whose application was taken back; `bills`: how many make up `deferred_fen`.
    """

    utility: str
    accounts: int
    enterprises: int
    bills: int
    deferred_fen: int
    paid_fen: int
    open_fen: int
    not_yet_due_fen: int
    due_fen: int
    overdue_fen: int
    surplus_fen: int
    defaulted_fen: int
    ended_fen: int


@dataclass(frozen=True, slots=True)
class LeftOutSum:
    """Bills of one utility that are in no holdover, by why, and what payments name them."""

    utility: str
    left_out: str
    bills: int
    amount_fen: int
    paid_fen: int


@dataclass(frozen=True, slots=True)
class Reached:
    """The days of the partitions that the accounts are in: the earliest and the latest last day, null where none has
    started in one of them, or in any. `waiting`: accounts to which a day that has started still brings something.
    """

    as_of: date | None
    as_of_latest: date | None
    waiting: int


async def totals(db: Connection, supplier_id: str) -> list[ReceivableSum]:
    """By utility; none where nothing was ever deferred."""
    # Sums come as decimals, for they could outgrow 64 bits.
    rows = await (await db.execute(_TOTALS, {"supplier_id": supplier_id})).fetchall()
    return [ReceivableSum(utility, *map(int, sums)) for utility, *sums in rows]


async def left_out(db: Connection, supplier_id: str) -> list[LeftOutSum]:
    """With `deferred_fen` of the totals these are all bills of the supplier that were ever accepted."""
    rows = await (await db.execute(_LEFT_OUT, {"supplier_id": supplier_id})).fetchall()
    return [LeftOutSum(utility, why, *map(int, sums)) for utility, why, *sums in rows]


async def reached(db: Connection, supplier_id: str) -> Reached:
    row = await (await db.execute(_REACHED, {"supplier_id": supplier_id})).fetchone()
    assert row is not None
    return Reached(*row)


async def has(db: Connection, supplier_id: str, holdover_id: str) -> bool:
    """Whether the supplier has this account."""
    return await (await db.execute(_HAS, (supplier_id, holdover_id))).fetchone() is not None


async def page(db: Connection, supplier_id: str, after: str | None, limit: int) -> list[Receivable]:
    """The next `limit` accounts after the one named, in the order of account number, utility and enterprise."""
    given = {"supplier_id": supplier_id, "after": after, "limit": limit}
    rows = await (await db.execute(_PAGE if after is not None else _FIRST_PAGE, given)).fetchall()
    return [Receivable(*row) for row in rows]


@asynccontextmanager
async def every(db: Connection, supplier_id: str) -> AsyncIterator[AsyncIterator[Receivable]]:
    """All of them in the order of `page`, some at a time from the server. The statement has run when this begins."""
    async with db.cursor(name="receivables") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        await cursor.execute(_ALL, {"supplier_id": supplier_id})

        async def rows() -> AsyncIterator[Receivable]:
            async for row in cursor:
                yield Receivable(*row)

        yield rows()


# Of each account: its day, its instalments against that day, and its bills only where their own dates count.
_ACCOUNTS: LiteralString = """
    FROM account a LEFT JOIN days d ON d.partition = a.partition
    CROSS JOIN LATERAL (SELECT
      CASE WHEN d.known IS NOT NULL AND d.decided IS NOT NULL THEN least(d.known, d.decided) END AS as_of,
      a.lowered_fen + a.repaid_fen AS paid_fen,
      a.state NOT IN ('open', 'repaying', 'completed', 'defaulted') AS ended) AS day
    CROSS JOIN LATERAL (SELECT
      coalesce(sum(i.amount_fen - i.paid_fen) FILTER (WHERE i.due_on < as_of), 0)::bigint AS overdue_fen,
      coalesce(sum(i.amount_fen - i.paid_fen) FILTER (WHERE i.due_on >= as_of AND i.announced_on <= as_of), 0)::bigint
        AS due_fen
      FROM instalment i WHERE i.holdover_id = a.holdover_id) AS parts
    CROSS JOIN LATERAL (SELECT
      coalesce(sum(b.amount_fen) FILTER (WHERE b.due_on < as_of), 0)::bigint AS past_fen,
      coalesce(sum(b.amount_fen) FILTER (WHERE b.due_on <= as_of), 0)::bigint AS come_fen
      FROM bill b WHERE ended AND b.uscc = a.uscc AND b.holdover_id = a.holdover_id AND b.left_out IS NULL) AS bills
    CROSS JOIN LATERAL (SELECT
      CASE WHEN ended THEN greatest(0, past_fen - day.paid_fen) ELSE parts.overdue_fen END AS overdue_fen,
      CASE WHEN ended THEN greatest(0, come_fen - day.paid_fen) - greatest(0, past_fen - day.paid_fen)
        ELSE parts.due_fen END AS due_fen) AS now
    WHERE a.supplier_id = %(supplier_id)s AND a.begun_on IS NOT NULL"""
_COLUMNS: LiteralString = """
    SELECT a.holdover_id, a.uscc, a.utility, a.account_no, a.state, a.begun_on, as_of, a.bills_fen, day.paid_fen,
      a.open_fen, a.open_fen - now.due_fen - now.overdue_fen, now.due_fen, now.overdue_fen, a.surplus_fen"""
_SUMS: LiteralString = """
    SELECT a.utility, count(*), count(DISTINCT a.uscc), sum((SELECT count(*) FROM bill
        WHERE bill.uscc = a.uscc AND bill.holdover_id = a.holdover_id AND left_out IS NULL)),
      sum(a.bills_fen), sum(day.paid_fen), sum(a.open_fen), sum(a.open_fen - now.due_fen - now.overdue_fen),
      sum(now.due_fen), sum(now.overdue_fen), sum(a.surplus_fen),
      coalesce(sum(a.open_fen) FILTER (WHERE a.state = 'defaulted'), 0),
      coalesce(sum(a.open_fen) FILTER (WHERE ended), 0)"""
_AFTER: LiteralString = """
      AND (a.account_no, a.utility, a.uscc) > (SELECT account_no, utility, uscc FROM account
        WHERE holdover_id = %(after)s)"""
_IN_ORDER: LiteralString = """
    ORDER BY a.account_no, a.utility, a.uscc"""
_LIMITED: LiteralString = _IN_ORDER + """ LIMIT %(limit)s"""
_BY_UTILITY: LiteralString = """
    GROUP BY a.utility ORDER BY a.utility"""
_ALL: LiteralString = _COLUMNS + _ACCOUNTS + _IN_ORDER
_FIRST_PAGE: LiteralString = _COLUMNS + _ACCOUNTS + _LIMITED
_PAGE: LiteralString = _COLUMNS + _ACCOUNTS + _AFTER + _LIMITED
_TOTALS: LiteralString = _SUMS + _ACCOUNTS + _BY_UTILITY
_LEFT_OUT: LiteralString = """
    SELECT a.utility, b.left_out, count(*), sum(b.amount_fen), sum(b.paid_fen)
    FROM account a JOIN bill b USING (uscc, holdover_id)
    WHERE a.supplier_id = %(supplier_id)s AND b.left_out IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"""
_REACHED: LiteralString = """
    SELECT CASE WHEN count(*) FILTER (WHERE as_of IS NULL) = 0 THEN min(as_of) END, max(as_of),
      count(*) FILTER (WHERE e.next_due <= as_of)
    FROM account a JOIN enterprise e USING (uscc)
    LEFT JOIN days d ON d.partition = a.partition
    CROSS JOIN LATERAL (SELECT
      CASE WHEN d.known IS NOT NULL AND d.decided IS NOT NULL THEN least(d.known, d.decided) END AS as_of) AS day
    WHERE a.supplier_id = %(supplier_id)s AND a.begun_on IS NOT NULL"""
_HAS: LiteralString = "SELECT FROM account WHERE supplier_id = %s AND holdover_id = %s"
