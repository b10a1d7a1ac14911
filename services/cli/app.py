"""`relief`: the one command line. A command's module is imported when the command is run, and not before: the
libraries of all of them together take longer to load than most commands take to run.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Command -> its module, whose `register` adds it, and the first sentence of its help.
COMMANDS = {
    "demo": ("demo", "Run a region's relief on real servers, from upstream events to balanced money."),
    "up": ("stack", "Start the local stack and the services, and wait until all is ready."),
    "down": ("stack", "Stop what `relief up` started, and nothing else."),
    "status": ("stack", "Show what runs; exit code 1 unless all of it is ready."),
    "logs": ("stack", "Show the end of the logs."),
    "doctor": ("stack", "Say what is wrong with this installation; exit code 1 when something is."),
    "simulate": ("upstream", "Synthetic upstream events of a region."),
    "publish": ("upstream", "Send a file to an upstream topic."),
    "decide": ("decide", "Decide from a file, without a broker: the latest decisions as JSON Lines."),
    "trace": ("trace", "Print an enterprise's facts, decisions with reasons, holdovers, money and postings."),
    "receipt": ("receipt", "Print a decision with the facts and the policy pack it rests on, for `relief verify`."),
    "verify": ("receipt", "Recompute a decision from its receipt, with no server: `identical`, or what differs."),
    "reconcile": (
        "reconcile",
        "Compare decisions, payments, holdovers, topics, ledger and bank; explain each difference; exit 1 on any.",
    ),
    "export": ("export", "Write the ledger to a file that hledger or beancount checks, or as CSV."),
    "ledger": ("ledger", "Check the ledger's exports."),
    "holdover": ("holdover", "Check orders to keep a supply on, and see what suppliers are owed."),
    "rejected": ("rejected", "See what intake could not accept, and send it again once it is repaired."),
    "rebuild": ("rebuild", "Drop what a service derived from the log, and have it derived again."),
    "day": ("operate", "Start a day: what is due up to it happens."),
    "token": ("operate", "Print a bearer token of the local stack's development issuer."),
    "policy": ("policy", "Check, test, compare and activate policy packs."),
}


def load(name: str) -> Any:
    """The command itself, as its module registers it."""
    holder = typer.Typer(add_completion=False)
    import_module(f"services.cli.{COMMANDS[name][0]}").register(holder)
    return typer.main.get_group(holder).commands[name]


class _Commands(dict[str, Any]):
    """Going through them gives names and sentences; looking one up by its name loads it."""

    def __getitem__(self, name: str) -> Any:
        return load(name)


class _Lazy(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, placeholder if name is None else self.commands[name], rest


def _placeholder(name: str) -> Callable[[], None]:
    def command() -> None:
        raise AssertionError(f"{name} was called without being loaded")

    return command


app = typer.Typer(
    name="relief",
    cls=_Lazy,
    help="Carries emergency relief for small enterprises from promise to posted money.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name, (_, _sentence) in COMMANDS.items():
    app.command(_name, help=_sentence)(_placeholder(_name))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
