"""The command line as a whole: complete, quick to start, and without a traceback for anybody."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.testing import environ
from services.cli.app import COMMANDS, app, load

HEAVY = ("pydantic", "fastapi", "aiokafka", "psycopg", "redis", "httpx", "joserfc", "yaml", "services.eligibility")


def relief(*words: str, given: bytes | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli.app", *words]
    done = subprocess.run(command, env=environ(**more), input=given, capture_output=True, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_commands_say(name: str) -> None:
    first_line = (load(name).help or "").splitlines()[0]
    assert first_line.startswith(COMMANDS[name][1].removesuffix(".")), name


def test_every_command_a_module_registers_is_listed() -> None:
    import typer

    for module in {module for module, _ in COMMANDS.values()}:
        holder = typer.Typer()
        __import__(f"services.cli.{module}", fromlist=["register"]).register(holder)
        assert set(typer.main.get_group(holder).commands) <= set(COMMANDS), module


def test_help_lists_the_commands_without_loading_them() -> None:
    script = (
        "import sys\nfrom services.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == "\n"
    for name in COMMANDS:
        assert f" {name} " in done.stdout


def test_a_command_nobody_knows_is_told_what_comes_near() -> None:
    result = CliRunner().invoke(app, ["decid"])
    assert result.exit_code == 2
    assert "Did you mean 'decide'?" in result.output


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("simulate",)])
def test_every_command_has_help_of_its_own(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"relief {name}" in " ".join(result.output.split()) or f"{name} [OPTIONS]" in result.output


# What is typed without a stack, and what the sentence names.
WITHOUT_A_STACK = [
    (["trace", "91650100MA00000000"], "check character"),
    (["reconcile"], "relief up"),
    (["day", "2020-02-01"], "relief up"),
    (["token", "--role", "nobody"], "relief up"),
    (["simulate", "upstream"], "--out DIR or --to-kafka"),
    (["simulate", "upstream", "--to-kafka", "--enterprises", "1"], "relief up"),
]


@pytest.mark.parametrize(("words", "named"), WITHOUT_A_STACK, ids=[" ".join(row[0]) for row in WITHOUT_A_STACK])
def test_without_a_stack_a_sentence_says_what_to_do(tmp_path: Path, words: list[str], named: str) -> None:
    done = relief(*words, RELIEF_STATE=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
