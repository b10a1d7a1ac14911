"""`relief reconcile`: the same money five times: decided, held, told, posted, and said by the bank; and dues."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from services.cli.conservation_books import EXEMPTION, REFUNDS, Verdict
from services.cli.holdover_report import holdovers_as_document, print_holdovers
from services.cli.installation import DEFAULT_STATE, AsJson, State, installation
from services.cli.reconcile_run import PATIENCE_SECONDS, Report, reconciled
from services.cli.reconcile_sentences import Difference
from services.cli.reconcile_totals import REASONS
from services.cli.terminal import bar, out, sentence_on_failure
from shared.money import yuan

_SHOWN = 50
_MEASURES = (EXEMPTION, *REFUNDS)
# Steps that add to what is authorised, and steps that take from it.
_MORE = ("granted", "amended", "revoked", "authorised")
_LESS = ("cancelled", "clawback_raised")


def register(app: typer.Typer) -> None:
    app.command("reconcile")(reconcile)


@sentence_on_failure
def reconcile(
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option(min=0, help="seconds to wait for what is on its way before it counts as a difference")
    ] = PATIENCE_SECONDS,
) -> None:
    """Compare decisions, payments, holdovers, topics, ledger and bank; explain each difference; exit 1 on any."""
    found = installation(state)
    with (
        bar("reconciling") as progress,
        reconciled(found, patience, lambda what: progress.update(progress.task_ids[0], description=what)) as report,
    ):
        progress.stop()
        if as_json:
            print_with_differences(as_document(report), report.differences)
        else:
            print_report(report)
        holds = report.holds
    if not holds:
        raise typer.Exit(1)


def as_document(report: Report) -> dict[str, Any]:
    """The report as JSON, but for its differences, of which there may be very many."""
    verdict = report.verdict
    return {
        "holds": report.holds,
        "decisions": [
            {"measure": measure, "outcome": outcome, "count": count}
            for (measure, outcome), count in sorted(verdict.decided.items())
        ],
        "decided_fen": {measure: verdict.sums[measure, "decided"] for measure in _MEASURES},
        "told_fen": {measure: told_fen(verdict, measure) for measure in _MEASURES},
        "events": dict(sorted(verdict.events.items())),
        "repeated_events": verdict.repeats,
        "enterprises": report.enterprises,
        "looked_at_again": report.again,
        "moving": report.moving,
        "equations": [asdict(equation) | {"holds": equation.holds} for equation in report.equations],
        "explained": [
            {"measure": measure, "reason": reason, "count": count, "amount_fen": fen, "why": REASONS[reason]}
            for (measure, reason), (count, fen) in sorted(verdict.explained.items())
        ],
        "holdovers": holdovers_as_document(report.holdovers),
    }


def told_fen(verdict: Verdict, measure: str) -> int:
    """What the topics come to: authorised net of cancelled and claimed back, or waived."""
    more, less = (sum(verdict.sums[measure, f"told_{step}"] for step in steps) for steps in (_MORE, _LESS))
    return more - less


def print_with_differences(document: dict[str, Any], differences: Iterable[Difference]) -> None:
    """One JSON document, written as it is read from disk."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str)[:-1] + ', "differences": [')
    for number, difference in enumerate(differences):
        sys.stdout.write((", " if number else "") + msgspec.json.encode(difference).decode())
    sys.stdout.write("]}\n")


def print_report(report: Report) -> None:
    """For eyes."""
    verdict = report.verdict
    table = Table("measure", "outcome", "decisions", title="Decisions")
    for (measure, outcome), count in sorted(verdict.decided.items()):
        table.add_row(measure, outcome, f"{count:,}")
    out.print(table)
    table = Table("measure", "what is equal", "CNY", "taken from", title="Money")
    for equation in report.equations:
        # Text: an account's name has colons, in which rich would look for the name of an emoji.
        if not equation.holds:
            for side, fen in equation.sides.items():
                table.add_row(equation.measure, equation.name, yuan(fen), Text(side), style="red")
        elif any(equation.sides.values()):
            (fen,) = set(equation.sides.values())
            table.add_row(equation.measure, equation.name, yuan(fen), Text("; ".join(equation.sides)))
    out.print(table)
    if verdict.explained:
        table = Table("measure", "times", "CNY", "why", title="Explained")
        for (measure, reason), (count, fen) in sorted(verdict.explained.items()):
            table.add_row(measure, f"{count:,}", yuan(fen), REASONS[reason])
        out.print(table)
    print_holdovers(report.holdovers)
    for difference in islice(report.differences, _SHOWN):
        of = " ".join(
            part for part in (difference.uscc, difference.measure, difference.key, difference.subject) if part
        )
        out.print(Text(f"{of}: {difference.why}", style="red"), soft_wrap=True)
    if len(report.differences) > _SHOWN:
        out.print(f"... and {len(report.differences) - _SHOWN:,} more; --json lists all.")
    moving = report.moving + report.holdovers.moving
    if moving:
        out.print(f"{moving:,} enterprises moved while they were looked at and are left out: run it again.")
    if report.holds:
        out.print("Conservation holds: every fen decided was told, held and posted once.", style="bold green")
    else:
        out.print("Conservation does not hold.", style="bold red")
