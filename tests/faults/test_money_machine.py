"""Whatever happens to money, in whatever order and however often: payments and ledger keep every invariant.

For hours instead of a minute, and never twice the same: MONEY_MACHINE_EXAMPLES=2000 pytest --timeout 0 on this file.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from deploy.local.postgres_server import VARIABLE
from deploy.local.stack import Stack
from tests.faults.money_machine import MoneyMachine
from tests.faults.money_machine_site import Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
WANTED = os.environ.get("MONEY_MACHINE_EXAMPLES")


def test_no_history_breaks_an_invariant_of_money(stack: Stack, tmp_path: Path) -> None:
    site = Site(stack.environment()[VARIABLE], tmp_path)

    class Machine(MoneyMachine):
        def __init__(self) -> None:
            super().__init__(site)

    profile = settings(
        max_examples=int(WANTED or 10),
        stateful_step_count=80 if WANTED else 40,
        derandomize=WANTED is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(Machine, settings=profile)
    finally:
        site.close()
