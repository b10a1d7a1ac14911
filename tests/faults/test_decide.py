"""The services' own steps against the independent reading of the policy, on histories nobody chose."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli.decide import decide_lines
from services.cli.deciding import RejectedLine
from services.cli.deciding_store import AT_HAND
from services.eligibility import packs
from services.simulator.upstream import write_upstream
from tests.faults.generate import as_of_days, histories
from tests.faults.oracle import Key, judge

PACK = packs.named("xinjiang-2020")


def ours(
    lines: Iterable[bytes], as_of: date | None = None, at_hand: int = AT_HAND
) -> tuple[dict[Key, tuple[object, ...]], dict[int, str]]:
    rejected: list[RejectedLine] = []
    decided: dict[Key, tuple[object, ...]] = {
        (d["uscc"], d["measure"], d["key"]): (
            d["outcome"],
            d["amount_fen"],
            str(d["effective_on"]),
            d["prefecture"],
            d["size_class"],
            tuple(sorted(reason["code"] for reason in d["reasons"])),
        )
        for d in decide_lines(lines, PACK, as_of, rejected.append, at_hand)
    }
    return decided, {line.line: line.code for line in rejected}


def theirs(lines: Iterable[bytes], as_of: date | None = None) -> tuple[dict[Key, tuple[object, ...]], dict[int, str]]:
    expected = judge(lines, as_of)
    decided: dict[Key, tuple[object, ...]] = {
        key: (d.outcome, d.amount_fen, d.effective_on, d.prefecture, d.size_class, tuple(sorted(d.reasons)))
        for key, d in expected.decisions.items()
    }
    return decided, dict(expected.rejected)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_every_decision_and_reject_is_what_an_independent_reader_of_the_policy_computes(lines: list[bytes]) -> None:
    assert ours(lines) == theirs(lines)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), as_of_days())
def test_as_of_an_earlier_day_only_what_was_known_by_its_end_counts(lines: list[bytes], as_of: date) -> None:
    assert ours(lines, as_of) == theirs(lines, as_of)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(shared_ids=True), as_of_days(), st.sampled_from((1, 3, AT_HAND)))
def test_ids_that_enterprises_share_belong_to_the_first_however_few_enterprises_are_in_memory(
    lines: list[bytes], as_of: date | None, at_hand: int
) -> None:
    # Bills decide nothing; intake rejects one of another enterprise also where it would be superseded.
    lines = [line for line in lines if b"cn.utility.bill" not in line]
    assert ours(lines, as_of, at_hand) == theirs(lines, as_of)


def test_a_simulated_region_is_decided_as_the_independent_reader_decides_it(tmp_path: Path) -> None:
    write_upstream(200, 5, tmp_path, group_by="enterprise", merged=True)
    lines = (tmp_path / "all.jsonl").read_bytes().splitlines()
    decided, rejected = ours(lines)
    assert (decided, rejected) == theirs(lines)
    assert len(decided) > 3000
    assert len(rejected) > 10
