"""Commands for the local stack: up, down, status, logs, doctor."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.bring_up import Report
from deploy.local.doctor import examine
from deploy.local.errors import StackError
from deploy.local.logs import Follower, tail
from deploy.local.stack import DEFAULT_STATE, Stack
from deploy.local.status import Status
from services.cli.operate import activate_once

State = Annotated[Path, typer.Option("--state", envvar="RELIEF_STATE", help="The directory of the stack's state.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FOLLOW_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for command in (up, down, status, logs, doctor):
        app.command()(command)


def up(
    state: State = DEFAULT_STATE,
    servers_only: Annotated[bool, typer.Option("--servers-only", help="Start no services.")] = False,
    deadline: Annotated[float, typer.Option(help="Seconds until all must be ready.")] = 90.0,
) -> None:
    """Start the local stack and the services, and wait until all is ready."""
    stack = Stack(state, () if servers_only else None)
    with telling(), progress() as report:
        started = stack.up(
            deadline_seconds=deadline, after_ready=None if servers_only else activate_once, report=report
        )
    typer.echo("The stack is up." if started else "The stack is already up.", err=True)
    with telling():
        _print_status(stack.status())


def down(
    state: State = DEFAULT_STATE,
    wipe: Annotated[bool, typer.Option("--wipe", help="Delete the stack's data too.")] = False,
) -> None:
    """Stop what `relief up` started, and nothing else."""
    with telling(), progress() as report:
        report("the stack", "stopping")
        ran = Stack(state).down(wipe=wipe)
        report("the stack", "ready")
    typer.echo("The stack is down." if ran else "The stack was not up.", err=True)


def status(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Show what runs; exit code 1 unless all of it is ready."""
    with telling():
        found = Stack(state).status()
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        _print_status(found)
    if not found.all_ready:
        raise typer.Exit(1)


def logs(
    service: Annotated[str | None, typer.Argument(help="A service or server; all when left out.")] = None,
    state: State = DEFAULT_STATE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="How many of the last lines of each.")] = 20,
) -> None:
    """Show the end of the logs."""
    found = {path.stem: path for path in sorted((state / "logs").glob("*.log"))}
    if service is not None:
        chosen = next((name for name in (service, f"{service}-0") if name in found), None)
        if chosen is None:
            _fail(f"there is no log of {service}; there are {', '.join(found) or 'none: run `relief up`'}")
        found = {chosen: found[chosen]}
    width = 0 if service is not None else max(map(len, found), default=0)
    followers = {name: Follower(path) for name, path in found.items()}
    for name, path in found.items():
        _print_lines(name, tail(path, lines), width)
    try:
        while follow:
            for name, follower in followers.items():
                _print_lines(name, follower.new_lines(), width)
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return


def doctor(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Say what is wrong with this installation; exit code 1 when something is."""
    with telling(), progress() as report:
        report("the installation", "examining")
        findings = examine(Stack(state))
        report("the installation", "ready")
    wrong = [finding.sentence for finding in findings if not finding.harmless]
    notes = [finding.sentence for finding in findings if finding.harmless]
    if as_json:
        typer.echo(json.dumps({"wrong": wrong, "notes": notes}, ensure_ascii=False))
    else:
        for sentence in [*wrong, *notes]:
            typer.echo(sentence)
        if not findings:
            typer.echo("Nothing is wrong.")
    if wrong:
        raise typer.Exit(1)


@contextmanager
def telling() -> Iterator[None]:
    """A StackError becomes its sentence on standard error and exit code 1; an interruption exit code 130."""
    try:
        yield
    except StackError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None


@contextmanager
def progress() -> Iterator[Report]:
    """A line per program with the time it takes, on standard error and only on a terminal."""
    columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {}

        def report(name: str, phase: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1)
            bars.update(tasks[name], description=f"{name}: {phase}", completed=1 if phase == "ready" else 0)

        yield report


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(1)


def _print_lines(name: str, lines: list[str], width: int) -> None:
    for line in lines:
        typer.echo(f"{name:<{width}} | {line}" if width else line)


def _print_status(status: Status) -> None:
    table = Table("", "address", "ready", "process")
    for name in ("kafka", "redis", "postgres"):
        address = getattr(status, name)
        table.add_row(name, address or "does not answer", "no" if address is None else "yes", "")
    for name, service in status.services.items():
        table.add_row(name, service.url or "", "yes" if service.ready else "no", str(service.pid or "does not run"))
    Console().print(table)
