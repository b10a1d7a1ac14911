"""Repeats, versions and conflicts as readable histories: what is sent, and what becomes of each record in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.acceptance import Claim, Incoming, Known, Outcome, Ruling, accept

A, B = b"enterprise-a", b"enterprise-b"


def sent(identity: str, fact: str, version: int, content: str, fixed: bytes | None = None) -> Incoming:
    return Incoming(identity.encode(), fact.encode(), version, content.encode(), fixed)


HISTORIES: list[tuple[str, list[Incoming], str]] = [
    ("the first record", [sent("1", "f", 1, "x")], "accepted"),
    ("the same record again", [sent("1", "f", 1, "x"), sent("1", "f", 1, "x")], "accepted duplicate"),
    ("the same content under another id", [sent("1", "f", 1, "x"), sent("2", "f", 1, "x")], "accepted repeated"),
    (
        "another id twice",
        [sent("1", "f", 1, "x"), sent("2", "f", 1, "x"), sent("2", "f", 1, "x")],
        "accepted repeated duplicate",
    ),
    ("a correction", [sent("1", "f", 1, "x"), sent("2", "f", 2, "y")], "accepted accepted"),
    ("a jump of versions", [sent("1", "f", 1, "x"), sent("2", "f", 7, "y")], "accepted accepted"),
    ("an old version late", [sent("2", "f", 2, "y"), sent("1", "f", 1, "x")], "accepted superseded"),
    (
        "an old version late, twice",
        [sent("2", "f", 2, "y"), sent("1", "f", 1, "x"), sent("1", "f", 1, "x")],
        "accepted superseded duplicate",
    ),
    ("a correction that changes nothing", [sent("1", "f", 1, "x"), sent("2", "f", 2, "x")], "accepted accepted"),
    ("the same id, other content", [sent("1", "f", 1, "x"), sent("1", "f", 1, "y")], "accepted ID_CONFLICT"),
    ("the same id, another fact", [sent("1", "f", 1, "x"), sent("1", "g", 1, "y")], "accepted ID_CONFLICT"),
    (
        "the same version, other content",
        [sent("1", "f", 1, "x"), sent("2", "f", 1, "y")],
        "accepted VERSION_CONFLICT",
    ),
    (
        "the first stands, so a repeat of it is one still",
        [sent("1", "f", 1, "x"), sent("2", "f", 1, "y"), sent("1", "f", 1, "x")],
        "accepted VERSION_CONFLICT duplicate",
    ),
    (
        "a refused id may come back repaired",
        [sent("1", "f", 1, "x"), sent("2", "f", 1, "y"), sent("2", "f", 2, "y")],
        "accepted VERSION_CONFLICT accepted",
    ),
    ("two facts", [sent("1", "f", 1, "x"), sent("2", "g", 1, "y")], "accepted accepted"),
    (
        "a claim moved by a higher version",
        [sent("1", "f", 1, "x", A), sent("2", "f", 2, "y", B)],
        "accepted CLAIM_CONFLICT",
    ),
    (
        "a claim kept through versions",
        [sent("1", "f", 1, "x", A), sent("2", "f", 2, "y", A), sent("3", "f", 1, "z", B)],
        "accepted accepted CLAIM_CONFLICT",
    ),
]


def run(history: list[Incoming]) -> list[Ruling]:
    """As intake does: a claim is taken with the first record accepted for it."""
    known, claims, rulings = Known(), dict[bytes, Claim](), []
    for incoming in history:
        ruling = accept(known, claims.get(incoming.business), incoming)
        if ruling.outcome is Outcome.ACCEPTED and incoming.fixed is not None:
            claims.setdefault(incoming.business, Claim(incoming.fixed))
        rulings.append(ruling)
    return rulings


@pytest.mark.parametrize(("history", "records", "outcomes"), HISTORIES, ids=[row[0] for row in HISTORIES])
def test_what_becomes_of_each_record(history: str, records: list[Incoming], outcomes: str) -> None:
    assert [ruling.outcome.value for ruling in run(records)] == outcomes.split(), history


def test_a_conflict_names_the_content_that_stands() -> None:
    by_id = run([sent("1", "f", 1, "x"), sent("1", "f", 1, "y")])[-1]
    by_version = run([sent("1", "f", 1, "x"), sent("2", "f", 1, "y")])[-1]
    by_claim = run([sent("1", "f", 1, "x", A), sent("2", "f", 2, "y", B)])[-1]
    assert by_id.against == by_version.against == by_claim.against == b"x"


def test_a_claim_of_another_enterprise_tells_nothing_of_its_record() -> None:
    ruling = accept(Known(), Claim(A), sent("1", "f", 1, "x", B))
    assert ruling == Ruling(Outcome.CLAIM_CONFLICT, None)


def test_a_conflict_leaves_no_trace() -> None:
    known = Known()
    accept(known, None, sent("1", "f", 1, "x"))
    before = (dict(known.ids), dict(known.versions))
    for refused in (sent("1", "f", 1, "y"), sent("2", "f", 1, "y")):
        assert accept(known, None, refused).against == b"x"
    accept(known, Claim(B), sent("3", "f", 2, "z", A))
    assert (known.ids, known.versions) == before


@given(st.data())
def test_any_order_and_repetition_of_a_history_without_conflicts_ends_with_the_same_facts(data: st.DataObject) -> None:
    pairs = data.draw(st.sets(st.tuples(st.sampled_from("fgh"), st.integers(1, 4)), min_size=1))
    history = [sent(f"{fact}{version}", fact, version, f"{fact} {version}", A) for fact, version in sorted(pairs)]
    latest = {incoming.business: (incoming.version, incoming.content) for incoming in history}
    repeats = data.draw(st.lists(st.sampled_from(history)))
    shuffled = data.draw(st.permutations(history + repeats))
    known, claims, facts = Known(), dict[bytes, Claim](), dict[bytes, tuple[int, bytes]]()
    for incoming in shuffled:
        outcome = accept(known, claims.get(incoming.business), incoming).outcome
        assert outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.SUPERSEDED)
        if outcome is Outcome.ACCEPTED:
            claims.setdefault(incoming.business, Claim(A))
            facts[incoming.business] = (incoming.version, incoming.content)
    assert facts == known.versions == latest
    assert set(known.ids) == {incoming.event for incoming in history}
