"""A second opinion on the cases of the first pack: the independent reader of the policy answers each as it expects."""

from pathlib import Path
from typing import Any

import pytest

from services.eligibility import packs, policy_cases
from services.eligibility.policy_case_runs import Answer, answered
from tests.faults.oracle import Decision, judge

FILES = policy_cases.files(packs.INSTALLED / "xinjiang-2020")


def oracle(lines: list[bytes]) -> Answer:
    verdicts = judge(lines)
    return Answer(dict(verdicts.rejected), [_in_contract_form(one) for one in verdicts.decisions.values()])


def _in_contract_form(decision: Decision) -> dict[str, Any]:
    return {
        "uscc": decision.uscc,
        "measure": decision.measure,
        "key": decision.key,
        "outcome": decision.outcome,
        "amount_fen": decision.amount_fen,
        "effective_on": decision.effective_on,
        "prefecture": decision.prefecture,
        "size_class": decision.size_class,
        "reasons": [{"code": code, "text": {"en": "says the independent reader"}} for code in decision.reasons],
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_independent_reader_of_the_policy_agrees_with_every_case(path: Path) -> None:
    apart = [(case.where, found) for case in policy_cases.load_file(path) for found in answered(case, oracle)]
    assert apart == []


def test_the_independent_reader_is_asked_and_would_be_heard() -> None:
    """Of no line at all it decides nothing, so every case that expects a decision differs."""
    cases = [case for case in policy_cases.load(packs.INSTALLED / "xinjiang-2020") if case.steps[-1].expected]
    assert len(cases) >= 150
    assert all(answered(case, lambda lines: oracle([])) for case in cases)
