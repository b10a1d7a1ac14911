"""The ledger as a beancount file. `bean-check FILE` holds it, to the fen.

After each day with postings, every account that moved states its balance with a tolerance of nothing: without
`~ 0.00` beancount lets a fen pass.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from services.ledger.exports.days import Booked
from services.ledger.exports.statement import Statement, agree, cny


def journal(statement: Statement, days: Iterable[tuple[str, Iterable[Booked]]]) -> Iterator[str]:
    """The file in pieces; `days` in order. Raises Disagreement at the end if the postings are not the statement's."""
    yield f"; Postings 1 to {statement.at_seq} of the relief ledger, by day and number.\n"
    yield 'option "title" "Relief ledger"\noption "operating_currency" "CNY"\n'
    yield 'plugin "beancount.plugins.noduplicates"\n'
    balances: dict[str, int] = defaultdict(int)
    postings = 0
    for day, booked in days:
        if not postings:
            yield "\n"
            for stated in statement.accounts:
                yield f"{day} open {stated.account} CNY\n"
        moved = set()
        for one in booked:
            debit, credit, amount = one.debit, one.credit, one.amount_fen
            balances[debit] += amount
            balances[credit] -= amount
            moved |= {debit, credit}
            postings += 1
            yield (
                f'\n{day} * "{one.type}" ^{one.event_id}\n  seq: "{one.seq}"\n'
                f"  {debit}  {cny(amount)} CNY\n  {credit}  {cny(-amount)} CNY\n"
            )
        # A balance holds at the beginning of its day.
        after = date.fromisoformat(day) + timedelta(days=1)
        yield "\n"
        for account in sorted(moved):
            yield f"{after} balance {account}  {cny(balances[account])} ~ 0.00 CNY\n"
    agree(statement, balances, postings)
