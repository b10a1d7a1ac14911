"""What holds for every history of facts, in whatever order, as often and under whatever pack they come."""

from collections import defaultdict
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli.decide import decide_lines
from shared.ids import decision_id
from tests.faults.generate import histories
from tests.properties.logs import PACK, Decision, Key, decided, eventful, facts_by_id, facts_of, key_of, latest, under

T = TypeVar("T")
SEEDS = st.integers(0, 2**32)
FACTS_OF = {
    "exemption": ("cn.tax.contribution.assessed.v1", "employer_amount_fen"),
    "contribution_return": ("cn.tax.contribution.paid.v1", "amount_fen"),
    "refund": ("cn.insurance.year.settled.v1", "unemployment_premium_paid_fen"),
}


def several(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def shuffled_with_repeats(things: list[T], seed: int) -> list[T]:
    chance = Random(seed)
    again = [*things, *chance.choices(things, k=len(things) // 3)] if things else []
    chance.shuffle(again)
    return again


def by_command(lines: list[bytes]) -> dict[Key, tuple[str, int]]:
    return latest(decide_lines(lines, PACK, None, lambda rejected: None))


def by_service(lines: list[bytes], seed: int | None = None) -> dict[Key, tuple[str, int]]:
    """The last word on each key; with a seed, of the facts in another order and with repeats."""
    facts = facts_of(lines)
    if seed is not None:
        facts = shuffled_with_repeats(facts, seed)
    return latest(told.data for told in decided(under(PACK, facts)))


@several(120)
@given(histories(mishaps=0), SEEDS)
def test_neither_order_nor_repeats_change_the_latest_decisions(lines: list[bytes], seed: int) -> None:
    expected = by_command(lines)
    assert by_command(shuffled_with_repeats(lines, seed)) == expected
    assert by_service(lines) == expected
    assert by_service(lines, seed) == expected


@several(120)
@given(histories(), SEEDS)
def test_revisions_count_up_their_ids_are_their_own_and_their_differences_add_up(lines: list[bytes], seed: int) -> None:
    told: dict[Key, list[Decision]] = defaultdict(list)
    identities = set()
    for _, decision in decided(eventful(facts_of(lines), seed)):
        told[key_of(decision)].append(decision)
        assert decision["decision_id"] == decision_id(*key_of(decision), decision["revision"])
        assert decision["decision_id"] not in identities
        identities.add(decision["decision_id"])
    for decisions in told.values():
        assert [decision["revision"] for decision in decisions] == list(range(1, len(decisions) + 1))
        sums = [sum(d["delta_fen"] for d in decisions[: number + 1]) for number in range(len(decisions))]
        assert sums == [decision["amount_fen"] for decision in decisions]


@several(120)
@given(histories(), SEEDS)
def test_an_amount_is_never_negative_nor_above_the_facts_it_names(lines: list[bytes], seed: int) -> None:
    log = eventful(facts_of(lines), seed)
    named = facts_by_id(log)
    for _, decision in decided(log):
        assert decision["amount_fen"] >= 0
        if decision["outcome"] != "granted" or decision["measure"] == "holdover":
            assert decision["amount_fen"] == 0
        else:
            kind, field = FACTS_OF[decision["measure"]]
            facts = [named[decision["uscc"], identity] for identity in decision["facts"]]
            assert len({id(fact) for fact in facts}) == len(facts)
            assert decision["amount_fen"] <= sum(fact["data"][field] for fact in facts if fact["type"] == kind)
