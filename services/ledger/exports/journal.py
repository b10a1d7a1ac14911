"""The ledger as a CSV file that proves itself: every posting with its link, then what the ledger says of them all.

Header, one row per posting in the ledger's order, and the trailer: `head` rows (topic, partition, postings, last
number, link), `account` rows (name, debit fen, credit fen), one `end` row (postings, sum of the amounts). No field is
ever quoted, lines end in one line feed, and there is exactly one way to write each row.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from services.ledger.domain.chain import Entry, Head
from services.ledger.exports.statement import Account, Statement

HEADER: Final = ",".join(Entry.__struct_fields__) + "\n"
TRAILER: Final = ("head,", "account,", "end,")


def journal(statement: Statement, entries: Iterable[Entry]) -> Iterator[str]:
    """The file in pieces. Whether the entries are the statement's is for the verifier to say."""
    yield HEADER
    for one in entries:
        yield (
            f"{one.seq},{one.topic},{one.partition},{one.event_id},{one.type},{one.business_key},{one.uscc},"
            f"{one.decision_id},{one.debit},{one.credit},{one.amount_fen},{one.booked_on},{one.digest},{one.link}\n"
        )
    yield from trailer(statement)


def trailer(statement: Statement) -> Iterator[str]:
    """The last lines: what the ledger states."""
    for head in statement.heads:
        yield _head_line(head)
    for account in statement.accounts:
        yield _account_line(account)
    yield f"end,{statement.at_seq},{sum(one.debit_fen for one in statement.accounts)}\n"


def _head_line(head: Head) -> str:
    return f"head,{head.topic},{head.partition},{head.postings},{head.last_seq},{head.link}\n"


def _account_line(account: Account) -> str:
    return f"account,{account.account},{account.debit_fen},{account.credit_fen}\n"
