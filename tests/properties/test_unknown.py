"""What is not known is not granted, and what speaks against a grant never helps towards one."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from tests.faults import oracle_events as e
from tests.faults import oracle_records as types
from tests.faults.generate import EARLY, LATE, histories
from tests.properties.logs import PACK, decided, facts_of, under
from tests.properties.test_decisions import by_command, by_service, several

DAYS = sorted({day for day in (*EARLY, *LATE) if day is not None})
REFERENCE_DAY = "2019-12-31"


def without(
    lines: list[bytes], kind: str, dropped: Callable[[dict[str, Any]], bool] = lambda data: True
) -> list[bytes]:
    """The history in which some facts of a type were never told."""
    parsed = [(line, json.loads(line)) for line in lines]
    return [line for line, one in parsed if one["type"] != kind or not dropped(one["data"])]


@several(80)
@given(histories(mishaps=0), st.sampled_from(DAYS))
def test_without_a_registration_in_force_nothing_is_decided_but_that_it_is_missing(
    lines: list[bytes], day: str
) -> None:
    fewer = without(lines, types.REGISTERED, lambda data: data["effective_on"] <= day)
    for told in decided(under(PACK, facts_of(fewer))):
        decision = told.data
        if (REFERENCE_DAY if decision["measure"] == "refund" else decision["effective_on"]) <= day:
            assert (decision["measure"], decision["outcome"]) == ("holdover", "pending")
            assert [reason["code"] for reason in decision["reasons"]] == ["REGISTRATION_MISSING"]


@several(80)
@given(histories(mishaps=0))
def test_without_its_own_facts_a_measure_decides_nothing(lines: list[bytes]) -> None:
    whole = by_service(lines)
    for measures, fewer in (
        ({"refund"}, without(lines, types.HEADCOUNT, lambda data: data["period"] == "2019-12")),
        ({"refund"}, without(lines, types.YEAR, lambda data: data["year"] == 2019)),
        ({"exemption", "contribution_return"}, without(lines, types.ASSESSED)),
        ({"contribution_return"}, without(lines, types.PAID)),
        ({"holdover"}, without(lines, types.APPLIED)),
    ):
        found = by_service(fewer)
        assert found == {key: value for key, value in whole.items() if key[1] not in measures}
        assert by_command(fewer) == found


@several(80)
@given(histories(mishaps=0), st.sampled_from((1, 2, 50)), st.sampled_from(("2019-05", "2019-12")))
def test_more_layoffs_never_turn_a_denial_into_a_grant_in_any_history(
    lines: list[bytes], more: int, period: str
) -> None:
    before = by_command(lines)
    events = [json.loads(line) for line in lines]
    known: dict[str, int] = {one["subject"]: 0 for one in events}
    for one in events:
        if one["type"] == types.LAYOFFS and one["data"]["period"] == period:
            known[one["subject"]] = one["data"]["laid_off"]
    corrected = [e.line(e.layoffs(uscc, period, number + more, version=9)) for uscc, number in known.items()]
    after = by_service([*lines, *corrected])
    assert after.keys() == before.keys()
    for key, (outcome, amount_fen) in after.items():
        if key[1] != "refund":
            assert (outcome, amount_fen) == before[key]
        elif outcome == "granted":
            assert before[key] == (outcome, amount_fen)
        else:
            event(f"refund {before[key][0]}, then denied")
            assert (outcome, amount_fen) == ("denied", 0)


@several(300)
@given(
    st.integers(0, 60) | st.integers(0, 2000), st.none() | st.integers(0, 2000), st.integers(0, 120), st.integers(1, 60)
)
def test_more_layoffs_never_turn_a_denial_into_a_grant_at_any_size(
    december: int, november: int | None, laid_off: int, more: int
) -> None:
    """An enterprise that fails or passes for its layoffs alone."""
    code = e.uscc(1)
    events = [e.registered(code), e.settled(code, 1000), e.headcount(code, "2019-12", december)]
    if november is not None:
        events.append(e.headcount(code, "2019-11", november))

    def refund(laid_off: int) -> tuple[str, int]:
        lines = [e.line(one) for one in (*events, e.layoffs(code, "2019-06", laid_off))]
        return by_command(lines)[code, "refund", "2019"]

    before, after = refund(laid_off), refund(laid_off + more)
    event(f"{before[0]}, then {after[0]}")
    assert after == before or after == ("denied", 0)
