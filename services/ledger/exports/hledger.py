"""The ledger as an hledger journal. `hledger -f FILE check -s ordereddates` holds it, to the fen.

Every account is declared, every amount explicit, and every posting asserts the account's balance after it, so a
change that keeps a transaction balanced is found as well.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from services.ledger.exports.days import Booked
from services.ledger.exports.statement import Statement, agree, cny


def journal(statement: Statement, days: Iterable[tuple[str, Iterable[Booked]]]) -> Iterator[str]:
    """The file in pieces; `days` in order. Raises Disagreement at the end if the postings are not the statement's."""
    yield f"; Postings 1 to {statement.at_seq} of the relief ledger, by day and number.\n"
    yield "commodity 1000.00 CNY\n\n"
    for account in statement.accounts:
        yield f"account {account.account}\n"
    balances: dict[str, int] = defaultdict(int)
    postings = 0
    for day, booked in days:
        for one in booked:
            debit, credit, amount = one.debit, one.credit, one.amount_fen
            balances[debit] += amount
            balances[credit] -= amount
            postings += 1
            yield (
                f"\n{day} * ({one.seq}) {one.type}  ; event: {one.event_id}\n"
                f"    {debit}  {cny(amount)} CNY = {cny(balances[debit])} CNY\n"
                f"    {credit}  {cny(-amount)} CNY = {cny(balances[credit])} CNY\n"
            )
    agree(statement, balances, postings)
