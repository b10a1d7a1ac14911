"""What payments holds, in sums per programme: for totals over HTTP and for the watch over conservation.

Every function reads inside the caller's snapshot, so that the sums are of one moment.
"""

from collections.abc import Mapping
from typing import LiteralString

import msgspec

from services.payments.domain.refund import PROGRAMMES
from shared.contracts import topics
from shared.streaming.postgres_store import Connection


class Sum(msgspec.Struct, frozen=True, gc=False):
    """One sum. `kind`: exemptions, refunds (what is due), excess (of what is live over what is due, while the bank has
    something of it), payments or clawbacks. `purpose`: an insurance or a programme. `state`: of payments, or what
    became of clawbacks (raised, recovered, written_off). `submitted_fen`: of payments, what the bank was ever given.
    """

    kind: str
    purpose: str
    state: str | None
    count: int
    amount_fen: int
    clawed_fen: int = 0
    submitted_fen: int = 0


_PURPOSES: dict[str, str] = dict(PROGRAMMES)


async def held(db: Connection) -> list[Sum]:
    """Everything held, by kind, purpose and state. Looks at every row of the tables of money."""
    found = []
    for statement in (_EXEMPTIONS, _REFUNDS, _EXCESS, _PAYMENTS, _CLAWBACKS):
        for kind, purpose, state, count, *amounts in await (await db.execute(statement)).fetchall():
            # Sums come as decimals, for they could outgrow 64 bits.
            found.append(Sum(kind, _PURPOSES.get(str(purpose), str(purpose)), state, count, *map(int, amounts)))
    return found


async def told(db: Connection, after: int, until: int) -> Mapping[tuple[str, str], int]:
    """Fen by (programme, or `exemption`; type of event) of the events numbered above `after` up to `until`."""
    money = [topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS]
    rows = await (await db.execute(_TOLD, (after, until, money))).fetchall()
    return {(purpose, kind): int(amount) for purpose, kind, amount in rows}


_EXEMPTIONS: LiteralString = """
    SELECT 'exemptions', insurance, NULL, count(*), sum(amount_fen) FROM exemption WHERE amount_fen > 0
    GROUP BY insurance ORDER BY insurance"""
_REFUNDS: LiteralString = """
    SELECT 'refunds', measure, NULL, count(*), sum(amount_fen) FROM refund WHERE amount_fen > 0
    GROUP BY measure ORDER BY measure"""
# Found by what is with the bank, which is little beside all that was ever paid.
_EXCESS: LiteralString = """
    WITH flying AS (SELECT DISTINCT uscc, measure, key FROM payment WHERE state IN ('submitted', 'unknown')),
    live AS (
      SELECT uscc, measure, key, sum(p.amount_fen - p.clawed_fen) AS fen
      FROM flying JOIN payment p USING (uscc, measure, key) WHERE p.state <> 'cancelled' GROUP BY uscc, measure, key)
    SELECT 'excess', measure, NULL, count(*), sum(live.fen - r.amount_fen)
    FROM live JOIN refund r USING (uscc, measure, key) WHERE live.fen > r.amount_fen
    GROUP BY measure ORDER BY measure"""
_PAYMENTS: LiteralString = """
    SELECT 'payments', measure, state, count(*), sum(amount_fen), sum(clawed_fen),
      coalesce(sum(amount_fen) FILTER (WHERE submitted_on IS NOT NULL), 0)
    FROM payment GROUP BY measure, state ORDER BY measure, state"""
_CLAWBACKS: LiteralString = """
    SELECT 'clawbacks', measure, part, count(*), sum(fen)
    FROM clawback c JOIN payment p USING (payment_id) CROSS JOIN LATERAL (VALUES
      ('raised', c.amount_fen), ('recovered', c.settled_fen), ('written_off', c.written_off_fen)) AS parts (part, fen)
    WHERE fen > 0 GROUP BY measure, part ORDER BY measure, part"""
# Cut out of the text, at a quarter of the cost of reading it as JSON: it is our own writer's, without blanks, and a
# quotation mark within a value is escaped. What is not found is no number, and the statement fails.
_TOLD: LiteralString = """
    SELECT coalesce(nullif(split_part(split_part(event, '"programme":"', 2), '"', 1), ''), 'exemption'),
      split_part(split_part(event, '"type":"', 2), '"', 1),
      sum(coalesce(
        nullif(split_part(split_part(event, '"delta_fen":', 2), ',', 1), ''),
        split_part(split_part(event, '"amount_fen":', 2), ',', 1))::bigint)
    FROM (SELECT convert_from(value, 'UTF8') AS event FROM outbox
      WHERE seq > %s AND seq <= %s AND topic = ANY(%s) OFFSET 0) AS told
    GROUP BY 1, 2"""
