from typing import get_args

from services.ledger.domain.chart import CHART, INSURANCES, PROGRAMMES
from shared.contracts import registry, topics, vocabulary


def test_the_chart_has_every_event_of_the_contract_and_no_other() -> None:
    assert set(CHART) == {*registry.models(topics.LEDGER_EXEMPTIONS), *registry.models(topics.LEDGER_REFUNDS)}


def test_every_insurance_and_programme_of_the_contract_has_a_segment() -> None:
    assert set(INSURANCES) == set(get_args(vocabulary.Insurance))
    assert set(PROGRAMMES) == set(get_args(vocabulary.Programme))
