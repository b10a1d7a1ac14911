"""What was found of holdovers, as JSON and for eyes."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table

from services.cli.holdover_run import Holdovers
from services.cli.holdover_totals import LEFT_OUT, REASONS
from services.cli.terminal import out
from shared.money import yuan

_STANDING = ("deferred", *LEFT_OUT)


def holdovers_as_document(found: Holdovers) -> dict[str, Any]:
    """All but the differences, which are listed with those of money."""
    verdict = found.verdict
    return {
        "enterprises": found.enterprises,
        "looked_at_again": found.again,
        "moving": found.moving,
        "bills": list(_bills(found)),
        "suppliers": list(_suppliers(found)),
        "accounts": _counted(found, "account", "state"),
        "applications": [
            {"outcome": one["outcome"], "count": one["count"]} for one in _counted(found, "application", "outcome")
        ],
        "answers": _counted(found, "answer", "answer"),
        "events": dict(sorted(verdict.events.items())),
        "repeated": verdict.repeats,
        "equations": [asdict(equation) | {"holds": equation.holds} for equation in found.equations],
        "explained": [
            {"reason": reason, "count": count, "amount_fen": fen, "why": REASONS[reason]}
            for reason, (count, fen) in sorted(verdict.explained.items())
        ],
    }


def print_holdovers(found: Holdovers) -> None:
    """For eyes."""
    table = Table("due", "accepted CNY", *(f"{one.replace('_', ' ')} CNY" for one in _STANDING), title="Bills")
    for one in _bills(found):
        table.add_row(one["utility"], *(yuan(one[f"{term}_fen"]) for term in ("accepted", *_STANDING)))
    out.print(table)
    table = Table("due", "what is equal", "CNY", "taken from", title="Holdovers")
    for equation in found.equations:
        if not equation.holds:
            for side, fen in equation.sides.items():
                table.add_row(equation.measure, equation.name, yuan(fen), side, style="red")
        elif any(equation.sides.values()):
            (fen,) = set(equation.sides.values())
            table.add_row(equation.measure, equation.name, yuan(fen), "; ".join(equation.sides))
    out.print(table)
    table = Table("due", "account", "number", title="Accounts")
    for one in _counted(found, "account", "state"):
        table.add_row(one["utility"], one["state"], f"{one['count']:,}")
    out.print(table)
    for reason, (count, fen) in sorted(found.verdict.explained.items()):
        out.print(f"{count:,} ({yuan(fen)} CNY): {REASONS[reason]}.")


def _bills(found: Holdovers) -> Iterator[dict[str, Any]]:
    """What was accepted from upstream of each due, and what became of it."""
    verdict = found.verdict
    for due in sorted({equation.measure for equation in found.equations}):
        sums = {f"{term}_fen": verdict.sums[due, term] for term in ("accepted", *_STANDING)}
        yield {"utility": due, "accepted": verdict.counts["bill", due, "accepted"], **sums}


def _suppliers(found: Holdovers) -> Iterator[dict[str, Any]]:
    """Each supplier's receivables: what it sent and was accepted, what became of it, and what is owed to it by now."""
    sums = found.verdict.suppliers
    for due, supplier in sorted({(due, supplier) for due, supplier, _ in sums}):
        terms = {f"{term}_fen": sums[due, supplier, term] for term in ("accepted", *_STANDING, "open", "surplus")}
        yield {"utility": due, "supplier_id": supplier, **terms}


def _counted(found: Holdovers, what: str, how: str) -> list[dict[str, Any]]:
    return [
        {"utility": due, how: standing, "count": count}
        for (kind, due, standing), count in sorted(found.verdict.counts.items())
        if kind == what
    ]
