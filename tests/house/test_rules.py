"""Each rule finds what was planted against it, and leaves alone what only looks like it."""

import subprocess
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest
import typer

from . import docs, rules
from .checkout import Source, sources


def found(rule: rules.Rule, path: str, text: str) -> list[str]:
    return list(rule(Source(PurePosixPath(path), dedent(text))))


def test_a_long_file_is_found() -> None:
    assert found(rules.short_files, "services/intake/app.py", "x = 1\n" * 321)
    assert not found(rules.short_files, "services/intake/app.py", "x = 1\n" * 320)


def test_a_long_function_is_found_wherever_it_is_nested() -> None:
    def text(lines: int) -> str:
        return "class A:\n    async def f(self):\n" + "        x = 1\n" * lines

    assert found(rules.short_functions, "shared/streaming/runner.py", text(70))
    assert not found(rules.short_functions, "shared/streaming/runner.py", text(69))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/utils.py", ""),
        ("tests/faults/helpers.py", ""),
        ("services/a/common.py", ""),
        ("shared/a.py", "class StateManager: ..."),
        ("shared/a.py", "def f():\n    class XManager: ..."),
    ],
)
def test_a_name_that_says_nothing_is_found(path: str, text: str) -> None:
    assert found(rules.telling_names, path, text)
    assert not found(rules.telling_names, "shared/uscc.py", "class Manages: ...\nManager = 1")


IMPURE = [
    "from datetime import datetime\ndef f(): return datetime.now()",
    "from datetime import datetime as d\ndef f(): return d.utcnow()",
    "import datetime\ndef f(): return datetime.date.today()",
    "import datetime as dt\ntoday = dt.date.today",
    "import time\nx = time.time()",
    "from time import monotonic as clock\nx = clock()",
    "import random\nx = random.random()",
    "from random import choice\nx = choice([1])",
    "from uuid import uuid4\nx = uuid4()",
    "import uuid\nx = uuid.uuid4()",
    "import os\nx = os.environ['A']",
    "from os import getenv\nx = getenv('A')",
    "from os import environ\nx = environ.get('A')",
    "import secrets\nx = secrets.token_hex()",
]


@pytest.mark.parametrize("text", IMPURE)
def test_a_clock_chance_or_environment_in_a_domain_is_found(text: str) -> None:
    assert found(rules.pure_steps, "services/payments/domain/day.py", text)
    assert not found(rules.pure_steps, "services/payments/app.py", text)


def test_a_domain_may_reckon_with_dates_and_have_a_field_named_time() -> None:
    text = """
        from datetime import date, datetime, timedelta
        def due(day: date, event) -> date:
            return day + timedelta(days=1) if event.time.time() else date(2020, 1, 1)
    """
    assert not found(rules.pure_steps, "services/payments/domain/day.py", text)


@pytest.mark.parametrize("name", ["step", "decode", "keys", "cause"])
def test_a_clock_in_a_fold_is_found_outside_a_domain_too(name: str) -> None:
    text = f"""
        import time
        class PaymentsFold:
            def step(self, states, fact, record): return ()
            def {name}(self, record): return time.time()
            def heartbeat(self): return time.time()
    """
    assert len(found(rules.pure_steps, "services/payments/handlers.py", text)) == 1
    assert found(
        rules.pure_steps, "services/payments/step.py", "import random\ndef step(state): return random.random()"
    )


@pytest.mark.parametrize("text", ["import os\nx = os.environ", "from os import getenv\nx = getenv('A')"])
def test_the_environment_is_found_outside_settings(text: str) -> None:
    assert found(rules.environment_in_settings, "services/intake/app.py", text)
    assert found(rules.environment_in_settings, "shared/access.py", text)
    for allowed in ("services/intake/settings.py", "services/cli/app.py", "deploy/local/launch.py"):
        assert not found(rules.environment_in_settings, allowed, text)


@pytest.mark.parametrize("text", ["rate = 0.5", "x = 1e3", "def f(a): return float(a)", "def f(a: float): ..."])
@pytest.mark.parametrize("path", ["services/payments/domain/refund.py", "shared/money.py"])
def test_a_float_near_money_is_found(path: str, text: str) -> None:
    assert found(rules.whole_money, path, text)
    assert not found(rules.whole_money, "shared/limits.py", text)
    assert not found(rules.whole_money, path, '"""A float of 0.5 in words."""\nrate = 5')


@pytest.mark.parametrize("comment", ["# noqa", "# noqa:", "# type: ignore", "#type:ignore", "# noqa #", "x  # noqa  "])
def test_a_silenced_check_without_code_or_reason_is_found(comment: str) -> None:
    assert found(rules.reasoned_exceptions, "tests/a.py", f"x = 1  {comment}\n")


@pytest.mark.parametrize(
    "line",
    [
        *("x = 1  # noqa: S101", "x = 1  # type: ignore[misc]", "x = 1  # noqa  # it is meant", "x = '# noqa'"),
        *("x = 1  # type: ignore  # no stubs", "x = 1  # noqa: E501,S101  - it is meant"),
    ],
)
def test_a_silenced_check_with_code_or_reason_is_left_alone(line: str) -> None:
    assert not found(rules.reasoned_exceptions, "tests/a.py", line + "\n")


# `|` stands for a slash and `@` for a dot, so that this file keeps the rule too.
@pytest.mark.parametrize(
    "planted",
    [
        *("x = '|work|main'", "cd |home|someone|relief", "file:|||root|.m2", "-i=|work|x", "PATH=|usr|bin:|root|bin"),
        *("see https:||pypi@org|project", "https:||repo1@maven@org", "https:||files@pythonhosted@org|packages"),
    ],
)
def test_a_registry_and_a_path_of_one_machine_are_found(planted: str) -> None:
    line = planted.replace("|", "/").replace("@", ".")
    assert found(rules.portable, "docs/setup.md", f"first\n{line}\n")[0].startswith("docs/setup.md:2: ")


@pytest.mark.parametrize(
    "line", ["~/work/x", "a/work/b", "https://example.org/home/", "./root/x", "the home/office rule"]
)
def test_a_path_that_exists_everywhere_is_left_alone(line: str) -> None:
    assert not found(rules.portable, "docs/setup.md", line)


DOCUMENT = dedent("""
    Text with `make nothing`.
    ```sh
    make setup && make demo ENTERPRISES=10   # a comment
    relief simulate upstream --enterprises 5 --out DIR
    .venv/bin/relief up | less
    ```
    ```console
    $ relief trace 91652901MA00000170
    make is not run here
    ```
    ```python
    relief = 1
    ```
""")


def program() -> object:
    app, simulate = typer.Typer(), typer.Typer()
    app.add_typer(simulate, name="simulate")
    app.command("up")(lambda: None)
    app.command("trace")(lambda uscc: None)

    @simulate.command()
    def upstream(enterprises: int = 1) -> None: ...

    @simulate.command()
    def bank() -> None: ...

    return typer.main.get_command(app)


def test_a_make_target_that_does_not_exist_is_found() -> None:
    document = Source(PurePosixPath("README.md"), DOCUMENT)
    makefile = ".PHONY: nothing\nsetup help: deps\n\ttouch x\nA := demo\n"
    assert list(docs.missing_targets(document, makefile)) == ["README.md: the Makefile has no target demo"]
    assert not list(docs.missing_targets(document, makefile + "demo:\n"))


def test_a_command_or_option_that_does_not_exist_is_found() -> None:
    document = Source(PurePosixPath("README.md"), DOCUMENT)
    assert [p.split("`: ")[1] for p in docs.missing_commands(document, program())] == ["there is no option --out"]
    wrong = Source(PurePosixPath("README.md"), "```\nrelief simulate downstream\nrelief down\n```\n")
    assert len(list(docs.missing_commands(wrong, program()))) == 2


def test_a_metric_that_does_not_exist_is_found() -> None:
    text = "rate(relief_batches_total[5m]) / relief_batch_seconds_bucket\nrelief_gone_total"
    document = Source(PurePosixPath("deploy/grafana/a.json"), text)
    known = {"relief_batches_total", "relief_batch_seconds"}
    assert list(docs.unknown_metrics(document, known)) == [
        "deploy/grafana/a.json:2: there is no metric relief_gone_total"
    ]


def test_files_are_found_with_and_without_git(tmp_path: Path) -> None:
    for name in ("a.py", ".ci/run", "__pycache__/a.pyc", ".venv/b.py", "new.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n", "utf-8")
    (tmp_path / "picture").write_bytes(b"\xff\xfe")
    assert [str(s.path) for s in sources(tmp_path)] == [".ci/run", "a.py", "new.py"]
    (tmp_path / ".gitignore").write_text(".venv\n__pycache__\n", "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "a.py"], cwd=tmp_path, check=True)
    assert [str(s.path) for s in sources(tmp_path)] == [".ci/run", ".gitignore", "a.py", "new.py"]
