"""The generator reaches the corners it promises, and the oracle keeps its own promises on what it draws."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .generate import as_of_days, histories
from .oracle import judge

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
CONFLICTS = {"ID_CONFLICT", "VERSION_CONFLICT"}


@QUICK
@given(histories(), as_of_days())
def test_every_line_has_exactly_one_fate(lines: list[bytes], as_of: date | None) -> None:
    found = judge(lines, as_of)
    fates = [*found.rejected, *found.duplicates, *found.superseded, *found.accepted, *found.later]
    assert sorted(fates) == list(range(1, len(lines) + 1))


@QUICK
@given(st.data())
def test_the_order_of_facts_does_not_matter_without_conflicts(data: st.DataObject) -> None:
    lines = data.draw(histories(mishaps=0))
    found = judge(lines)
    assert not found.rejected
    again = judge(data.draw(st.permutations(lines)))
    assert again.decisions == found.decisions
    assert again.totals == found.totals


@QUICK
@given(histories())
def test_what_was_not_accepted_decides_nothing(lines: list[bytes]) -> None:
    found = judge(lines)
    assert judge([lines[number - 1] for number in found.accepted]).decisions == found.decisions


@pytest.mark.timeout(120)
def test_all_codes_outcomes_and_reasons_are_drawn() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(histories())
    def draw_many(lines: list[bytes]) -> None:
        found = judge(lines)
        met.update(found.rejected.values())
        met.update(["duplicate"] * bool(found.duplicates) + ["superseded"] * bool(found.superseded))
        for decision in found.decisions.values():
            met.update([f"{decision.measure} {decision.outcome}", *decision.reasons, str(decision.size_class)])

    draw_many()
    expected = {
        *("NOT_JSON", "NOT_UTF8", "UNKNOWN_TYPE", "MISSING_FIELD", "INVALID_FIELD", "BAD_USCC", "OUT_OF_RANGE"),
        *("UNKNOWN_PREFECTURE", "UNKNOWN_INDUSTRY", "WRONG_KEY", *CONFLICTS, "duplicate", "superseded"),
        *("NOT_SME", "DEREGISTERED", "NOTHING_DUE", "LAYOFF_RATE", "DECLINED", "NO_DIFFICULTY", "OUTSIDE_WINDOW"),
        *("REGISTRATION_MISSING", "large", "medium", "small", "micro", "None"),
        *("exemption granted", "exemption denied", "contribution_return granted", "refund granted", "refund denied"),
        *("holdover granted", "holdover denied", "holdover pending"),
    }
    assert expected <= set(met), expected - set(met)
