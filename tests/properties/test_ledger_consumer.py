"""The example that docs/ledger-consumers.md shows: the page shows just that, it books as our ledger does, and neither
cuts, repeats nor crashes change what it comes to."""

import ast
import importlib.util
import json
import re
import sqlite3
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.stack import ROOT
from services.ledger.domain.posting import LedgerEvent, post
from shared.contracts import registry, vocabulary
from shared.contracts.topics import LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.streaming.records import Record

EXAMPLE = ROOT / "docs" / "examples" / "ledger_consumer.py"
PAGE = ROOT / "docs" / "ledger-consumers.md"
LINES = 60
EXEMPTIONS, REFUNDS = sorted(registry.models(LEDGER_EXEMPTIONS)), sorted(registry.models(LEDGER_REFUNDS))


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("ledger_consumer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = _load()


def record(value: bytes | None, offset: int = 0, topic: str = LEDGER_REFUNDS) -> Record:
    return Record(topic, 3, offset, b"91652901MA00000170", value)


def event(event_type: str, purpose: str, fen: object, event_id: str = "e" * 32, **more: object) -> dict[str, Any]:
    kind = "insurance" if event_type.startswith("relief.exemption.") else "programme"
    amounts = {"amount_fen": 77, "delta_fen": fen} if kind == "insurance" else {"amount_fen": fen}
    data = {kind: purpose, "prefecture": "652900", "booked_on": "2020-02-11", **amounts, **more}
    return {"id": event_id, "type": event_type, "data": data}


def of(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


def empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(example.SCHEMA)
    return db


def kept(db: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
    postings = db.execute("SELECT * FROM posting ORDER BY id").fetchall()
    return postings, db.execute("SELECT * FROM place").fetchall()


def test_the_page_shows_the_example_as_it_is_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks == [EXAMPLE.read_text("utf-8")]


def test_the_example_stays_within_sixty_lines_beside_its_tables() -> None:
    text = EXAMPLE.read_text("utf-8")
    tree = ast.parse(text)
    aside: set[int] = set()
    tables = [node for node in tree.body if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    for node in (*tables, *texts):
        aside.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code = [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in aside]
    assert len(code) <= LINES, f"{len(code)} lines of code; a page that is read to the end has at most {LINES}"


def test_it_reads_the_topics_and_books_the_types_of_the_contract() -> None:
    assert set(example.TOPICS) == {LEDGER_EXEMPTIONS, LEDGER_REFUNDS}
    assert set(example.CHART) == {*EXEMPTIONS, *REFUNDS}
    assert set(example.NAMES) == {*get_args(vocabulary.Insurance), *get_args(vocabulary.Programme)}


@given(
    told=st.one_of(
        st.tuples(st.just("relief.exemption.granted.v1"), st.integers(1, 2**62)),
        st.tuples(st.just("relief.exemption.amended.v1"), st.integers(-(2**62), 2**62).filter(bool)),
        st.tuples(st.just("relief.exemption.revoked.v1"), st.integers(-(2**62), -1)),
        st.tuples(st.sampled_from(REFUNDS), st.integers(1, 2**62)),
    ),
    number=st.integers(0, 3),
    prefecture=st.sampled_from(vocabulary.PREFECTURES),
)
def test_it_books_what_our_ledger_books(told: tuple[str, int], number: int, prefecture: str) -> None:
    event_type, fen = told
    of_kind = get_args(vocabulary.Insurance if event_type in EXEMPTIONS else vocabulary.Programme)
    purpose = of_kind[number % len(of_kind)]
    ours = post(
        LedgerEvent(
            event_id="e" * 32,
            type=event_type,
            business_key="b" * 32,
            uscc="91652901MA00000170",
            prefecture=prefecture,
            purpose=purpose,
            amount_fen=fen,
            decision_id="d" * 32,
            booked_on=date(2020, 2, 11),
            digest=b"",
        )
    )
    row = example.posting(record(of(event(event_type, purpose, fen, prefecture=prefecture))))
    assert row[:2] == ("e" * 32, "2020-02-11")
    assert row[2:5] == (ours.debit, ours.credit, ours.amount_fen)


GRANTED, SETTLED = "relief.exemption.granted.v1", "relief.refund.settled.v1"
GOOD = of(event(SETTLED, "job_stabilisation", 5))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(None, "TypeError", id="a tombstone"),
        pytest.param(b"{", "JSONDecodeError", id="no JSON"),
        pytest.param(b"\xff", "UnicodeDecodeError", id="no text"),
        pytest.param(b"[]", "TypeError", id="no object"),
        pytest.param(of(event("relief.refund.forgiven.v1", "job_stabilisation", 5)), "forgiven", id="unknown type"),
        pytest.param(of(event("relief.refund.settled.v2", "job_stabilisation", 5)), "v2", id="unknown version"),
        pytest.param(of(event(SETTLED, "rent", 5)), "'rent'", id="an unknown programme"),
        pytest.param(of(event(GRANTED, "job_stabilisation", 5) | {"data": {}}), "KeyError", id="nothing in it"),
        pytest.param(of(event(SETTLED, "job_stabilisation", 0)), "0 fen", id="nothing to move"),
        pytest.param(of(event(SETTLED, "job_stabilisation", -5)), "-5 fen", id="a refund below nothing"),
        pytest.param(of(event(SETTLED, "job_stabilisation", 5.0)), "5.0 fen", id="a fraction"),
        pytest.param(of(event(SETTLED, "job_stabilisation", True)), "True fen", id="a truth"),
        pytest.param(of(event(SETTLED, "job_stabilisation", "5")), "'5' fen", id="a text"),
        pytest.param(of(event(GRANTED, "pension", 2**63)), "fen", id="more than the database can hold"),
    ],
)
def test_what_cannot_be_booked_stops_it_and_nothing_of_its_batch_is_kept(value: bytes | None, why: str) -> None:
    db = empty()
    with pytest.raises(SystemExit) as stopped:
        example.take(db, [record(GOOD, 7), record(value, 8)], 0)
    assert f"{LEDGER_REFUNDS}/3 at offset 8 cannot be booked" in str(stopped.value)
    assert why in str(stopped.value)
    assert kept(db) == ([], [])


def test_fields_that_it_does_not_know_change_nothing_and_are_counted() -> None:
    before = example.passed_over["colour"]
    value = of(event(SETTLED, "job_stabilisation", 5, colour="red"))
    assert example.posting(record(value))[:5] == example.posting(record(GOOD))[:5]
    assert example.passed_over["colour"] == before + 1


AMOUNTS = st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=12)


@settings(deadline=None)
@given(amounts=AMOUNTS, data=st.data())
def test_cuts_repeats_and_crashes_come_to_the_same(amounts: list[int], data: st.DataObject) -> None:
    events = [
        of(event("relief.exemption.amended.v1", "pension", fen, f"{number:032}")) for number, fen in enumerate(amounts)
    ]
    # Every event in order, and between them some that were told before.
    log: list[bytes] = []
    for number, value in enumerate(events):
        log += [value, *data.draw(st.lists(st.sampled_from(events[: number + 1]), max_size=3))]
    records = [record(value, offset, LEDGER_EXEMPTIONS) for offset, value in enumerate(log)]
    db, place = empty(), 0
    while place < len(records):
        start = max(place - 1, 0)
        end = data.draw(st.integers(place + 1, len(records)))
        if data.draw(st.booleans()):
            before = kept(db)
            with pytest.raises(SystemExit):
                example.take(db, [*records[start:end], record(b"crash", end)], place)
            assert kept(db) == before
        example.take(db, records[start:end], place)
        ((place,),) = db.execute("SELECT next_offset FROM place")
        assert place == end
    assert {row[0]: row[5] for row in kept(db)[0]} == {f"{number:032}": value for number, value in enumerate(events)}
    balances = {account: balance for account, _, _, balance in db.execute("SELECT * FROM trial_balance")}
    assert balances == {
        "Expenses:Relief:Exemption:Pension:652900": sum(amounts),
        "Assets:Receivable:Contributions:Pension": -sum(amounts),
    }


@given(fen=st.integers(1, 3), other=st.integers(1, 3))
def test_an_id_with_other_content_stops_it(fen: int, other: int) -> None:
    db = empty()
    example.take(db, [record(of(event(SETTLED, "job_stabilisation", fen)))], 0)
    before = kept(db)
    again = record(of(event(SETTLED, "job_stabilisation", other)), 1)
    if fen == other:
        repeats = example.passed_over["repeats"]
        example.take(db, [again], 1)
        assert kept(db)[0] == before[0]
        assert example.passed_over["repeats"] == repeats + 1
    else:
        with pytest.raises(SystemExit, match="contradicts"):
            example.take(db, [again], 1)
        assert kept(db) == before
