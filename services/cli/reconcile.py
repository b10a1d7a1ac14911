"""`relief reconcile`: the same money, four times: decided, told, held by payments, posted by the ledger."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table

from services.cli.conservation import Difference, Findings, check
from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation, run
from services.cli.terminal import bar, out, print_json, sentence_on_failure
from shared.money import yuan

_SHOWN = 50


def register(app: typer.Typer) -> None:
    app.command("reconcile")(reconcile)


@sentence_on_failure
def reconcile(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Compare every decision with payments and ledger; list each difference; exit code 1 on any."""
    found = installation(state)
    with bar("reading decisions and ledger events"):
        findings = run(check(found.kafka))
    differences = findings.differences + totals_differing(found, findings)
    if as_json:
        print_json(as_document(findings, differences))
    else:
        print_findings(findings, differences)
    if differences:
        raise typer.Exit(1)


def totals_differing(found: Installation, findings: Findings) -> list[Difference]:
    """Sums of payments and of the ledger against the sums of what was decided."""
    held: Counter[str] = Counter()
    for total in found.get("payments", "/v1/totals")["totals"]:
        if total["kind"] == "exemptions":
            held["exemption"] += total["amount_fen"]
        elif total["kind"] == "refunds":
            held["refund" if total["purpose"] == "job_stabilisation" else total["purpose"]] += total["amount_fen"]
    balance = found.get("ledger", "/v1/trial-balance")
    posted = _expenses(balance["accounts"])
    differences = []
    for measure in ("exemption", "refund", "contribution_return"):
        decided = findings.decided_fen[measure]
        if held[measure] != decided:
            differences.append(Difference("*", measure, "*", decided, held[measure], "payments holds another total"))
        if posted[measure] != decided:
            differences.append(
                Difference("*", measure, "*", decided, posted[measure], "the ledger posted another total")
            )
    if balance["balance_fen"] != 0:
        differences.append(Difference("*", "*", "*", 0, balance["balance_fen"], "debits and credits do not balance"))
    events = sum(findings.events.values())
    if balance["postings"] != events:
        differences.append(
            Difference("*", "*", "events", events, balance["postings"], "postings are not one per event")
        )
    return differences


def _expenses(accounts: list[dict[str, Any]]) -> Counter[str]:
    """Net expense by measure, from the account names of the chart."""
    names = {"Exemption": "exemption", "JobStabilisation": "refund", "ContributionReturn": "contribution_return"}
    sums: Counter[str] = Counter()
    for account in accounts:
        segments = account["account"].split(":")
        if segments[:2] == ["Expenses", "Relief"]:
            sums[names[segments[2]]] += account["balance_fen"]
    return sums


def as_document(findings: Findings, differences: list[Difference]) -> dict[str, Any]:
    return {
        "holds": not differences,
        "decisions": [
            {"measure": measure, "outcome": outcome, "count": count}
            for (measure, outcome), count in sorted(findings.decided.items())
        ],
        "decided_fen": dict(sorted(findings.decided_fen.items())),
        "told_fen": dict(sorted(findings.told_fen.items())),
        "events": dict(sorted(findings.events.items())),
        "repeated_events": findings.repeats,
        "differences": [asdict(difference) for difference in differences],
    }


def print_findings(findings: Findings, differences: list[Difference]) -> None:
    table = Table("measure", "outcome", "decisions", title="Decisions")
    for (measure, outcome), count in sorted(findings.decided.items()):
        table.add_row(measure, outcome, f"{count:,}")
    out.print(table)
    table = Table("measure", "decided CNY", "told to ledgers CNY", title="Money")
    for measure in ("exemption", "refund", "contribution_return"):
        table.add_row(measure, yuan(findings.decided_fen[measure]), yuan(findings.told_fen[measure]))
    out.print(table)
    for difference in differences[:_SHOWN]:
        out.print(
            f"{difference.uscc} {difference.measure} {difference.key}: decided {yuan(difference.decided_fen)}, "
            f"found {yuan(difference.told_fen)}: {difference.why}",
            style="red",
            markup=False,
        )
    if len(differences) > _SHOWN:
        out.print(f"... and {len(differences) - _SHOWN:,} more; --json lists all.")
    if differences:
        out.print("Conservation does not hold.", style="bold red")
    else:
        out.print("Conservation holds: every fen decided was told, held and posted once.", style="bold green")
