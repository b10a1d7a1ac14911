"""`relief ledger`: what an auditor does with the ledger's exports, without a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.cli.installation import AsJson
from services.cli.terminal import CommandError, out, print_json, progress_over, sentence_on_failure
from services.ledger.exports import verify as verifying


def register(app: typer.Typer) -> None:
    ledger = typer.Typer(no_args_is_help=True)
    # Without it the one command would be the group.
    ledger.callback()(_group)
    ledger.command("verify")(verify)
    app.add_typer(ledger, name="ledger")


def _group() -> None:
    """Check the ledger's exports."""


@sentence_on_failure
def verify(
    file: Annotated[Path, typer.Argument(help="What `relief export --format csv` wrote.")],
    earlier: Annotated[
        Path | None, typer.Option(help="An older export of this ledger that you kept: the file has to continue it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash chains and sums of a journal export; say each line that is wrong; exit code 1 on any."""
    kept = None
    if earlier is not None:
        with _lines(earlier, "reading the earlier export") as lines:
            kept = verifying.heads_of(lines)
        if not kept:
            raise CommandError(f"{earlier} states no chain; name an export that `relief ledger verify` accepts.")
    with _lines(file, "verifying") as lines:
        verdict = verifying.verify(lines, kept)
    if as_json:
        print_json(
            {
                "holds": not verdict.findings,
                "postings": verdict.postings,
                "heads": [msgspec.structs.asdict(head) for head in verdict.heads],
                "findings": [finding._asdict() for finding in verdict.findings],
            }
        )
    else:
        _print(file, verdict)
    if verdict.findings:
        raise typer.Exit(1)


def _print(file: Path, verdict: verifying.Verdict) -> None:
    for line, sentence in verdict.findings:
        out.print(f"{file}:{line}: {sentence}", style="red", markup=False, highlight=False, soft_wrap=True)
    if len(verdict.findings) >= verifying.MOST_FINDINGS:
        out.print("Here the check stopped: this is another file, not a damaged one.")
    if verdict.findings:
        out.print("This is not what the ledger posted.", style="bold red")
    else:
        chains = f"{len(verdict.heads)} chain{'' if len(verdict.heads) == 1 else 's'}"
        out.print(
            f"{verdict.postings:,} postings in {chains}: every one is there, unchanged and in order.", style="green"
        )


@contextmanager
def _lines(file: Path, description: str) -> Iterator[Iterator[bytes]]:
    if file.is_dir():
        raise CommandError(f"{file} is a directory; name the export's file.")
    with file.open("rb") as opened:
        yield progress_over(verifying.lines_of(opened), file, description)
