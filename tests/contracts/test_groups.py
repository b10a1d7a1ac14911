"""The consumer groups are declared where their rights are made, and are those that the services join."""

from services.cli import draining
from services.eligibility import app as eligibility
from services.holdover import app as holdover
from services.intake import app as intake
from services.ledger import app as ledger
from services.payments import app as payments
from shared.contracts.groups import GROUPS
from shared.contracts.topics import topics

JOINED = {
    "intake": {intake.GROUP, intake.STATUS_GROUP},
    "eligibility": {eligibility.GROUP},
    "payments": {payments.GROUP, payments.COMMANDS_GROUP},
    "holdover": {holdover.FACTS_GROUP, holdover.DECISIONS_GROUP},
    "ledger": {ledger.GROUP},
}


def test_a_service_joins_the_groups_that_are_declared_for_it() -> None:
    assert {name: set(groups) for name, groups in GROUPS.items() if name in JOINED} == JOINED


def test_a_group_has_one_member_by_name_and_it_reads_something() -> None:
    everything = [group for groups in GROUPS.values() for group in groups]
    assert len(set(everything)) == len(everything)
    assert set(GROUPS) <= {reader for topic in topics().values() for reader in topic.readers}


def test_what_operators_wait_for_they_may_see() -> None:
    assert set(draining.GROUPS) <= {group for groups in GROUPS.values() for group in groups}
