"""One enterprise's holdovers for eyes: what was asked, deferred or left out and why, repaid, and answered."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from services.cli.terminal import out
from shared.money import yuan

_WHY = {
    None: "deferred",
    "not_production": "not deferred: not for production",
    "no_grant": "not deferred: no application is granted",
    "outside_window": "not deferred: its due date is outside the window",
}


def print_holdovers(books: Mapping[str, Any]) -> None:
    """`books` as `GET /v1/books` of holdover has them; nothing where there is nothing."""
    applications, accounts = books["applications"], books["accounts"]
    if applications:
        table = Table("application", "submitted", "for", "outcome", "taken back", title="Holdover applications")
        for one in applications:
            dues = ", ".join(one["utilities"] or ["not known yet"])
            table.add_row(
                one["application_id"], one["submitted_on"] or "", dues, one["outcome"], one["withdrawn_on"] or ""
            )
        out.print(table)
    if accounts:
        names = {one["holdover_id"]: f"{one['utility']} {one['supplier_id']} {one['account_no']}" for one in accounts}
        _print_accounts(accounts, names)
        _print_bills(books["bills"], names)
        _print_instalments(books["instalments"], names)
        _print_answers(books["answers"], names)
    known = {one["bill_id"] for one in books["bills"]}
    for one in books["payments"]:
        if one["bill_id"] not in known:
            what = f"payment {one['payment_id']}: {yuan(one['amount_fen'])} CNY wait for bill {one['bill_id']}"
            out.print(Text(what))


def _print_accounts(accounts: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    columns = ("account", "state", "bills CNY", "paid CNY", "open CNY", "surplus CNY", "supply protected")
    table = Table(*columns, title=f"{len(names)} supplier accounts")
    for one in accounts:
        order = one["order"]
        until = "no" if order is None else f"{order['from_on']} to {order['until_on']}, order {order['order_id']}"
        sums = (one["bills_fen"], one["lowered_fen"] + one["repaid_fen"], one["open_fen"], one["surplus_fen"])
        table.add_row(Text(names[one["holdover_id"]]), one["state"], *(yuan(fen) for fen in sums), until)
    out.print(table)


def _print_bills(bills: list[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    table = Table("bill", "account", "due", "CNY", "paid CNY", "what became of it", title=f"{len(bills)} bills")
    for one in bills:
        account = Text(names.get(one["holdover_id"], "?"))
        amounts = (yuan(one["amount_fen"]), yuan(one["paid_fen"]))
        table.add_row(Text(one["bill_id"]), account, one["due_on"], *amounts, _WHY[one["left_out"]])
    if bills:
        out.print(table)


def _print_instalments(instalments: list[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    table = Table("account", "instalment", "due", "CNY", "paid CNY", title=f"{len(instalments)} instalments")
    for one in instalments:
        amounts = (yuan(one["amount_fen"]), yuan(one["paid_fen"]))
        table.add_row(Text(names[one["holdover_id"]]), str(one["number"]), one["due_on"], *amounts)
    if instalments:
        out.print(table)


def _print_answers(answers: list[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    title = f"{len(answers)} requests to cut a supply"
    table = Table("request", "account", "asked", "answered", "answer", "why", title=title)
    for one in answers:
        account = Text(names.get(one["holdover_id"], "?"))
        days = (one["requested_on"], one["answered_on"])
        table.add_row(Text(one["request_id"]), account, *days, one["answer"], Text(one["reason"]))
    if answers:
        out.print(table)
