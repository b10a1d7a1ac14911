from itertools import product
from pathlib import Path

import pytest

from services.holdover.domain.states import IN_FORCE, STATES, TRANSITIONS, State, transition

README = Path(__file__).parents[1] / "README.md"


def test_from_every_state_to_every_other_there_is_exactly_one_row() -> None:
    """But back to none: what was once known stays known."""
    for before, after in product(STATES, STATES):
        rows = [row for row in TRANSITIONS if before in row.before and after == row.after]
        assert len(rows) == (before != after != "none"), (before, after)


def test_rows_have_names_of_their_own_and_reasons() -> None:
    assert len({row.name for row in TRANSITIONS}) == len(TRANSITIONS)
    assert all(row.before and row.why for row in TRANSITIONS)


@pytest.mark.parametrize(("before", "after"), [*product(STATES, STATES)])
def test_what_comes_into_force_is_told_and_what_ends_too(before: State, after: State) -> None:
    if before == after or after == "none":
        return
    row = transition(before, after)
    assert row is not None
    begins = before not in IN_FORCE and after in IN_FORCE
    ends = before in IN_FORCE and after not in IN_FORCE
    assert begins <= ({"opened", "supply_protected"} <= set(row.told))
    assert ("supply_protected" in row.told) == begins
    assert ("protection_ended" in row.told) == ends
    words = {"completed", "defaulted", "withdrawn"} & set(row.told)
    assert len(words) <= 1
    assert ends <= bool(words)
    assert words <= {after} or (after not in ("completed", "defaulted") and words == {"withdrawn"})


def test_nothing_leads_from_a_state_to_itself() -> None:
    assert all(transition(state, state) is None for state in STATES)


def test_the_readme_has_this_table() -> None:
    lines = [
        f"| {row.name} | {', '.join(state for state in STATES if state in row.before)} | {row.after} "
        f"| {', '.join(row.told) or '-'} | {row.why} |"
        for row in TRANSITIONS
    ]
    assert "\n".join(lines) in README.read_text("utf-8")
