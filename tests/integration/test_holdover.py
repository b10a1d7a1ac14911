"""Holdovers through real servers, the service killed at will: every account stands as the rules say, no supply is given
up while an order protects it, and every request is answered once.
"""

import signal
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from deploy.local.stack import DEFAULT_POLICY_PACK
from services.cli.installation import run
from services.cli.operate import operate
from services.holdover.domain.arrivals import BillPaid
from services.holdover.orders import Verifier
from services.intake.operations import day_started
from shared.calendar import SHANGHAI
from shared.contracts.topics import ORDERS
from shared.devkeys import ORDERS_PUBLIC
from tests.integration.holdovers import DAYS, Logs, Town, expected, held, terms
from tests.integration.outcome import told
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
ENTERPRISES = 40


# By the number of the day: with what came before it the day waits in the log, and the service dies while it takes both.
DEATHS = {1: "before_commit", 3: "after_commit", 4: "relay_after_publish", 5: "before_commit"}


@pytest.mark.parametrize(
    ("deaths", "seed"), [pytest.param({}, 1, id="undisturbed"), pytest.param(DEATHS, 2, id="killed")]
)
def test_holdovers_stand_as_the_rules_say(running: Running, deaths: dict[int, str], seed: int) -> None:
    running.spoilt = True  # days never go back, and the next town begins in February again
    town = Town(ENTERPRISES, seed)
    for number, day in enumerate(DAYS):
        if number in deaths:
            running.stack.stop_service("holdover")
        running.send(town.before(day))
        running.settle("eligibility")
        run(operate(running.kafka, [day_started(day, datetime.now(SHANGHAI))]))
        if number in deaths:
            running.settle("eligibility")
            with running.doomed("holdover", deaths[number]) as doomed:
                assert doomed.wait(60) == -signal.SIGKILL
            running.stack.start_service("holdover")
        running.settle("holdover")
    logs = run(Logs().read(running.kafka, terms(DEFAULT_POLICY_PACK)))
    states = set()
    for uscc, partition, account, reading in held(running.environment["RELIEF_POSTGRES_URL"], town.uscc):
        wanted = expected(logs, uscc, account, partition)
        assert reading == wanted._replace(net_fen={}), f"{uscc} {account}"
        states.add(reading.state)
    assert states >= {"denied", "completed", "defaulted"}
    events = told(running, ORDERS, set(town.uscc))
    keeps_its_word(events.events.values(), Verifier(running.stack.state / "secrets" / ORDERS_PUBLIC), logs)
    assert (events.repeats > 0) == bool(deaths), f"{events.repeats} events were told again: it died elsewhere"


def keeps_its_word(events: Iterable[dict[str, Any]], verifier: Verifier, logs: Logs) -> None:
    """In the order of the topic: one signed order in force per account, and no supply given up while there is one."""
    in_force: dict[str, str] = {}
    answered: dict[str, set[str]] = {}
    paid: Counter[str] = Counter()
    for event in events:
        data, kind = event["data"], event["type"].removeprefix("relief.holdover.").removesuffix(".v1")
        identity = data["holdover_id"]
        if kind == "supply_protected":
            verifier.check(data, data["signature"])
            in_force[identity] = data["order_id"]
        elif kind == "protection_ended":
            if in_force.get(identity) == data["order_id"]:
                del in_force[identity]
        elif kind.startswith("disconnection_"):
            assert data["request_id"] not in answered.setdefault(data["uscc"], set())
            answered[data["uscc"]].add(data["request_id"])
            assert (kind == "disconnection_refused") >= (identity in in_force), "a protected supply was given up"
            assert data["order_id"] == in_force.get(identity)
        elif kind == "instalment_paid":
            paid[data["payment_id"]] += data["amount_fen"]
    assert {uscc: names for uscc, names in logs.asked.items() if uscc in answered} == answered
    assert paid
    payments = [one.fact for seen in logs.seen.values() for one in seen if isinstance(one.fact, BillPaid)]
    sent = {payment.payment_id: payment.amount_fen for payment in payments}
    assert all(fen <= sent[name] for name, fen in paid.items())
