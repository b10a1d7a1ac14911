"""`relief`: the one command line. Each module adds its commands; nothing heavy is imported before it is needed."""

import typer

from services.cli import decide, demo, operate, reconcile, stack, trace, upstream

app = typer.Typer(
    name="relief",
    help="Carries emergency relief for small enterprises from promise to posted money.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (demo, stack, upstream, decide, trace, reconcile, operate):
    module.register(app)


def main() -> None:
    app()
