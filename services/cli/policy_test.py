"""`relief policy test`: a pack's cases, run through intake's acceptance and the rules, with a diff per failure."""

from typing import Annotated, Any

import typer

from services.cli.decide import decide_lines
from services.cli.deciding import RejectedLine
from services.cli.terminal import out, print_json, sentence_on_failure
from services.eligibility import packs, policy_cases
from services.eligibility.domain.pack import Pack
from services.eligibility.policy_case_runs import Answer, Difference, run
from services.eligibility.policy_cases import Case

Failures = list[tuple[Case, list[Difference]]]


@sentence_on_failure
def run_cases(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="an installed policy pack, or a pack's directory")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Run the cases of a pack: exit code 1 unless every one of them holds."""
    pack, cases = packs.named(directory), policy_cases.load(packs.directory_of(directory).resolve())
    failures = failing(cases, pack)
    if as_json:
        print_json(_as_json(pack, cases, failures))
    else:
        for case, differences in failures:
            _print(case, differences)
        told = f"Policy pack {pack.ref.pack} version {pack.ref.version}: {len(cases)} cases"
        _say(f"{told}, {len(cases) - len(failures)} pass, {len(failures)} fail.", "red" if failures else "green")
    if failures:
        raise typer.Exit(1)


def failing(cases: list[Case], pack: Pack) -> Failures:
    """The cases that do not hold, each with its differences."""

    def decided(lines: list[bytes]) -> Answer:
        rejected: list[RejectedLine] = []
        decisions = list(decide_lines(lines, pack, None, rejected.append))
        return Answer({line.line: line.code for line in rejected}, decisions)

    found = ((case, run(case, pack, decided)) for case in cases)
    return [(case, differences) for case, differences in found if differences]


def _print(case: Case, differences: list[Difference]) -> None:
    _say(f"FAILS {case.name}", "bold red")
    _say(f"      {case.where}")
    for found in differences:
        _say(f"      {found.what} ({case.file}:{found.at})")
        _say(f"        expected  {found.expected}", "green")
        _say(f"        actual    {found.actual}", "red")
    _say("")


def _say(line: str, style: str = "") -> None:
    out.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _as_json(pack: Pack, cases: list[Case], failures: Failures) -> dict[str, Any]:
    return {
        "pack": pack.ref.pack,
        "version": pack.ref.version,
        "sha256": pack.ref.sha256,
        "cases": len(cases),
        "passed": len(cases) - len(failures),
        "failed": len(failures),
        "failures": [
            {
                "case": case.name,
                "file": case.file,
                "line": case.at,
                "differences": [
                    {"line": found.at, "what": found.what, "expected": found.expected, "actual": found.actual}
                    for found in differences
                ],
            }
            for case, differences in failures
        ],
    }
