"""`relief reconcile` on real servers: silent on every life a payment can have, at rest and moving; and what it says of
each kind of damage."""

import json
import threading
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from services.payments.cases import enterprise
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_REFUNDS
from shared.ids import payment_id
from shared.streaming.records import Output
from tests.integration.conftest import Site
from tests.integration.money import Money, home

pytestmark = pytest.mark.integration
MONDAY, TUESDAY, SUNDAY = date(2020, 3, 2), date(2020, 3, 3), date(2020, 3, 8)
PENSION = "pension/2020-02"
# Partitions that one kind of damage has for itself.
STOPPED = 0
SILENCED = 1
_codes = (enterprise(number) for number in count(1))


def paid_under(uscc: str) -> str:
    """The id of the enterprise's first payment."""
    return payment_id(uscc, "refund", "2019", 1)


def _fresh(stopped: bool = False, silenced: bool = False) -> str:
    """An enterprise that nobody else stands for."""
    return next(
        uscc
        for uscc in _codes
        if (home(uscc) == STOPPED) == stopped and (home(paid_under(uscc)) == SILENCED) == silenced
    )


(
    RECOVERED, LOWERED, REFUSED, NOBODY, MOVED, SILENT, WITHDRAWN, WAIVED, WAITING,
) = (_fresh() for _ in range(9))  # fmt: skip
NOT_TAKEN, UNHEARD = _fresh(stopped=True), _fresh(silenced=True)
UNTOLD, CHANGED, LOST, UNPOSTED, MISPOSTED = (_fresh() for _ in range(5))
STREAMED = [_fresh() for _ in range(40)]


@dataclass(frozen=True)
class Reports:
    """(exit code, document) of each run: on a system at rest, on a moving one, after the damage; and that for eyes."""

    healthy: tuple[int, Any]
    moving: list[tuple[int, Any]]
    damaged: tuple[int, Any]
    shown: str


@pytest.fixture(scope="module")
def reports(site: Site) -> Reports:
    money = Money(site.running())
    live(money)
    healthy = reconciled(money)
    moving = while_it_moves(money)
    damage(money)
    damaged = reconciled(money, "--patience", "3")
    return Reports(healthy, moving, damaged, money.reconcile("--patience", "0").stdout)


def reconciled(money: Money, *options: str) -> tuple[int, Any]:
    done = money.reconcile("--json", *options)
    return done.exit_code, json.loads(done.stdout)


def live(money: Money) -> None:
    """Every end and every pause there is."""
    money.budget()
    money.decide((SILENT, 60), (UNHEARD, 70), (CHANGED, 80), (LOST, 90), (UNPOSTED, 110), (MISPOSTED, 120))
    money.start(MONDAY)
    money.approve()
    for uscc in (UNHEARD, CHANGED, LOST, UNPOSTED, MISPOSTED):
        money.say(paid_under(uscc), "settled")
    money.settle()
    # Five days without an answer: what is silent is unknown.
    money.decide((RECOVERED, 700), (REFUSED, 300), (MOVED, 900), (LOWERED, 500), (NOBODY, 100, None))
    money.start(SUNDAY)
    money.approve()
    money.say(paid_under(RECOVERED), "settled", bank_reference="B1")
    money.say(paid_under(RECOVERED), "settled", bank_reference="B1")
    for uscc in (REFUSED, MOVED):
        money.say(paid_under(uscc), "rejected", reason_code="AC04")
    money.say(paid_under(REFUSED), "settled")  # contradicts what is known, and is parked
    money.settle()
    money.decide((RECOVERED, 400), (LOWERED, 200), (MOVED, 950, "6222000033334444"), (WITHDRAWN, 80), (WITHDRAWN, 30))
    money.decide(*((WAIVED, fen, None, PENSION) for fen in (70, 90, 0, 20)), (WAITING, 40))
    money.settle()
    (claim,) = money.claims(RECOVERED)
    for fen, reference in ((100, "R1"), (50, "R2"), (50, "R2")):
        money.receive(claim, fen, reference)
    money.settle()
    money.write_off(claim)
    money.settle()
    money.receive(claim, 7, "R3")  # more than is owed
    money.settle()
    assert money.states(SILENT) == ["unknown"]
    assert money.states(LOWERED) == ["submitted"]
    assert money.states(MOVED) == ["cancelled", "authorised"]


def while_it_moves(money: Money) -> list[tuple[int, Any]]:
    over = threading.Event()

    def stream() -> None:
        # One after the other: between two of its decisions there is time to look at an enterprise.
        for turn in count(1):
            if over.is_set():
                return
            money.publish([money.decision(STREAMED[turn % len(STREAMED)], 10 + turn, None)])

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        runs = [reconciled(money) for _ in range(3)]
    finally:
        over.set()
        thread.join()
    money.settle()
    return runs


def damage(money: Money) -> None:
    # An authorised event that no topic ever gets: the relay's pointer is moved past it before it comes.
    money.force("payments", "UPDATE outbox_pointer SET relayed = relayed + 1")
    money.decide((UNTOLD, 130, None))
    money.eventually(lambda: money.states(UNTOLD) == ["authorised"])
    money.settle()
    money.force(
        "payments",
        f"UPDATE payment SET amount_fen = 81 WHERE uscc = '{CHANGED}'",
        f"DELETE FROM payment WHERE uscc = '{LOST}'",
        f"DELETE FROM refund WHERE uscc = '{LOST}'",
    )
    money.force(
        "ledger",
        f"DELETE FROM posting WHERE uscc = '{UNPOSTED}' AND type = 'relief.refund.settled.v1'",
        f"UPDATE posting SET amount_fen = 121 WHERE uscc = '{MISPOSTED}' AND type = 'relief.refund.settled.v1'",
    )
    money.cut(TopicPartition(COMMANDS, SILENCED))
    # A record that nobody can read stops its partition, and what comes after it waits.
    money.publish([Output(DECISIONS, STOPPED, b"?", b"not a decision")])
    money.decide((NOT_TAKEN, 140))
    money.eventually(lambda: money.running.metric("relief_stopped_partitions", "payments") == 1)


def of(report: tuple[int, Any], uscc: str) -> dict[str, str]:
    """What is said of one enterprise, by kind."""
    return {one["kind"]: one["why"] for one in report[1]["differences"] if one["uscc"] == uscc}


def test_every_life_is_in_order(reports: Reports) -> None:
    code, document = reports.healthy
    assert (code, document["differences"], document["holds"]) == (0, [], True)
    assert len(document["events"]) == 11  # every type there is
    assert all(equation["holds"] for equation in document["equations"])
    explained = {(one["measure"], one["reason"]): (one["count"], one["amount_fen"]) for one in document["explained"]}
    assert explained == {
        ("refund", "in_flight"): (1, 300),
        ("refund", "unknown"): (1, 60),
        ("refund", "rejected"): (1, 300),
        ("refund", "held_no_payee"): (1, 100),
        ("refund", "surplus"): (1, 7),
        ("*", "parked"): (2, 0),
    }
    sides = {(one["measure"], one["name"]): set(one["sides"].values()) for one in document["equations"]}
    assert sides["refund", "settled"] == {700 + 70 + 80 + 90 + 110 + 120}
    assert sides["refund", "in transit"] == {500 + 60}
    assert sides["refund", "recovered"] == {150}
    assert sides["refund", "written off"] == {150}
    assert sides["exemption", "decided = authorised"] == {20}


def test_a_moving_system_is_in_order(reports: Reports) -> None:
    for code, document in reports.moving:
        assert (code, document["differences"]) == (0, [])
        assert document["moving"] < len(STREAMED) / 2
    # The runs saw it move, and compared what had.
    assert len({document["told_fen"]["refund"] for _, document in reports.moving}) == len(reports.moving)


def test_a_decision_that_was_not_taken(reports: Reports) -> None:
    assert reports.damaged[0] == 1
    found = of(reports.damaged, NOT_TAKEN)
    assert found.keys() == {"decision_not_taken"}
    assert found["decision_not_taken"].startswith(
        "decided 140 fen, authorised 0: payments has not taken revision 1 yet"
    )
    assert f"of {DECISIONS}/{STOPPED}; it stands at" in found["decision_not_taken"]
    assert "cannot be read" in of(reports.damaged, "?")["unreadable"]


def test_an_event_that_no_topic_has(reports: Reports) -> None:
    found = of(reports.damaged, UNTOLD)
    assert found.keys() == {"event_missing"}
    assert (
        f"the step `authorised` of 130 fen, and {LEDGER_REFUNDS}/{home(UNTOLD)} has no event of it"
        in (found["event_missing"])
    )


def test_a_payment_that_was_changed(reports: Reports) -> None:
    found = of(reports.damaged, CHANGED)
    assert found.keys() == {"payments_do_not_add_up", "event_differs"}
    assert "due are 80 fen, and the payments of it that are not cancelled come to 81" in found["payments_do_not_add_up"]
    assert "with 81 fen, and" in found["event_differs"]


def test_a_refund_that_was_lost(reports: Reports) -> None:
    found = of(reports.damaged, LOST)
    assert {"decision_lost", "event_unexpected", "word_lost"} <= found.keys()
    assert "payments has passed revision 1" in found["decision_lost"]


def test_a_posting_that_is_gone(reports: Reports) -> None:
    found = of(reports.damaged, UNPOSTED)
    assert found.keys() == {"posting_missing"}
    assert "told 110 fen (`settled`" in found["posting_missing"]
    assert "relief ledger verify" in found["posting_missing"]


def test_a_posting_that_was_changed(reports: Reports) -> None:
    found = of(reports.damaged, MISPOSTED)
    assert found.keys() == {"posting_differs"}
    assert "told 120 fen" in found["posting_differs"]
    assert "posted are 121" in found["posting_differs"]
    accounts = {(one["subject"], one["key"]): one for one in reports.damaged[1]["differences"] if one["uscc"] == "*"}
    # One posting less of 110 and one fen more, and the ledger's own sums know neither.
    fund = accounts["Assets:Bank:Fund", "credit"]
    assert fund["found_fen"] - fund["expected_fen"] == 110 - 1


def test_a_word_of_the_bank_that_is_gone(reports: Reports) -> None:
    found = of(reports.damaged, UNHEARD)
    assert found.keys() == {"word_missing"}
    assert found["word_missing"].startswith("payments holds 70 fen as settled, and no word of the bank")


def test_nothing_else_is_said(reports: Reports) -> None:
    code, document = reports.damaged
    assert code == 1
    named = {NOT_TAKEN, UNTOLD, CHANGED, LOST, UNPOSTED, MISPOSTED, UNHEARD, "?", "*"}
    assert {one["uscc"] for one in document["differences"]} == named
    wrong = {(one["measure"], one["name"]) for one in document["equations"] if not one["holds"]}
    assert ("refund", "settled") in wrong
    assert not {measure for measure, _ in wrong} & {"exemption", "contribution_return"}


def test_a_person_reads_the_same(reports: Reports) -> None:
    shown = " ".join(reports.shown.split())
    for one in reports.damaged[1]["differences"]:
        assert f"{one['uscc']} {one['measure']} {one['key']}" in shown
    assert "Assets:Bank:Fund: the postings up to" in shown
    assert shown.endswith("Conservation does not hold.")
