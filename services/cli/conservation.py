"""Conservation of one enterprise's money: the same money as decided, held, told, posted, and said by the bank.

Pure: rows in, verdict out. What is found is either a difference, with what to do, or explained: money on its way may
differ for good reason.
"""

from collections.abc import Iterable

from services.cli.conservation_bank import compare_words
from services.cli.conservation_books import Verdict, View, sort_out
from services.cli.conservation_held import compare_decisions, compare_payments
from services.cli.conservation_told import compare_events, compare_postings, each_once
from services.cli.reconcile_rows import Row


def examine(uscc: str, rows: Iterable[Row], view: View) -> Verdict:
    """Compare the books of one enterprise; `rows` are all there are of it, in the order in which they were read."""
    books, verdict = sort_out(uscc, rows), Verdict()
    compare_decisions(books, view, verdict)
    compare_payments(books, verdict)
    events = each_once(books, verdict)
    compare_events(books, events, view, verdict)
    compare_postings(books, events, view, verdict)
    compare_words(books, view, verdict)
    return verdict
