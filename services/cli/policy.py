"""`relief policy`: what a policy officer does with packs."""

from importlib import import_module

import typer

# Sub-command -> module and function; imported when `relief policy` is, which is rare enough.
_COMMANDS = {
    "check": ("policy_check", "check"),
    "compare": ("policy_compare", "compare"),
    "test": ("policy_test", "run_cases"),
    "docs": ("policy_docs", "docs"),
    "activate": ("policy_activate", "activate"),
}


def register(app: typer.Typer) -> None:
    policy = typer.Typer(help="Check, test, compare and activate policy packs.", no_args_is_help=True)
    for name, (module, function) in _COMMANDS.items():
        policy.command(name)(getattr(import_module(f"services.cli.{module}"), function))
    app.add_typer(policy, name="policy")
