"""The ledger's tables, read: balances as of any day and number, the heads of the chains, postings by the page.

Every function reads inside the caller's snapshot. `at_seq` means after the posting of that number, whatever came since.
Statements are planned anew each time: the plan for one filter, or for a number near the end, is wrong for another.
"""

from datetime import date
from typing import LiteralString, NamedTuple

from services.ledger.domain.chain import Entry, Head
from shared.streaming.postgres_store import Connection

# As many numbers as one request for transactions looks through: what it costs does not depend on how rare its hits are.
WINDOW = 50_000


class Turnover(NamedTuple):
    """One account: what was booked on either side of it, and how many postings debit it."""

    account: str
    debit_fen: int
    credit_fen: int
    debits: int


class Filter(NamedTuple):
    """Which postings; None: all. `account` means the account and those under it, both days are included."""

    account: str | None = None
    uscc: str | None = None
    type: str | None = None
    booked_from: date | None = None
    booked_to: date | None = None


async def last_seq(db: Connection) -> int:
    """The number of the last posting, 0 for none."""
    row = await (await db.execute("SELECT last FROM posting_counter")).fetchone()
    assert row is not None
    return int(row[0])


async def turnovers(db: Connection, at_seq: int, on: date | None) -> list[Turnover]:
    """Every account with a posting up to `at_seq` that is booked on `on` or before, by name.

    Costs a look at the sums by account and day, and at the postings after `at_seq`.
    """
    rows = await (await db.execute(_TURNOVERS, {"at_seq": at_seq, "on": on}, prepare=False)).fetchall()
    return [Turnover(*row) for row in rows]


async def heads(db: Connection, at_seq: int) -> list[Head]:
    """The chains' ends after `at_seq`, by topic and partition."""
    rows = await (await db.execute(_HEADS, {"at_seq": at_seq}, prepare=False)).fetchall()
    return [Head(*row) for row in rows]


async def page(db: Connection, which: Filter, after: int, at_seq: int, limit: int) -> tuple[list[Entry], int | None]:
    """The first `limit` postings of `which` numbered above `after`, and after which number to go on, None at the end.

    A page may hold fewer, even none, and yet not be the last.
    """
    # The index by enterprise finds all there is; every other filter looks at postings one by one.
    upto = at_seq if which.uscc is not None else min(at_seq, after + WINDOW)
    parameters = {**which._asdict(), "after": after, "upto": upto, "limit": limit + 1}
    rows = await (await db.execute(_PAGE, parameters, prepare=False)).fetchall()
    entries = [Entry(*row) for row in rows[:limit]]
    if len(rows) > limit:
        return entries, entries[-1].seq
    return entries, upto if upto < at_seq else None


_TURNOVERS: LiteralString = """
    SELECT account, sum(debit_fen)::bigint, sum(credit_fen)::bigint, sum(debits)::bigint
    FROM (
      SELECT account, debit_fen, credit_fen, debits FROM account_day
      WHERE %(on)s::date IS NULL OR booked_on <= %(on)s
      UNION ALL
      SELECT debit, -sum(amount_fen), 0, -count(*) FROM posting
      WHERE seq > %(at_seq)s AND (%(on)s::date IS NULL OR booked_on <= %(on)s) GROUP BY debit
      UNION ALL
      SELECT credit, 0, -sum(amount_fen), 0 FROM posting
      WHERE seq > %(at_seq)s AND (%(on)s::date IS NULL OR booked_on <= %(on)s) GROUP BY credit
    ) AS sides
    GROUP BY account HAVING sum(debit_fen) > 0 OR sum(credit_fen) > 0 ORDER BY account"""
# Where nothing came after `at_seq`, the lateral join begins at the head itself; else it goes back to the chain's last.
_HEADS: LiteralString = """
    SELECT head.topic, head.partition, head.postings - coalesce(later.postings, 0), told.seq, encode(told.link, 'hex')
    FROM chain_head AS head
    LEFT JOIN (SELECT topic, partition, count(*) AS postings FROM posting WHERE seq > %(at_seq)s
      GROUP BY topic, partition) AS later ON later.topic = head.topic AND later.partition = head.partition
    CROSS JOIN LATERAL (SELECT seq, link FROM posting WHERE seq <= least(%(at_seq)s, head.last_seq)
      AND topic = head.topic AND partition = head.partition ORDER BY seq DESC LIMIT 1) AS told
    ORDER BY head.topic, head.partition"""
_PAGE: LiteralString = """
    SELECT seq, topic, partition, hex(event_id), type, hex(business_key), uscc, hex(decision_id), debit, credit,
      amount_fen, to_char(booked_on, 'YYYY-MM-DD'), encode(digest, 'hex'), encode(link, 'hex')
    FROM posting
    WHERE seq > %(after)s AND seq <= %(upto)s
      AND (%(uscc)s::text IS NULL OR uscc = %(uscc)s)
      AND (%(type)s::text IS NULL OR type = %(type)s)
      AND (%(booked_from)s::date IS NULL OR booked_on >= %(booked_from)s)
      AND (%(booked_to)s::date IS NULL OR booked_on <= %(booked_to)s)
      AND (%(account)s::text IS NULL OR debit = %(account)s OR credit = %(account)s
        OR starts_with(debit, %(account)s || ':') OR starts_with(credit, %(account)s || ':'))
    ORDER BY seq LIMIT %(limit)s"""
