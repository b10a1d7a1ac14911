"""What holdover holds, in sums: for totals over HTTP, and to know whether everything has come through.

Every function reads inside the caller's snapshot, so that the sums are of one moment.
"""

from dataclasses import dataclass
from typing import LiteralString

from shared.streaming.postgres_store import Connection


@dataclass(frozen=True, slots=True)
class AccountSum:
    """The accounts of one utility in one state: `bills_fen` deferred in all, `paid_fen` of it, what is open, and what
    was paid beyond it. `protected`: how many have an order in force.
    """

    utility: str
    state: str
    accounts: int
    protected: int
    bills_fen: int
    paid_fen: int
    open_fen: int
    surplus_fen: int


@dataclass(frozen=True, slots=True)
class AnswerSum:
    """Requests for disconnection of one utility by what they were answered: refused or allowed."""

    utility: str
    answer: str
    requests: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Events stored to be told, how many of them the topic is known to have, and the enterprises to which a day that
    has started still brings something.
    """

    events_told: int
    events_relayed: int
    waiting: int


async def accounts(db: Connection) -> list[AccountSum]:
    # Sums come as decimals, for they could outgrow 64 bits.
    rows = await (await db.execute(_ACCOUNTS)).fetchall()
    return [AccountSum(utility, state, *map(int, sums)) for utility, state, *sums in rows]


async def answers(db: Connection) -> list[AnswerSum]:
    return [AnswerSum(*row) for row in await (await db.execute(_ANSWERS)).fetchall()]


async def progress(db: Connection) -> Progress:
    row = await (await db.execute(_PROGRESS)).fetchone()
    assert row is not None
    return Progress(*row)


_ACCOUNTS: LiteralString = """
    SELECT utility, state, count(*), count(order_id), sum(bills_fen), sum(lowered_fen + repaid_fen), sum(open_fen),
      sum(surplus_fen)
    FROM account GROUP BY utility, state ORDER BY utility, state"""
_ANSWERS: LiteralString = """
    SELECT utility, answer, count(*) FROM disconnection JOIN account USING (holdover_id)
    GROUP BY utility, answer ORDER BY utility, answer"""
_PROGRESS: LiteralString = """
    SELECT last, relayed, (
      SELECT count(*) FROM enterprise e JOIN days d USING (partition)
      WHERE e.next_due <= least(d.known, d.decided) AND d.known IS NOT NULL AND d.decided IS NOT NULL)
    FROM outbox_counter, outbox_pointer"""
