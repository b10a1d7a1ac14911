"""One enterprise's dues: as accepted and decided, held, added up, and told.

Pure: rows in, verdict out. What is found is either a difference, with what to do, or explained.
"""

from collections.abc import Iterable

from services.cli.holdover_accounts import compare_accounts
from services.cli.holdover_books import Verdict, View, sort_out
from services.cli.holdover_facts import compare_decisions, compare_facts, take
from services.cli.holdover_rows import Row
from services.cli.holdover_told import compare_told


def examine(uscc: str, rows: Iterable[Row], view: View) -> Verdict:
    """Compare the books of one enterprise; `rows` are all there are of it, in the order in which they were read."""
    books, verdict = sort_out(uscc, rows), Verdict()
    known = take(books, view, verdict)
    compare_facts(books, known, view, verdict)
    compare_decisions(books, known, view, verdict)
    compare_accounts(books, known, verdict)
    compare_told(books, known, view, verdict)
    return verdict
