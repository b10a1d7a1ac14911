"""What is printed: each trial as it ends, and the table."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.faults.matrix.trial import Trial

_SHOWN = 5


def print_trial(out: Console, trial: Trial) -> None:
    out.print(Text(f"{trial.fault}, {trial.replicas} of each service", style="bold"))
    if trial.failure is not None:
        out.print(Text(trial.failure, style="red"), soft_wrap=True)
    elif trial.skipped is not None:
        out.print(f"  skipped: {trial.skipped}", soft_wrap=True, markup=False)
    else:
        out.print(f"  injected: {trial.injected}", soft_wrap=True, markup=False)
        out.print(f"  recovered: in {trial.seconds:.1f} s; {trial.recovered}", soft_wrap=True, markup=False)
        out.print(f"  in the end: {trial.story}", soft_wrap=True, markup=False)
    for name in ("lost", "repeated", "wrong"):
        sentences = getattr(trial.counts, name)
        for sentence in sentences[:_SHOWN]:
            out.print(Text(f"  {name}: {sentence}", style="red"), soft_wrap=True)
        if len(sentences) > _SHOWN:
            out.print(f"  ... and {len(sentences) - _SHOWN} more {name}")
    if not trial.passed:
        out.print(f"  again: {trial.command}", soft_wrap=True, markup=False)
        out.print(f"  what was sent: {trial.files}", soft_wrap=True, markup=False)


def print_table(out: Console, trials: Iterable[Trial]) -> None:
    table = Table(title="Faults")
    table.add_column("fault", no_wrap=True)
    for name in ("runs", "events", "lost", "repeated effects", "wrong amounts", "recovery seconds"):
        table.add_column(name, justify="right")
    by_fault: dict[str, list[Trial]] = {}
    for trial in trials:
        by_fault.setdefault(trial.fault, []).append(trial)
    for fault, runs in by_fault.items():
        counts = [run.counts for run in runs if run.failure is None]
        numbers = [sum(len(sentences) for sentences in column) for column in (
            [one.lost for one in counts], [one.repeated for one in counts], [one.wrong for one in counts],
        )]  # fmt: skip
        seconds = " ".join(_seconds(run) for run in runs)
        style = None if all(run.passed for run in runs) else "red"
        events = sum(run.events for run in runs)
        table.add_row(fault, str(len(runs)), f"{events:,}", *map(str, numbers), seconds, style=style)
    out.print(table)


def _seconds(run: Trial) -> str:
    if run.failure is not None:
        return "failed"
    return "skipped" if run.skipped is not None else f"{run.seconds:.1f}"
