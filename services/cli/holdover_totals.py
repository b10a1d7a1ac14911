"""Sums per due that must be equal whichever book they are taken from, and what may wait for good reason."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from services.cli.reconcile_totals import Equation

DUES: Final = ("electricity", "water", "gas", "provident_fund")
LEFT_OUT: Final = ("not_production", "no_grant", "outside_window")

# Why something may wait, or be left over, without anything being wrong.
REASONS: Final = {
    "on_its_way": "accepted or decided after the comparison began",
    "undecided": "applications without a decision yet: no disconnection is allowed until there is one",
    "pending": "applications that wait for a fact",
    "payment_waits": "payments of bills that nobody has sent",
    "surplus": "paid beyond all bills of an account, to be given back by its supplier",
}


def equations(sums: Counter[tuple[str, str]]) -> Iterator[Equation]:
    """Over all enterprises that were compared; `?` has what names no known account."""
    known = {of for of, _ in sums}
    for of in (*DUES, *sorted(known - set(DUES))):
        if of in known:
            yield from _of_due(of, {term: fen for (due, term), fen in sums.items() if due == of})


def _of_due(due: str, sums: dict[str, int]) -> Iterator[Equation]:
    def of(*terms: str) -> int:
        return sum(sums.get(term, 0) for term in terms)

    sides: dict[str, dict[str, int]] = {
        "bills accepted = deferred + left out": {
            "facts": of("accepted"),
            "holdover": of("deferred", *LEFT_OUT),
        },
        "bills deferred": {"bills": of("deferred"), "accounts": of("bills")},
        "payments accepted": {"facts": of("paid"), "holdover": of("paid_held")},
        "paid of what is deferred": {"facts": of("paid_on_deferred"), "accounts": of("lowered", "repaid")},
        "bills - lowered - repaid = open - surplus": {
            "bills - payments": of("bills") - of("lowered", "repaid"),
            "open - surplus": of("open") - of("surplus"),
        },
        "instalments": {"accounts": of("to_repay"), "instalments": of("planned")},
        "deferred now, as suppliers were told": {"holdover": of("now_deferred"), "told": of("told_deferred")},
    }
    for name, found in sides.items():
        yield Equation(due, name, found)
