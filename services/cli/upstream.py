"""Commands that play the upstream authorities: `simulate upstream` and `publish`."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli.installation import AUTHORITIES, DEFAULT_STATE, State, installation, run
from services.cli.log import Line, send
from services.cli.terminal import CommandError, bar, err, print_json, progress_over, sentence_on_failure
from services.simulator.records import records
from services.simulator.upstream import write_upstream
from shared.contracts.topics import UPSTREAM

simulate = typer.Typer(help="Synthetic upstream events of a region.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(simulate, name="simulate")
    app.command("publish")(publish)


@simulate.command("upstream")
@sentence_on_failure
def simulate_upstream(
    enterprises: Annotated[int, typer.Option(min=1, help="how many enterprises")] = 2000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same region")] = 1,
    out: Annotated[Path | None, typer.Option(help="directory for one JSON Lines file per topic")] = None,
    to_kafka: Annotated[bool, typer.Option("--to-kafka", help="send to the running stack instead")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Write a region's upstream events, deterministic in size and seed; a list of what is corrupted comes with them."""
    if (out is None) == (not to_kafka):
        raise CommandError("Say either --out DIR or --to-kafka.")
    if out is not None:
        write_region(enterprises, seed, out)
        err.print(f"Written to {out}.")
        return
    with tempfile.TemporaryDirectory() as directory:
        write_region(enterprises, seed, Path(directory))
        kafka = installation(state, AUTHORITIES).kafka
        for topic in UPSTREAM:
            with bar(f"sending {topic}") as progress:
                run(
                    send(
                        kafka,
                        topic,
                        records(Path(directory), topic),
                        lambda n: progress.advance(progress.task_ids[0], n),
                    )
                )


def write_region(enterprises: int, seed: int, out: Path) -> None:
    with bar(f"simulating {enterprises:,} enterprises", 1.0) as progress:
        out.mkdir(parents=True, exist_ok=True)
        write_upstream(
            enterprises, seed, out, on_progress=lambda done: progress.update(progress.task_ids[0], completed=done)
        )


@sentence_on_failure
def publish(
    file: Annotated[Path, typer.Argument(help="JSON Lines, one structured-mode CloudEvent each")],
    topic: Annotated[str, typer.Option(help="an upstream topic")],
    state: State = DEFAULT_STATE,
) -> None:
    """Send a file to an upstream topic; what is wrong with a line is intake's to say, in relief.rejected.v1."""
    if topic not in UPSTREAM:
        known = ", ".join(name for name in UPSTREAM)
        raise CommandError(f"{topic} is no upstream topic; there are {known}.")
    with file.open("rb") as source:
        lines = progress_over(source, file, f"sending {file.name}")
        sent = run(send(installation(state, AUTHORITIES).kafka, topic, _keyed(lines), lambda n: None))
    print_json({"topic": topic, "sent": sent})


def _keyed(lines: Iterator[bytes]) -> Iterator[Line]:
    """Records with the subject as key; a line that names none goes out without, for intake to reject."""
    for line in lines:
        value = line.rstrip(b"\r\n")
        if not value.strip():
            continue
        try:
            event = json.loads(value)
            subject = event.get("subject") if isinstance(event, dict) else None
        except ValueError:
            subject = None
        yield Line(subject.encode() if isinstance(subject, str) else None, value)
