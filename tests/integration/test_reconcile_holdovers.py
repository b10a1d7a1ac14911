"""`relief reconcile` and `relief trace` on real servers, on holdovers: silent on every life that one has, at rest and
moving; and what it says of each kind of damage."""

import json
import threading
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.holdover.cases import enterprise
from services.holdover.domain.identity import Account, holdover_id
from shared.contracts.topics import FACTS, ORDERS
from shared.streaming.records import Output
from tests.integration.conftest import Site
from tests.integration.dues import SUPPLIER, Dues
from tests.integration.money import Money, home
from tests.integration.region import simulate

pytestmark = pytest.mark.integration
# The partition that a record nobody can read stops.
STOPPED = 0
_codes = (enterprise(number) for number in count(5000))


def _fresh(stopped: bool = False) -> str:
    return next(uscc for uscc in _codes if (home(uscc) == STOPPED) == stopped)


DEFERRED, REPAYING, DEFAULTED, COMPLETED, WITHDRAWN, UNGRANTED, WAITING = LIVES = [_fresh() for _ in range(7)]
(
    BILL_LOST, BILL_CHANGED, LEFT_OUT, PAYMENT_LOST, ANSWER_CHANGED, ANSWER_LOST, SUM_CHANGED, UNPROTECTED, RULED,
    PLAN_CHANGED, UNTOLD, ALLOWED,
) = DAMAGED = [_fresh() for _ in range(12)]  # fmt: skip
NOT_TAKEN = _fresh(stopped=True)
NOBODY = "no code of anybody"
STREAMED = [_fresh() for _ in range(12)]


@dataclass(frozen=True)
class Reports:
    """(exit code, document) of each run, and what is shown to eyes."""

    healthy: tuple[int, Any]
    moving: list[tuple[int, Any]]
    damaged: tuple[int, Any]
    shown: str
    traced: dict[str, Any]
    traced_shown: str


@pytest.fixture(scope="module")
def reports(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    dues = Dues(Money(site.running()))
    # Among others, whose records come late, twice and corrected.
    dues.running.send(simulate(60, 23, tmp_path_factory.mktemp("region")))
    live(dues)
    healthy = reconciled(dues)
    traced = json.loads(trace(dues, REPAYING, "--json"))
    traced_shown = trace(dues, REPAYING)
    moving = while_it_moves(dues)
    damage(dues)
    damaged = reconciled(dues, "--patience", "3")
    shown = dues.money.reconcile("--patience", "0").stdout
    return Reports(healthy, moving, damaged, shown, traced, traced_shown)


def reconciled(dues: Dues, *options: str) -> tuple[int, Any]:
    done = dues.money.reconcile("--json", *options)
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout)


def trace(dues: Dues, uscc: str, *options: str) -> str:
    done = CliRunner().invoke(app, ["trace", uscc, "--state", str(dues.running.stack.state), *options])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def live(dues: Dues) -> None:
    """Every end and every pause there is."""
    everybody = [*LIVES, *DAMAGED, NOT_TAKEN, *STREAMED]
    dues.register(*everybody)
    dues.each([uscc for uscc in everybody if uscc != UNGRANTED], dues.apply)
    dues.each(everybody, dues.bill)
    dues.day(date(2020, 3, 1))
    dues.each(everybody, lambda uscc: dues.pay(uscc, 100, date(2020, 4, 1)))
    dues.each([UNGRANTED, ANSWER_CHANGED, ANSWER_LOST, REPAYING], dues.ask)
    dues.pay(WAITING, 50, date(2020, 4, 1), bill_id="nobody-has-sent-it")
    dues.pay(WAITING, 1000, date(2020, 4, 1))
    dues.bill(REPAYING, 1200, version=2)
    dues.bill(REPAYING, 70, bill_id=f"office-{REPAYING}", production_use=False)
    dues.withdraw(WITHDRAWN)
    dues.day(date(2020, 7, 24))
    dues.pay(REPAYING, 250, date(2020, 7, 30))
    dues.pay(COMPLETED, 900, date(2020, 7, 30))
    for uscc in (DEFERRED, *DAMAGED, *STREAMED):
        dues.pay(uscc, 150, date(2020, 7, 30))
    dues.day(date(2020, 8, 20))
    assert dues.states(DEFERRED) == ["repaying"]
    assert dues.states(REPAYING) == ["repaying"]
    assert dues.states(DEFAULTED) == ["defaulted"]
    assert dues.states(COMPLETED) == dues.states(WAITING) == ["completed"]
    assert dues.states(WITHDRAWN) == ["withdrawn"]
    assert dues.states(UNGRANTED) == ["none"]


def while_it_moves(dues: Dues) -> list[tuple[int, Any]]:
    over = threading.Event()

    def stream() -> None:
        for turn in count():
            if over.is_set():
                return
            dues.pay(STREAMED[turn % len(STREAMED)], 1, date(2020, 8, 20))
            dues.flush()

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        runs = [reconciled(dues) for _ in range(2)]
    finally:
        over.set()
        thread.join()
    dues.settle()
    return runs


def damage(dues: Dues) -> None:
    # An event that no topic ever gets: the relay's pointer is moved past it before it comes.
    dues.money.force("holdover", "UPDATE outbox_pointer SET relayed = relayed + 1")
    dues.ask(UNTOLD)
    dues.flush()
    dues.money.eventually(lambda: len(dues.books(UNTOLD)["answers"]) == 1)
    order_of = "order_id = NULL, order_from = NULL, order_until = NULL, order_signature = NULL"
    dues.money.force(
        "holdover",
        f"DELETE FROM bill WHERE uscc = '{BILL_LOST}'",
        f"UPDATE bill SET amount_fen = 1001 WHERE uscc = '{BILL_CHANGED}'",
        f"UPDATE bill SET left_out = 'no_grant' WHERE uscc = '{LEFT_OUT}'",
        f"DELETE FROM bill_payment WHERE uscc = '{PAYMENT_LOST}' AND amount_fen = 150",
        f"UPDATE disconnection SET answer = 'allowed', order_id = NULL WHERE uscc = '{ANSWER_CHANGED}'",
        f"DELETE FROM disconnection WHERE uscc = '{ANSWER_LOST}'",
        f"UPDATE account SET repaid_fen = 149, open_fen = open_fen + 1 WHERE uscc = '{SUM_CHANGED}'",
        f"UPDATE account SET state = 'withdrawn', {order_of} WHERE uscc = '{UNPROTECTED}'",
        f"UPDATE application SET outcome = 'denied' WHERE uscc = '{RULED}'",
        f"UPDATE instalment SET amount_fen = amount_fen + 1 WHERE uscc = '{PLAN_CHANGED}' AND number = 3",
    )
    _allow(dues, ALLOWED)
    _allow(dues, NOBODY)
    dues.money.publish([Output(FACTS, STOPPED, b"?", b"not a fact")])
    dues.bill(NOT_TAKEN, 1010, version=2)
    dues.flush()
    dues.money.eventually(lambda: dues.running.metric("relief_stopped_partitions", "holdover") == 1)
    dues.running.settle("intake")


def _allow(dues: Dues, uscc: str) -> None:
    """Somebody else tells the supplier of a protected account that it may cut the supply."""
    account = Account("electricity", SUPPLIER, f"account-{uscc}")
    data = {
        "origin": {"topic": "elsewhere", "partition": 0, "offset": 1, "index": 0}, "uscc": uscc,
        "holdover_id": holdover_id(uscc, account), **account._asdict(), "on": "2020-08-20", "request_id": "r",
        "order_id": None, "reason": "no reason",
    }  # fmt: skip
    event = {
        "specversion": "1.0", "id": "a" * 32, "source": "/elsewhere", "subject": uscc,
        "type": "relief.holdover.disconnection_allowed.v1", "time": "2020-08-20T09:00:00+08:00", "data": data,
    }  # fmt: skip
    dues.money.publish([Output(ORDERS, home(uscc), uscc.encode(), json.dumps(event).encode())])


def of(report: tuple[int, Any], uscc: str) -> dict[str, str]:
    """What is said of one enterprise, by kind."""
    said: dict[str, str] = {}
    for one in report[1]["differences"]:
        if one["uscc"] == uscc:
            said[one["kind"]] = f"{said.get(one['kind'], '')} {one['why']}"
    return said


def test_every_life_is_in_order(reports: Reports) -> None:
    code, document = reports.healthy
    assert (code, document["differences"], document["holds"]) == (0, [], True)
    found = document["holdovers"]
    assert len(found["events"]) == 12  # every type there is
    assert all(equation["holds"] for equation in found["equations"])
    sums = {(one["measure"], one["name"]): set(one["sides"].values()) for one in found["equations"]}
    (bills,) = [one for one in found["bills"] if one["utility"] == "electricity"]
    left_out = sum(bills[f"{reason}_fen"] for reason in ("not_production", "no_grant", "outside_window"))
    assert bills["accepted_fen"] == bills["deferred_fen"] + left_out
    assert sums["electricity", "bills accepted = deferred + left out"] == {bills["accepted_fen"]}
    assert left_out >= 1000 + 70
    assert ("payment_waits", 50) in {(one["reason"], one["amount_fen"]) for one in found["explained"]}
    assert ("surplus", 100) in {(one["reason"], one["amount_fen"]) for one in found["explained"]}
    states = {one["state"] for one in found["accounts"] if one["utility"] == "electricity"}
    assert {"none", "repaying", "defaulted", "completed", "withdrawn"} <= states


def test_a_moving_system_is_in_order(reports: Reports) -> None:
    for code, document in reports.moving:
        assert (code, document["differences"]) == (0, [])
        assert document["holdovers"]["moving"] <= len(STREAMED)


DAMAGE: list[tuple[str, set[str], str, str]] = [
    (BILL_LOST, {"fact_lost", "sums_differ"}, "fact_lost", "of 1000 fen was accepted, and"),
    (BILL_CHANGED, {"fact_differs", "sums_differ", "deferred_told_differs"}, "fact_differs", "with amount_fen 1001."),
    (LEFT_OUT, {"reason_differs", "sums_differ"}, "reason_differs", "should be deferred or"),
    (PAYMENT_LOST, {"fact_lost"}, "fact_lost", "of 150 fen was accepted, and holdover has passed it"),
    (ANSWER_CHANGED, {"answer_differs"}, "answer_differs", "is answered allowed in the books, and told are refused"),
    (ANSWER_LOST, {"fact_lost"}, "fact_lost", f"request request-{ANSWER_LOST} for disconnection was accepted"),
    (SUM_CHANGED, {"sums_differ"}, "sums_differ", "750 fen by its rows, 751 by the account."),
    (UNPROTECTED, {"state_told_differs", "protection_told_differs", "instalments_do_not_add_up"},
     "state_told_differs", "stands as withdrawn, and told last is `opened`."),
    (RULED, {"ruling_differs", "grant_differs", "reason_differs"}, "ruling_differs", "is granted by revision"),
    (PLAN_CHANGED, {"instalments_do_not_add_up"}, "instalments_do_not_add_up", "900 fen are to be repaid, 901 are"),
    (UNTOLD, {"order_missing"}, "order_missing", "though all was published"),
    (ALLOWED, {"order_unexpected", "allowed_under_order"}, "allowed_under_order", "request r was told as allowed"),
    (NOBODY, {"order_unexpected"}, "order_unexpected", "is none that holdover has told of this account"),
    (NOT_TAKEN, {"fact_not_taken"}, "fact_not_taken", "of 1010 fen was accepted, and holdover has not taken it yet"),
    ("?", {"unreadable"}, "unreadable", "cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("uscc", "kinds", "kind", "sentence"), DAMAGE, ids=lambda value: str(value)[:20])
def test_each_damage_is_named(reports: Reports, uscc: str, kinds: set[str], kind: str, sentence: str) -> None:
    found = of(reports.damaged, uscc)
    assert found.keys() == kinds
    assert sentence in found[kind]


def test_nothing_else_is_said(reports: Reports) -> None:
    code, document = reports.damaged
    assert (code, document["holds"]) == (1, False)
    assert {one["uscc"] for one in document["differences"]} == {uscc for uscc, *_ in DAMAGE}
    assert {one["measure"] for one in document["differences"]} == {"holdover"}
    assert all(equation["holds"] for equation in document["equations"])
    wrong = {(one["measure"], one["name"]) for one in document["holdovers"]["equations"] if not one["holds"]}
    assert ("electricity", "bills accepted = deferred + left out") in wrong


def test_a_person_reads_the_same(reports: Reports) -> None:
    shown = " ".join(reports.shown.split())
    for one in reports.damaged[1]["differences"]:
        assert f"{one['uscc']} {one['measure']} {one['key']}" in shown
    assert shown.endswith("Conservation does not hold.")


def test_trace_tells_the_whole_holdover(reports: Reports) -> None:
    found = reports.traced["holdovers"]
    (application,) = found["applications"]
    assert application["outcome"] == "granted"
    (account,) = found["accounts"]
    sums = {name: account[name] for name in ("bills_fen", "lowered_fen", "repaid_fen", "open_fen", "surplus_fen")}
    assert sums == {"bills_fen": 1200, "lowered_fen": 100, "repaid_fen": 250, "open_fen": 850, "surplus_fen": 0}
    assert {one["bill_id"]: one["left_out"] for one in found["bills"]} == {
        f"bill-{REPAYING}": None, f"office-{REPAYING}": "not_production",
    }  # fmt: skip
    assert sum(one["amount_fen"] for one in found["instalments"]) == 1100
    assert sum(one["paid_fen"] for one in found["instalments"]) == 250
    shown = " ".join(reports.traced_shown.split())
    for word in (account["order"]["order_id"][:8], "not for production", "8.50", "refused", "granted", "6 instalments"):
        assert word in shown, word
