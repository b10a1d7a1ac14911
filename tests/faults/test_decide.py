"""The services' own steps against the independent reading of the policy, on histories nobody chose."""

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings

from services.cli.decide import RejectedLine, decide_lines
from services.eligibility import packs
from tests.faults.generate import histories
from tests.faults.oracle import judge

PACK = packs.named("xinjiang-2020")


def ours(lines: Iterable[bytes]) -> tuple[dict[tuple[str, str, str], object], dict[int, str]]:
    rejected: list[RejectedLine] = []
    decided = {
        (d["uscc"], d["measure"], d["key"]): (
            d["outcome"],
            d["amount_fen"],
            str(d["effective_on"]),
            d["prefecture"],
            d["size_class"],
            tuple(sorted(reason["code"] for reason in d["reasons"])),
        )
        for d in decide_lines(lines, PACK, None, rejected.append)
    }
    return decided, {line.line: line.code for line in rejected}


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_every_decision_and_reject_is_what_an_independent_reader_of_the_policy_computes(lines: list[bytes]) -> None:
    expected = judge(lines)
    decided, rejected = ours(lines)
    assert rejected == dict(expected.rejected)
    assert decided == {
        key: (
            d.outcome,
            d.amount_fen,
            str(d.effective_on),
            d.prefecture,
            d.size_class,
            tuple(sorted(d.reasons)),
        )
        for key, d in expected.decisions.items()
    }
