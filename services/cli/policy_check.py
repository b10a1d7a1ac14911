"""`relief policy check`: whether a pack may take effect: its files are right, and every one of its cases holds."""

from typing import Annotated

import typer

from services.cli.terminal import CommandError, out, print_json, sentence_on_failure
from services.eligibility import packs, policy_case_runs, policy_cases


@sentence_on_failure
def check(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="an installed policy pack, or a pack's directory")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Lint a pack: exit code 1 with file, line and sentence at the first thing that is not right."""
    where = packs.directory_of(directory)
    pack = packs.load(where)
    if not policy_cases.files(where):
        raise CommandError(f"Policy pack {pack.ref.pack} has no cases; write them in {where / 'cases'}.")
    cases = policy_case_runs.check(where, pack)
    if as_json:
        ref = pack.ref
        print_json({"pack": ref.pack, "version": ref.version, "sha256": ref.sha256, "cases": cases})
        return
    told = f"Policy pack {pack.ref.pack} version {pack.ref.version} is right: {cases} cases hold."
    out.print(f"{told} SHA-256 {pack.ref.sha256}", style="green", markup=False, highlight=False)
