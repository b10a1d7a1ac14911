"""`relief holdover`: an order in hand is checked without a server; what suppliers are owed is asked of the service."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.stack import Stack
from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation
from services.cli.terminal import CommandError, out, print_json, sentence_on_failure
from services.holdover.orders import OrderError, Verifier, orders_in
from shared.calendar import SHANGHAI
from shared.devkeys import ORDERS_PUBLIC
from shared.keyfiles import KeyFileError
from shared.money import yuan

# An order has some five hundred bytes.
LARGEST_BYTES = 1024 * 1024
# What `relief holdover receivables` shows of each sum.
AMOUNTS = ("deferred", "paid", "open", "not_yet_due", "due", "overdue", "surplus")


def register(app: typer.Typer) -> None:
    holdover = typer.Typer(no_args_is_help=True)
    holdover.callback()(_group)
    holdover.command("verify")(verify)
    holdover.command("receivables")(receivables)
    app.add_typer(holdover, name="holdover")


def _group() -> None:
    """Check orders to keep a supply on, and see what suppliers are owed."""


@sentence_on_failure
def verify(
    order: Annotated[
        Path, typer.Argument(help="The order as JSON: its event, or the API's answer; `-` for standard input.")
    ],
    keys: Annotated[
        Path | None, typer.Option(help="The public keys of orders; without it those of the local stack.")
    ] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day to look at; without it today.")
    ] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Check an order with nothing but the public keys: `valid`, or what is wrong and exit code 1."""
    day = on.date() if on is not None else datetime.now(SHANGHAI).date()
    verifier = _verifier(keys or Stack(state).state / "secrets" / ORDERS_PUBLIC)
    document = _document(order)
    checked = _check(document, verifier, day)
    wrong = next((wrong for _, wrong in checked if wrong is not None), None)
    if as_json:
        # Of several the one that is wrong, else the first.
        looked_at = next((found for found, trouble in checked if trouble == wrong), None)
        print_json({"valid": wrong is None, "wrong": wrong, "on": day, "order": looked_at, "orders": len(checked)})
    elif wrong is None:
        out.print("valid", style="green")
        for found, _ in checked:
            out.print(_sentence(found), markup=False, highlight=False, soft_wrap=True)
    else:
        out.print("not valid", style="bold red")
        out.print(str(wrong), markup=False, highlight=False, soft_wrap=True)
    if wrong is not None:
        raise typer.Exit(1)


@sentence_on_failure
def receivables(
    supplier: Annotated[str, typer.Option(help="The supplier's id, as its bills have it.")],
    csv: Annotated[Path | None, typer.Option(help="Write all accounts of one moment into this file.")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """What a supplier is owed of the deferred sums: by utility, and account by account as CSV."""
    show_receivables(installation(state), supplier, csv, as_json)


def show_receivables(found: Installation, supplier: str, csv: Path | None, as_json: bool) -> None:
    """Raises CommandError where holdover does not answer, or not to the end."""
    owed = found.get("holdover", "/v1/receivables", supplier_id=supplier)
    if csv is not None:
        if csv.is_dir():
            raise CommandError(f"{csv} is a directory; name a file.")
        found.download("holdover", "/v1/receivables.csv", csv, supplier_id=supplier)
    if as_json:
        print_json(owed)
        return
    out.print(_receivables(owed))
    if csv is not None:
        out.print(f"All accounts are in {csv}.", markup=False, highlight=False, soft_wrap=True)


def _receivables(owed: dict[str, Any]) -> Table | str:
    if not owed["totals"]:
        return f"Nothing of {escape(owed['supplier_id'])} was ever deferred."
    day = owed["as_of"] or "before the first day"
    waiting = f", with {owed['waiting']} accounts still to be worked" if owed["waiting"] else ""
    table = Table(title=f"Receivables of {escape(owed['supplier_id'])} in CNY, as of {day}{waiting}")
    table.add_column("")
    table.add_column("accounts", justify="right")
    for name in AMOUNTS:
        table.add_column(name.replace("_", " "), justify="right")
    for total in owed["totals"]:
        amounts = (yuan(total[f"{name}_fen"]) for name in AMOUNTS)
        table.add_row(total["utility"], f"{total['accounts']:,}", *amounts)
    return table


def _check(document: Any, verifier: Verifier, day: date) -> list[tuple[dict[str, Any], str | None]]:
    """Each order in the document, and what is wrong with it; one that is empty where there is none."""
    checked: list[tuple[dict[str, Any], str | None]] = []
    try:
        orders = orders_in(document)
    except OrderError as error:
        return [({}, str(error))]
    for order, signature in orders:
        try:
            verifier.check(order, signature)
            checked.append((order, _out_of_time(order, day)))
        except OrderError as error:
            checked.append((order, str(error)))
    return checked


def _sentence(order: dict[str, Any]) -> str:
    return (
        f"The {order['utility']} supply of {order['uscc']} (account {order['account_no']} of {order['supplier_id']}) "
        f"stays on from {order['from_on']} to {order['until_on']} at the latest, by order {order['order_id']}. An "
        "order can end earlier; whether this one has, the supplier was told."
    )


def _out_of_time(order: dict[str, Any], day: date) -> str | None:
    try:
        first, last = date.fromisoformat(order["from_on"]), date.fromisoformat(order["until_on"])
    except ValueError:
        return "It is signed, but its days are none."
    if first <= day <= last:
        return None
    return f"It is signed, but holds from {first} to {last}, and not on {day}."


def _verifier(keys: Path) -> Verifier:
    try:
        return Verifier(keys)
    except KeyFileError as error:
        raise CommandError(f"{error} Name the file of public keys with --keys.") from error


def _document(path: Path) -> Any:
    if str(path) == "-":
        written = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        if path.is_dir():
            raise CommandError(f"{path} is a directory; name the order's file.")
        with path.open("rb") as file:
            written = file.read(LARGEST_BYTES + 1)
    if len(written) > LARGEST_BYTES:
        raise CommandError(f"{path} has more than {LARGEST_BYTES} bytes and is no order.")
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        raise CommandError(f"{path} is not JSON; save the order's event, or the API's answer, as it came.") from None
