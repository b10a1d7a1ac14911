"""Who may do what at Kafka, against a table that a person wrote."""

import pytest

from deploy.kafka.acl import OVERSEER, Right, rights
from shared.contracts.topics import topics

# Per principal: what it writes, what it reads, the groups it is a member of.
EXPECTED: dict[str, tuple[set[str], set[str], set[str]]] = {
    "upstream": ({"upstream.tax.v1", "upstream.insurance.v1", "upstream.utility.v1"}, set(), set()),
    "intake": (
        {"intake.applications.v1", "intake.operations.v1", "relief.facts.v1", "relief.rejected.v1"},
        {
            *("upstream.tax.v1", "upstream.insurance.v1", "upstream.utility.v1"),
            *("intake.applications.v1", "intake.operations.v1", "relief.decisions.v1"),
        },
        {"relief-intake", "relief-intake-status"},
    ),
    "eligibility": ({"relief.decisions.v1"}, {"relief.facts.v1", "relief.packs.v1"}, {"relief-eligibility"}),
    "payments": (
        {"ledger.exemptions.v1", "ledger.refunds.v1", "payments.commands.v1"},
        {"relief.decisions.v1", "payments.commands.v1", "ledger.exemptions.v1", "ledger.refunds.v1"},
        {"relief-payments", "relief-payments-commands"},
    ),
    "ledger": (set(), {"ledger.exemptions.v1", "ledger.refunds.v1"}, {"relief-ledger"}),
    "holdover": (
        {"holdover.orders.v1"},
        {"relief.facts.v1", "relief.decisions.v1", "relief.packs.v1", "holdover.orders.v1"},
        {"relief-holdover-facts", "relief-holdover-decisions"},
    ),
    "bank": ({"payments.commands.v1"}, set(), set()),
    "utilities": (set(), {"holdover.orders.v1"}, {"relief-utilities"}),
    "cli": (
        {"intake.operations.v1", "relief.packs.v1"},
        {
            *("intake.operations.v1", "relief.packs.v1", "relief.facts.v1", "relief.rejected.v1"),
            *("relief.decisions.v1", "ledger.exemptions.v1", "ledger.refunds.v1"),
            *("payments.commands.v1", "holdover.orders.v1"),
        },
        set(),
    ),
}


def named(principal: str, kind: str, operation: str) -> set[str]:
    return {right.name for right in rights()[principal] if (right.kind, right.operation) == (kind, operation)}


def test_exactly_these_may_log_in() -> None:
    assert set(rights()) == set(EXPECTED)


@pytest.mark.parametrize("principal", EXPECTED)
def test_a_principal_writes_reads_and_joins_what_it_is_there_for_and_nothing_else(principal: str) -> None:
    writes, reads, joins = EXPECTED[principal]
    assert named(principal, "topic", "Write") == writes
    assert named(principal, "topic", "Read") == reads
    assert named(principal, "group", "Read") == joins
    assert named(principal, "group", "Write") == set()
    if principal != OVERSEER:
        assert named(principal, "topic", "Describe") == writes | reads
        assert named(principal, "group", "Describe") == joins


def test_operators_see_how_far_everything_is_and_read_nothing_that_came_from_outside_in_the_open() -> None:
    everything = {name for name, topic in topics().items() if not topic.planned}
    assert named(OVERSEER, "topic", "Describe") == everything
    assert named(OVERSEER, "group", "Describe") == set().union(*(joins for _, _, joins in EXPECTED.values()))
    assert not named(OVERSEER, "topic", "Read") & {
        *("upstream.tax.v1", "upstream.insurance.v1", "upstream.utility.v1", "intake.applications.v1")
    }


def test_money_and_facts_have_one_writer() -> None:
    def writers(topic: str) -> set[str]:
        return {principal for principal in rights() if topic in named(principal, "topic", "Write")}

    assert writers("relief.facts.v1") == {"intake"}
    assert writers("ledger.exemptions.v1") == writers("ledger.refunds.v1") == {"payments"}
    assert writers("relief.decisions.v1") == {"eligibility"}
    assert writers("holdover.orders.v1") == {"holdover"}


def test_a_name_is_exact_and_a_planned_topic_gives_no_rights() -> None:
    everything = [right for own in rights().values() for right in own]
    assert {right.name for right in everything if set(right.name) & set("*?")} == set()
    assert {right.name for right in everything if right.kind == "topic"} == {
        name for name, topic in topics().items() if not topic.planned
    }
    assert {right.operation for right in everything} == {"Read", "Write", "Describe"}


def test_the_same_declaration_gives_the_same_rights() -> None:
    assert rights() == rights()
    assert all(list(own) == sorted(set(own)) for own in rights().values())
    assert Right("topic", "ledger.refunds.v1", "Write") in rights()["payments"]
