"""The project keeps its own rules."""

import importlib
from collections.abc import Iterable

import pytest
import typer

from deploy.postgres.roles import ROLES
from shared.observability import metrics

from . import docs, rules
from .checkout import ROOT, sources

EVERY = sources()
PYTHON = [source for source in EVERY if source.path.suffix == ".py"]
DOCUMENTS = [source for source in EVERY if source.path.suffix == ".md"]
METRIC_USERS = [
    *DOCUMENTS,
    *(s for s in EVERY if s.path.parts[:2] in {("deploy", "grafana"), ("deploy", "prometheus")}),
]


def told(violations: Iterable[str]) -> str:
    return "\n".join(violations)


def test_the_rules_see_the_project() -> None:
    paths = {str(source.path) for source in EVERY}
    assert {"pyproject.toml", "shared/uscc.py", "tests/house/test_house.py"} <= paths


@pytest.mark.parametrize("rule", rules.PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_every_python_file_keeps_the_rule(rule: rules.Rule) -> None:
    assert told(violation for source in PYTHON for violation in rule(source)) == ""


def test_no_file_names_an_index_or_a_path_of_one_machine() -> None:
    assert told(violation for source in EVERY for violation in rules.portable(source)) == ""


def test_every_make_target_in_the_documents_exists() -> None:
    makefile = ROOT / "Makefile"
    if not makefile.is_file():
        pytest.skip("no Makefile yet")
    text = makefile.read_text("utf-8")
    assert told(violation for document in DOCUMENTS for violation in docs.missing_targets(document, text)) == ""


def test_every_relief_command_in_the_documents_exists() -> None:
    app = _program()
    if app is None:
        pytest.skip("no command line yet")
    relief = typer.main.get_command(app)
    assert told(violation for document in DOCUMENTS for violation in docs.missing_commands(document, relief)) == ""


def test_every_metric_in_the_documents_and_dashboards_exists() -> None:
    # The roles of the database are spelt alike.
    names = {metric.name for metric in metrics.catalogue()} | set(ROLES)
    assert told(violation for source in METRIC_USERS for violation in docs.unknown_metrics(source, names)) == ""


def _program() -> typer.Typer | None:
    values = vars(importlib.import_module("services.cli.app")).values()
    return next((value for value in values if isinstance(value, typer.Typer)), None)
