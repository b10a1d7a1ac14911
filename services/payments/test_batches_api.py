"""What officers read: every list page by page, and nothing at all where the books disagree."""

import hashlib
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.payments.cases import enterprise
from services.payments.officers_cases import (
    AUDITOR,
    AYSE,
    MONDAY,
    OPERATOR,
    PREPARER,
    TUESDAY,
    Counter,
    done,
    open_counter,
    refused,
)

pytestmark = pytest.mark.integration
FIRMS = [enterprise(n) for n in range(1, 6)]
A, B = FIRMS[:2]
NOBODY = "f" * 32
WEDNESDAY = date(2020, 3, 4)


@pytest.fixture
async def counter(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(database, secrets, tmp_path / "bank", size=2) as opened:
        yield opened


async def pages(counter: Counter, path: str, what: str, **query: str | int) -> list[list[dict[str, object]]]:
    """All pages of one row each, then the whole list: both say the same."""
    found: list[list[dict[str, object]]] = []
    after: dict[str, str | int] = {}
    while True:
        page = done(await counter.get(path, AUDITOR, limit=1, **query, **after))
        found.append(page[what])
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    whole = done(await counter.get(path, AUDITOR, **query))
    assert (whole[what], whole["next_after"]) == ([row for page in found for row in page], None)
    return found


async def prepared(counter: Counter) -> None:
    """Five payments in three batches on Monday."""
    for number, uscc in enumerate(FIRMS, 1):
        await counter.office.decide(uscc, 1, 100 * number)
    await counter.office.start(MONDAY)


async def test_batches_by_page_and_by_what_is_asked(counter: Counter) -> None:
    await prepared(counter)
    await counter.office.decide(A, 2, 900)
    await counter.office.start(TUESDAY)
    await counter.office.decide(B, 2, 1200)
    await counter.office.start(WEDNESDAY)
    rows = [row for page in await pages(counter, "batches", "batches") for row in page]
    assert [(row["day"], row["number"], row["count"]) for row in rows] == [
        ("2020-03-02", 1, 2),
        ("2020-03-02", 2, 2),
        ("2020-03-02", 3, 1),
        ("2020-03-03", 1, 1),
        ("2020-03-04", 1, 1),
    ]
    assert sum(int(str(row["total_fen"])) for row in rows) == 3300
    await counter.post(f"batches/{rows[1]['batch_id']}/approve")
    for query, numbers in (
        ({"state": "approved"}, [1]),
        ({"state": "prepared"}, [0, 2, 3, 4]),
        ({"day": "2020-03-03"}, [3]),
        ({"programme": "contribution_return"}, []),
        ({"programme": "job_stabilisation", "state": "prepared", "day": "2020-03-02"}, [0, 2]),
    ):
        found = [row["batch_id"] for page in await pages(counter, "batches", "batches", **query) for row in page]
        assert found == [rows[number]["batch_id"] for number in numbers]


async def test_one_batch_with_its_payments_and_approvals_and_nobodys_account(counter: Counter) -> None:
    await counter.office.decide(A, 1, 100_000)
    await counter.office.decide(B, 1, 1)
    await counter.office.start(MONDAY)
    batch = await counter.batch()
    await counter.post(f"batches/{batch}/approve", AYSE, reason="seen")
    answer = await counter.get(f"batches/{batch}", PREPARER)
    whole = done(answer)
    assert whole["batch"] == {
        "batch_id": batch,
        "programme": "job_stabilisation",
        "bank": "102",
        "day": "2020-03-02",
        "number": 1,
        "state": "prepared",
        "count": 2,
        "total_fen": 100_001,
        "version": 2,
        "prepared_by": "clerk",
        "frozen": False,
        "sent": False,
    }
    assert whole["approvals"] == [{"version": 2, "officer": "ayse", "reason": "seen"}]
    rows = await counter.office.rows("SELECT payment_id, uscc, amount_fen, decision_id FROM payment ORDER BY 1")
    assert whole["payments"] == [
        {
            "payment_id": payment,
            "uscc": uscc,
            "key": "2019",
            "amount_fen": fen,
            "decision_id": decision,
            "state": "batched",
        }
        for payment, uscc, fen, decision in rows
    ]
    assert "6222" not in answer.text
    assert "Tarim" not in answer.text


@pytest.mark.parametrize(
    "damage",
    [
        f"UPDATE payment SET state = 'authorised', batch_id = NULL WHERE uscc = '{A}'",
        "UPDATE batch SET count = count + 1 WHERE number = 1",
        "UPDATE batch SET total_fen = total_fen - 1 WHERE number = 1",
    ],
)
async def test_where_the_books_disagree_no_number_is_told(counter: Counter, damage: str) -> None:
    await counter.office.decide(A, 1, 100)
    await counter.office.decide(B, 1, 100)
    await counter.office.start(MONDAY)
    await counter.office.do("ALTER TABLE payment DISABLE TRIGGER money_follows_payments")
    await counter.office.do(damage)
    batch = await counter.batch()
    for path in ("batches", f"batches/{batch}"):
        answer = await counter.get(path)
        assert "nothing of it may be paid" in refused(answer, 500)
        assert "fen" not in answer.text
        assert answer.json().keys() == {"type", "title", "status", "detail"}


async def test_budgets(counter: Counter) -> None:
    await prepared(counter)
    assert done(await counter.get("budgets"))["budgets"] == [
        {
            "programme": "job_stabilisation",
            "total_fen": 1_000_000_000,
            "reserved_fen": 1_500,
            "spent_fen": 0,
            "free_fen": 999_998_500,
        }
    ]


async def test_what_waits_and_for_what(counter: Counter) -> None:
    await counter.office.decide(A, 1, 100, account=None)
    await counter.office.decide(B, 1, 200)
    await counter.office.decide(FIRMS[2], 1, 300)
    await counter.post("freezes", scope="enterprise", subject=B)
    await counter.office.start(MONDAY)
    rows = [row for page in await pages(counter, "held", "held") for row in page]
    assert sorted((row["uscc"], row["amount_fen"], row["reason"]) for row in rows) == [
        (A, 100, "no_payee"),
        (B, 200, "frozen"),
    ]
    assert {row["programme"] for row in rows} == {"job_stabilisation"}
    (page,) = await pages(counter, "held", "held", reason="frozen")
    assert [row["uscc"] for row in page] == [B]


async def test_freezes(counter: Counter) -> None:
    await counter.post("freezes", OPERATOR, reason="a complaint", scope="enterprise", subject=B)
    await counter.post("freezes", OPERATOR, scope="enterprise", subject=A)
    await counter.post("freezes", AYSE, scope="programme", subject="contribution_return")
    rows = [row for page in await pages(counter, "freezes", "freezes") for row in page]
    assert [(row["scope"], row["subject"]) for row in rows] == [
        ("enterprise", A),
        ("enterprise", B),
        ("programme", "contribution_return"),
    ]
    assert (rows[1]["officer"], rows[1]["reason"]) == ("ola", "a complaint")


async def test_claims_of_whom_and_whether_open(counter: Counter) -> None:
    for uscc in (A, B):
        await counter.office.decide(uscc, 1, 700)
    await counter.office.start(MONDAY)
    await counter.office.approve()
    for (payment,) in await counter.office.rows("SELECT payment_id FROM payment"):
        await counter.office.answer(payment, "settled")
    for uscc, left in ((A, 500), (B, 600)):
        await counter.office.decide(uscc, 2, left)
    rows = {str(row["uscc"]): row for page in await pages(counter, "clawbacks", "clawbacks") for row in page}
    claim = str(rows[A]["clawback_id"])
    await counter.office.received(claim, 150, "r1")
    await counter.post(f"clawbacks/{claim}/write-off", AYSE)
    await counter.office.received(str(rows[B]["clawback_id"]), 100, "r2")
    ((one,),) = await pages(counter, "clawbacks", "clawbacks", uscc=A)
    assert {name: one[name] for name in one if name.endswith("_fen")} == {
        "amount_fen": 200,
        "settled_fen": 150,
        "written_off_fen": 0,
        "open_fen": 50,
    }
    assert (one["write_off_proposed_by"], one["programme"]) == ("ayse", "job_stabilisation")
    for is_open, owed_by in (("true", A), ("false", B)):
        ((row,),) = await pages(counter, "clawbacks", "clawbacks", open=is_open)
        assert row["uscc"] == owed_by


async def test_the_banks_files_and_why_they_were_refused(counter: Counter) -> None:
    contents = {"one.xml": b"no xml", "two.xml": b"<Document/>"}
    for name, content in contents.items():
        (counter.office.root / "in" / name).write_bytes(content)
    await counter.office.work()
    rows = [row for page in await pages(counter, "bank-files", "files") for row in page]
    assert [row["sha256"] for row in rows] == sorted(
        hashlib.sha256(content).hexdigest() for content in contents.values()
    )
    assert {row["name"] for row in rows} == set(contents)
    assert all(row["sentence"] and not row["accepted"] for row in rows)
    assert done(await counter.get("bank-files", accepted="true"))["files"] == []
    assert len(done(await counter.get("bank-files", accepted="false"))["files"]) == 2


async def test_parked_commands(counter: Counter) -> None:
    for _ in range(3):
        await counter.office.answer(NOBODY, "settled")
    rows = [row for page in await pages(counter, "parked", "parked") for row in page]
    assert [row["offset"] for row in rows] == [0, 1, 2]
    assert {(row["topic"], row["subject"], row["sentence"]) for row in rows} == {
        ("payments.commands.v1", NOBODY, "No payment has this id.")
    }


async def test_the_trail_of_officers_and_the_clerk_in_order(counter: Counter) -> None:
    await counter.office.decide(A, 1, 700)
    await counter.office.start(MONDAY)
    await counter.post(f"batches/{await counter.batch()}/approve", reason="seen")
    await counter.office.work()
    rows = [row for page in await pages(counter, "actions", "actions") for row in page]
    assert [(row["seq"], row["kind"], row["officer"]) for row in rows] == [
        (0, "batches", "clerk"),
        (1, "batch_approved", "ayse"),
        (2, "submitted", "clerk"),
    ]
    assert (rows[1]["subject"], rows[1]["reason"]) == (await counter.batch(), "seen")
    assert str(rows[1]["at"]).startswith("2020-03-02T")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("batches", {"state": "open"}),
        ("batches", {"limit": 0}),
        ("batches", {"limit": 501}),
        ("batches", {"after": "x"}),
        ("batches", {"day": "yesterday"}),
        ("held", {"reason": "whim"}),
        ("clawbacks", {"uscc": "1"}),
        ("bank-files", {"after": "f" * 63}),
        ("parked", {"after": "topic"}),
        ("freezes", {"after": "x/y"}),
        ("actions", {"after": -2}),
        ("actions", {"after": 2**63}),
    ],
)
async def test_what_is_not_understood(counter: Counter, path: str, query: dict[str, Any]) -> None:
    refused(await counter.get(path, **query), 422)


async def test_a_place_that_is_not_there_is_no_end_of_the_list(counter: Counter) -> None:
    refused(await counter.get("batches", after=NOBODY), 404)
