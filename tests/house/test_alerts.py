"""The alert rules: only metrics and labels of the closed list, a sentence on what to do, and each seen firing."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.observability.metrics import MetricInfo, catalogue

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
# Of the scraper's, not of the metric's.
SCRAPED = {"job", "instance"}
METRICS = {metric.name: metric for metric in catalogue()}
_SELECTOR = re.compile(r"(relief_[a-z_]+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without) \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def foreign(expression: str) -> set[str]:
    """Metrics and labels in the expression that the closed list does not have."""
    found, labels = set(), set[str]()
    for name, selector in _SELECTOR.findall(expression):
        metric = METRICS.get(name) or _histogram(name)
        if metric is None:
            found.add(name)
            continue
        labels |= set(metric.labels)
        found |= set(re.findall(r"([a-z_]+)\s*(?:=|!=|=~|!~)\s*\"", selector)) - set(metric.labels) - SCRAPED
    for group in _GROUPING.findall(expression):
        found |= set(re.findall(r"[a-z_]+", group)) - labels - SCRAPED
    return found


def _histogram(name: str) -> MetricInfo | None:
    metric = METRICS.get(re.sub(r"_(bucket|sum|count)$", "", name))
    return metric if metric is not None and metric.kind == "histogram" else None


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_uses_only_what_is_in_the_closed_list_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert "relief_" in rule["expr"]
    assert foreign(rule["expr"]) == set()
    assert rule["labels"]["severity"] in ("page", "ticket")
    said = rule["annotations"]
    assert set(said) == {"summary", "runbook"}
    for sentence in said.values():
        assert sentence.endswith("."), sentence
        assert "\n" not in sentence
    for label in re.findall(r"\$labels\.([a-z_]+)", said["summary"]):
        assert label in SCRAPED or any(label in METRICS[n].labels for n, _ in _SELECTOR.findall(rule["expr"])), label


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("relief_lags > 1", {"relief_lags"}),
        ("rate(relief_retries[5m]) > 1", {"relief_retries"}),
        ("relief_batch_seconds_bucket > 1", set()),
        ("relief_lag_records_sum > 1", {"relief_lag_records_sum"}),
        ('relief_payments{status="unknown"} > 1', {"status"}),
        ('relief_payments{state=~"unknown|held", job="payments"} > 1', set()),
        ("sum by (uscc) (relief_payments) > 1", {"uscc"}),
    ],
)
def test_what_is_not_in_the_list_is_noticed(expression: str, what: set[str]) -> None:
    assert foreign(expression) == what


def test_every_alert_is_seen_firing() -> None:
    shown = (FOLDER / "alerts_test.yaml").read_text("utf-8")
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    short = re.findall(r"Relief\(([A-Za-z|]+)\)", shown)
    seen = set(re.findall(r"Relief[A-Za-z]+", shown)) | {
        f"Relief{name}" for group in short for name in group.split("|")
    }
    assert set(names) <= seen


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_prometheus_own_tool_agrees(command: list[str]) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; Debian has it in the package prometheus")
    done = subprocess.run([tool, *command], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
