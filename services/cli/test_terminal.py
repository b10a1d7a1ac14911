"""Failures as sentences: what each kind of exception becomes for the user."""

from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from services.cli.terminal import CommandError, sentence_on_failure
from shared.streaming.errors import Retry, Stop


def fail(error: BaseException) -> Callable[[], None]:
    @sentence_on_failure
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("Say [either] one."), 1, "Say [either] one."),
        (Stop("The pack is broken."), 1, "The pack is broken."),
        (Retry("Kafka is away."), 1, "Kafka is away."),
        (FileNotFoundError(2, "No such file", "a.jsonl"), 1, "a.jsonl"),
        (PermissionError(13, "Permission denied", "a.jsonl"), 1, "Permission denied"),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (BrokenPipeError(), 141, ""),
        (typer.Exit(3), 3, ""),
        (ZeroDivisionError("division by zero"), 70, "fault in relief itself"),
    ],
)
def test_a_failure_is_a_sentence_and_an_exit_code(error: BaseException, code: int, said: str) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fail(error))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == (1 if said else 0)
    assert result.stdout == ""
