"""For this service's tests: a journal as it is made from records alone, and as the tables have it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from services.ledger.cases import enterprise, lives
from services.ledger.domain.chain import NO_LINK, Entry, Head, link
from services.ledger.domain.posting import post
from services.ledger.exports.statement import Account, Statement
from services.ledger.handlers import LedgerFold
from services.ledger.store import reading
from shared.snapshot import snapshot
from shared.streaming.postgres_store import Pool
from shared.streaming.records import Record

# Two partitions in turn, and the second is a day ahead of the first at times: the ledger's dates go back and forth.
DAYS = (date(2020, 2, 28), date(2020, 3, 1), date(2020, 2, 29), date(2020, 3, 1), date(2020, 12, 31))


def batches(enterprises: int = 5) -> list[list[Record]]:
    """Every event of some enterprises, in the batches in which a ledger takes them."""
    found: list[list[Record]] = []
    for number in range(enterprises):
        found += lives(enterprise(number + 1), DAYS[number % len(DAYS)], partition=3 + number % 2)
    return found


def journalled(records: Iterable[Record]) -> tuple[Statement, list[Entry]]:
    """The postings with their links, and what a ledger states that holds them."""
    fold, entries = LedgerFold(), list[Entry]()
    heads: dict[tuple[str, int], Head] = {}
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for seq, record in enumerate(records, 1):
        posting = post(fold.decode(record))
        event, chain = posting.event, (record.topic, record.partition)
        before = heads.get(chain, Head(*chain, 0, 0, NO_LINK))
        names = event.event_id, event.type, event.business_key, event.uscc, event.decision_id
        text = (*names, posting.debit, posting.credit)
        on, digest = event.booked_on.isoformat(), event.digest.hex()
        made = link(
            before.link, str(seq), record.topic, str(record.partition), *text, str(posting.amount_fen), on, digest
        )
        entries.append(Entry(seq, *chain, *text, posting.amount_fen, on, digest, made))
        heads[chain] = Head(*chain, before.postings + 1, seq, made)
        sums[posting.debit][0] += posting.amount_fen
        sums[posting.credit][1] += posting.amount_fen
    accounts = tuple(Account(name, *sides) for name, sides in sorted(sums.items()))
    return Statement(len(entries), accounts, tuple(heads[chain] for chain in sorted(heads))), entries


async def stored(pool: Pool) -> tuple[Statement, list[Entry]]:
    """The same from the tables, whole."""
    async with snapshot(pool) as db:
        at_seq = await reading.last_seq(db)
        accounts = tuple(Account(*one[:3]) for one in await reading.turnovers(db, at_seq, None))
        heads = tuple(await reading.heads(db, at_seq))
        entries, rest = await reading.page(db, reading.Filter(), 0, at_seq, reading.WINDOW)
    assert rest is None
    return Statement(at_seq, accounts, heads), entries
