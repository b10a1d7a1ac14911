"""Protection and schedules over HTTP, on a real database."""

from collections.abc import AsyncIterator
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.holdover.api_cases import Desk, problem, serving
from services.holdover.cases import FUND, POWER, USCC, WATER, Logs, enterprise, public_keys
from services.holdover.domain import words
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.life_cases import BEGINS
from services.holdover.orders import FIELDS, Verifier, orders_in
from services.holdover.store.test_rows import Store, commit, look, story, told

pytestmark = pytest.mark.integration
OTHER = enterprise(2)
POWER_ID = holdover_id(USCC, POWER)
_prefixes = count()
ASKED = f"protection?supplier_id={POWER.supplier_id}&account_no={POWER.account_no}"


@pytest.fixture
async def desk(store: Store, secrets: Path, redis_url: str) -> AsyncIterator[Desk]:
    async with serving(store, secrets, redis_url, f"holdover-{next(_prefixes)}") as desk:
        yield desk


@pytest.fixture
def logs() -> Logs:
    return Logs()


async def test_a_protected_account_shows_the_order_that_was_told(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [*logs.day(date(2020, 2, 10)), logs.applied("a1"), logs.bill("b1", 600), logs.decided("a1")])
    (event,) = [one.data for one in await told(store) if one.type == "relief.holdover.supply_protected.v1"]
    order = {name: str(getattr(event, name)) for name in (*FIELDS, "signature")}
    assert await desk.read(ASKED, "supplier", supplier_id=POWER.supplier_id) == {
        "supplier_id": POWER.supplier_id,
        "account_no": POWER.account_no,
        "accounts": [
            {
                "holdover_id": POWER_ID,
                "uscc": USCC,
                "utility": "electricity",
                "as_of": "2020-02-10",
                "state": "open",
                "undecided": False,
                "protected": True,
                "may_disconnect": False,
                "reason": words.protected(date(2021, 1, 15)),
                "late_fees_suspended": True,
                "order": order,
            }
        ],
    }


# How an account comes there, and what is said of it: state, protected, undecided, may_disconnect, reason.
def _stories() -> dict[str, tuple[list[Any], tuple[object, ...]]]:
    bill, applied, day = ("bill", "b1", 600), ("applied", "a1"), ("day", date(2020, 2, 10))
    granted = [day, applied, bill, ("decided", "a1")]
    return {
        "nobody applied": ([day, bill], ("none", False, False, True, words.ALLOWED["none"])),
        "undecided": ([day, applied, bill], ("applied", False, True, False, words.UNDECIDED)),
        "denied": (
            [day, applied, bill, ("decided", "a1", "denied")],
            ("denied", False, False, True, words.ALLOWED["denied"]),
        ),
        "granted": (granted, ("open", True, False, False, words.protected(date(2021, 1, 15)))),
        "repaying": (
            [*granted, ("day", BEGINS)],
            ("repaying", True, False, False, words.protected(date(2021, 1, 15))),
        ),
        "on the last day of grace": (
            [*granted, ("day", date(2020, 8, 15))],
            ("repaying", True, False, False, words.protected(date(2021, 1, 15))),
        ),
        "in default": (
            [*granted, ("day", date(2020, 8, 16))],
            ("defaulted", False, False, True, words.ALLOWED["defaulted"]),
        ),
        "in default, and applied again": (
            [*granted, ("day", date(2020, 8, 16)), ("applied", "a2")],
            ("defaulted", False, True, False, words.UNDECIDED),
        ),
        "completed": (
            [
                *granted,
                ("day", BEGINS),
                ("paid", "p1", "b1", 600, date(2020, 7, 1)),
                ("day", date(2020, 7, 2)),
            ],
            ("completed", False, False, True, words.ALLOWED["completed"]),
        ),
        "taken back": (
            [*granted, ("withdrawn", "a1", date(2020, 2, 10))],
            ("withdrawn", False, False, True, words.ALLOWED["withdrawn"]),
        ),
    }


@pytest.mark.parametrize("name", _stories())
async def test_what_is_said_of_an_account_and_what_a_request_is_answered(
    desk: Desk, store: Store, logs: Logs, name: str
) -> None:
    """No clock works here: the answer is of the day that started, not of when its work was done."""
    steps, said = _stories()[name]
    for kind, *given in steps:
        made = getattr(logs, kind)(*given)
        await commit(store, made if isinstance(made, list) else [made])
    found = await desk.protection()
    assert tuple(found[key] for key in ("state", "protected", "undecided", "may_disconnect", "reason")) == said
    assert (found["order"] is not None) == found["protected"] == found["late_fees_suspended"]
    await commit(store, [logs.asked("r1")])
    ((answer, order, reason),) = await look(store, "SELECT answer, order_id, reason FROM disconnection")
    assert (answer, reason) == ("allowed" if found["may_disconnect"] else "refused", found["reason"])
    assert order == (found["order"] and found["order"]["order_id"])


async def test_the_provident_fund_has_no_supply_to_cut(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.applied("a1", FUND.utility), logs.bill("f1", 600, account=FUND), logs.decided("a1")])
    found = await desk.protection(FUND.account_no, FUND.supplier_id)
    assert (found["state"], found["protected"], found["may_disconnect"]) == ("open", False, False)
    assert found["late_fees_suspended"]
    assert (found["reason"], found["as_of"]) == (words.NO_SUPPLY, None)


async def test_one_number_may_be_several_accounts(desk: Desk, store: Store, logs: Logs, tmp_path: Path) -> None:
    gas = Account("gas", POWER.supplier_id, POWER.account_no)
    await commit(
        store,
        [
            *logs.day(date(2020, 2, 10)),
            logs.applied("a1", "electricity", "gas"),
            logs.bill("b1", 600),
            logs.bill("g1", 50, account=gas),
            logs.bill("b2", 70, uscc=OTHER),
            logs.decided("a1"),
        ],
    )
    answer = await desk.read(ASKED)
    assert [(one["utility"], one["uscc"], one["protected"]) for one in answer["accounts"]] == [
        ("electricity", *one) for one in sorted([(USCC, True), (OTHER, False)])
    ] + [("gas", USCC, True)]
    (tmp_path / "keys").write_text(public_keys())
    orders = orders_in(answer)
    assert [order["utility"] for order, _ in orders] == ["electricity", "gas"]
    for order, signature in orders:
        Verifier(tmp_path / "keys").check(order, signature)
    (only,) = (await desk.read(f"{ASKED}&utility=gas"))["accounts"]
    assert only["utility"] == "gas"
    (only,) = (await desk.read(f"{ASKED}&uscc={OTHER}"))["accounts"]
    assert only["uscc"] == OTHER
    problem(await desk.ask(f"{ASKED}&utility=water"), 404)


async def test_an_account_nobody_named_is_no_account_that_may_be_cut(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.applied("a1")])
    body = problem(await desk.ask(ASKED, "supplier", supplier_id=POWER.supplier_id), 404)
    assert body["type"] == "/problems/unknown-account"
    assert "disconnection request" in body["detail"]
    await commit(store, [logs.asked("r1")])
    assert (await desk.protection())["reason"] == words.UNDECIDED


async def test_a_supplier_asks_for_its_own_accounts_and_learns_nothing_of_others(
    desk: Desk, store: Store, logs: Logs
) -> None:
    await commit(store, [logs.bill("b1", 600)])
    there, nowhere = [
        (await desk.ask(path, "supplier", supplier_id="waterworks")).json()
        for path in (ASKED, ASKED.replace(POWER.account_no, "none"))
    ]
    assert there == nowhere
    assert there["status"] == 403
    problem(await desk.ask(ASKED, "supplier"), 403)
    for role in ("enterprise", "liaison", "preparer", "approver"):
        problem(await desk.ask(ASKED, role, uscc=USCC), 403)
    for role in ("auditor", "operator", "service"):
        await desk.read(ASKED, role)


async def test_refusals_are_problem_documents(desk: Desk) -> None:
    for path in (ASKED, f"enterprises/{USCC}/holdovers"):
        body = await desk.ask(path, None)
        assert body.headers["www-authenticate"] == "Bearer"
        problem(body, 401)
    for bad in ("protection?supplier_id=x", "protection?supplier_id=x&account_no=%09", f"{ASKED}&utility=steam"):
        problem(await desk.ask(bad), 422)
    problem(await desk.ask(f"{ASKED}&uscc=91"), 422)
    problem(await desk.ask("enterprises/91/holdovers"), 422)


async def test_more_accounts_than_can_be_looked_at_are_not_cut_short(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.bill(f"b{number}", 1, uscc=enterprise(number)) for number in range(100)])
    assert len((await desk.read(ASKED))["accounts"]) == 100
    await commit(store, [logs.bill("b100", 1, uscc=enterprise(100))])
    assert problem(await desk.ask(ASKED), 422)["type"] == "/problems/too-many-accounts"


async def test_who_asks_too_often_is_told_when_to_come_again(desk: Desk) -> None:
    path = f"enterprises/{USCC}/holdovers"
    answers = [await desk.ask(path, subject="eager") for _ in range(121)]
    assert {answer.status_code for answer in answers[:120]} == {200}
    problem(answers[120], 429)
    assert 1 <= int(answers[120].headers["retry-after"]) <= 60
    await desk.read(path, subject="another")


async def test_an_enterprise_sees_its_schedule(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, story(logs))
    found = await desk.read(f"enterprises/{USCC}/holdovers", "enterprise", uscc=USCC)
    assert (found["uscc"], found["as_of"]) == (USCC, "2020-09-21")
    assert found["applications"] == [
        {
            "application_id": "a1",
            "utilities": ["electricity", "provident_fund"],
            "submitted_on": "2020-02-10",
            "outcome": "granted",
            "withdrawn_on": None,
        },
        {
            "application_id": "a2",
            "utilities": None,
            "submitted_on": None,
            "outcome": "undecided",
            "withdrawn_on": "2020-04-01",
        },
    ]
    power, fund, water = found["accounts"]
    sums = ("state", "deferred_fen", "paid_fen", "open_fen", "surplus_fen")
    assert [tuple(one[name] for name in ("utility", *sums)) for one in (power, fund, water)] == [
        ("electricity", "repaying", 1160, 641, 519, 0),
        ("provident_fund", "defaulted", 700, 0, 700, 0),
        ("water", "none", 0, 0, 0, 0),
    ]
    assert [(one["bill_id"], one["amount_fen"], one["paid_fen"], one["left_out"]) for one in power["bills"]] == [
        ("b1", 1100, 601, None),
        ("b2", 80, 0, "not_production"),
        ("b9", 60, 40, None),
        ("b3", 30, 0, "outside_window"),
    ]
    assert [one["why"] for one in power["bills"]] == [
        None, words.LEFT_OUT["not_production"], None, words.LEFT_OUT["outside_window"],
    ]  # fmt: skip
    assert [(one["number"], one["due_on"], one["open_fen"], one["status"]) for one in power["instalments"]] == [
        (1, "2020-07-31", 0, "paid"),
        (2, "2020-08-31", 0, "paid"),
        (3, "2020-09-30", 0, "paid"),
        (4, "2020-10-31", 141, "planned"),
        (5, "2020-11-30", 189, "planned"),
        (6, "2020-12-31", 189, "planned"),
    ]
    assert power["instalments"][0]["grace_until"] == "2020-08-15"
    assert [one["status"] for one in fund["instalments"]] == ["overdue", "overdue", *["planned"] * 4]
    assert [(one["request_id"], one["answer"]) for one in power["answers"]] == [
        ("r1", "refused"), ("r2", "refused"), ("r3", "allowed"),
    ]  # fmt: skip
    assert found["waiting_payments"] == []
    assert len(orders_in(found)) == 1


async def test_a_payment_that_waits_for_its_bill_is_shown(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.paid("p0", "b9", 40, date(2020, 2, 3)), logs.bill("b1", 5)])
    found = await desk.read(f"enterprises/{USCC}/holdovers")
    assert found["waiting_payments"] == [
        {"payment_id": "p0", "bill_id": "b9", "amount_fen": 40, "paid_on": "2020-02-03"}
    ]


async def test_an_enterprise_sees_its_own_only(desk: Desk) -> None:
    path = f"enterprises/{USCC}/holdovers"
    problem(await desk.ask(path, "enterprise", uscc=OTHER), 403)
    problem(await desk.ask(path, "supplier", supplier_id=POWER.supplier_id), 403)
    problem(await desk.ask(path, "preparer"), 403)
    for role in ("liaison", "approver", "auditor", "operator", "service"):
        assert await desk.read(path, role) == {
            "uscc": USCC, "as_of": None, "applications": [], "accounts": [], "waiting_payments": [],
        }  # fmt: skip


async def test_a_database_that_is_away_is_a_503(desk: Desk, store: Store) -> None:
    await store.pool.close()
    for path in (ASKED, f"enterprises/{USCC}/holdovers", "receivables?supplier_id=x", "receivables.csv?supplier_id=x"):
        answer = await desk.ask(path)
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


async def test_a_state_of_a_newer_version_is_a_503(desk: Desk, store: Store, logs: Logs) -> None:
    await commit(store, [logs.bill("w1", 5, account=WATER)])
    await look(store, "UPDATE enterprise SET state = '\\x9202c0' RETURNING uscc")
    problem(await desk.ask(f"protection?supplier_id={WATER.supplier_id}&account_no={WATER.account_no}"), 503)
