"""What every command shares: progress on standard error, sentences instead of tracebacks, JSON when asked."""

import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.streaming.errors import Retry, Stop

P = ParamSpec("P")
R = TypeVar("R")

# Piped output is for files and eyes alike: wide enough for an account name, not folded to 80.
out = Console(emoji=False, width=None if sys.stdout.isatty() else 150)
err = Console(emoji=False, stderr=True)

SHOWN_AFTER_SECONDS = 2.0


class CommandError(Exception):
    """A failure the user can act on; the message is one sentence that says how."""


def sentence_on_failure(command: Callable[P, R]) -> Callable[P, R]:
    """Turn expected failures into one sentence and exit code 1; a fault of ours into a sentence and code 70."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (CommandError, Stop, Retry) as error:
            err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        except FileNotFoundError as error:
            err.print(f"There is no file {error.filename}.", style="red", markup=False, soft_wrap=True)
        except BrokenPipeError:
            raise typer.Exit(141) from None
        except OSError as error:
            what = error.filename or "The system"
            err.print(f"{what} does not let us: {error.strerror}.", style="red", markup=False, soft_wrap=True)
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except Exception as error:  # no traceback reaches a user
            err.print(
                f"This is a fault in relief itself: {type(error).__name__}: {error}. Please report it.",
                style="red",
                markup=False,
                soft_wrap=True,
            )
            raise typer.Exit(70) from error
        raise typer.Exit(1)

    return wrapped


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def bar(description: str, total: float | None = None) -> Progress:
    """A progress bar on standard error, silent where that is no terminal. Use as a context; add tasks to it."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %" if total else ""),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    progress.add_task(description, total=total)
    return progress


def progress_over(lines: Iterable[bytes], path: Path, description: str) -> Iterator[bytes]:
    """The lines of a file, with a bar over its bytes once it has taken longer than two seconds."""
    size = path.stat().st_size if path.is_file() else None
    started, done, shown = time.monotonic(), 0, None
    try:
        for line in lines:
            done += len(line)
            yield line
            if shown is None and time.monotonic() - started > SHOWN_AFTER_SECONDS:
                shown = bar(description, size)
                shown.start()
            if shown is not None:
                shown.update(shown.task_ids[0], completed=done)
    finally:
        if shown is not None:
            shown.stop()
