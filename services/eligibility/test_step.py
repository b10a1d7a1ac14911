"""From fact to revision: only what changed is told, and the differences add up in any order."""

from collections import Counter
from dataclasses import replace
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eligibility import packs
from services.eligibility.cases import (
    LARGE,
    PACK,
    A,
    applied,
    assessed,
    declined,
    deregistered,
    headcount,
    in_words,
    layoffs,
    paid,
    registered,
    settled,
)
from services.eligibility.domain.facts import EnterpriseFact, Review
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import Decision, decide, standing_verdicts
from services.eligibility.domain.verdict import Verdict

EXTENDED = packs.named("xinjiang-2020-extended")


def told(enterprise: Enterprise, fact: EnterpriseFact, pack: Pack | None = PACK) -> list[str]:
    return [
        f"{in_words(decision.verdict)} #{decision.revision} {decision.delta_fen:+d}"
        for decision in decide(enterprise, fact, pack)
    ]


SETTLED: list[EnterpriseFact] = [headcount(20), settled(1000)]
STORIES: list[tuple[str, list[tuple[EnterpriseFact, list[str]]]]] = [
    (
        "an exemption follows its assessments",
        [
            (registered(), []),
            (assessed(1000), ["exemption pension/2020-02 granted 1000 #1 +1000"]),
            (assessed(1000), []),
            (assessed(400, version=2), ["exemption pension/2020-02 granted 400 #2 -600"]),
            (assessed(1000), []),
            (assessed(100, name="b"), ["exemption pension/2020-02 granted 500 #3 +100"]),
            (deregistered("2020-01-15"), ["exemption pension/2020-02 denied 0 DEREGISTERED #4 -500"]),
            (deregistered("2020-01-20"), []),
        ],
    ),
    (
        "the assessments come first",
        [(assessed(1000), []), (registered(), ["exemption pension/2020-02 granted 1000 #1 +1000"])],
    ),
    (
        "a return is made once something is returnable, and becomes 0 when the exemption is revoked",
        [
            (registered(), []),
            (assessed(1000), ["exemption pension/2020-02 granted 1000 #1 +1000"]),
            (paid(300), ["contribution_return pension/2020-02 granted 300 #1 +300"]),
            (paid(300), []),
            (paid(200, "q"), ["contribution_return pension/2020-02 granted 500 #2 +200"]),
            (
                registered(employees=LARGE, version=2),
                [
                    "exemption pension/2020-02 denied 0 NOT_SME #2 -1000",
                    "contribution_return pension/2020-02 denied 0 NOT_SME #3 -500",
                ],
            ),
            (paid(100, "r"), []),
            (
                registered(version=3),
                [
                    "exemption pension/2020-02 granted 1000 #3 +1000",
                    "contribution_return pension/2020-02 granted 600 #4 +600",
                ],
            ),
        ],
    ),
    (
        "a return of a correction upwards is taken back while the exemption stands",
        [
            (registered(), []),
            (assessed(1000, "medical/2020-02"), ["exemption medical/2020-02 granted 500 #1 +500"]),
            (paid(800, key="medical/2020-02"), ["contribution_return medical/2020-02 granted 300 #1 +300"]),
            (
                assessed(1600, "medical/2020-02", version=2),
                [
                    "exemption medical/2020-02 granted 800 #2 +300",
                    "contribution_return medical/2020-02 granted 0 #2 -300",
                ],
            ),
        ],
    ),
    (
        "a refund waits for all it needs, and a late report takes it back",
        [
            (settled(1000), []),
            (headcount(20), []),
            (registered(), ["refund 2019 granted 500 #1 +500"]),
            (headcount(25, "2019-11"), []),
            (settled(1200, version=2), ["refund 2019 granted 600 #2 +100"]),
            (layoffs(10), ["refund 2019 denied 0 LAYOFF_RATE #3 -600"]),
            (layoffs(1, version=2), ["refund 2019 granted 600 #4 +600"]),
            (layoffs(12), []),
            (declined(2018), []),
            (declined(name="e"), ["refund 2019 denied 0 DECLINED #5 -600"]),
            (declined(name="f"), []),
        ],
    ),
    (
        "an application is pending until a registration is known",
        [
            (applied(), ["holdover h1 pending 0 REGISTRATION_MISSING #1 +0"]),
            (registered("2020-03-03"), []),
            (registered(), ["holdover h1 granted 0 #2 +0"]),
            (applied(difficulty=False), []),
        ],
    ),
    (
        "another account is a revision of what pays out, and of nothing else",
        [
            (registered(account=None), []),
            (assessed(10), ["exemption pension/2020-02 granted 10 #1 +10"]),
            (headcount(20), []),
            (settled(1000), ["refund 2019 granted 500 #1 +500"]),
            (registered(version=2, account="1"), ["refund 2019 granted 500 #2 +0"]),
            (registered("2020-05-01", account="1"), []),
            (registered("2020-06-01", account="2"), ["refund 2019 granted 500 #3 +0"]),
            (registered("2020-06-01", version=2, account="1"), ["refund 2019 granted 500 #4 +0"]),
        ],
    ),
]


@pytest.mark.parametrize(("sentence", "story"), STORIES, ids=[story[0] for story in STORIES])
def test_stories(sentence: str, story: list[tuple[EnterpriseFact, list[str]]]) -> None:
    enterprise = Enterprise()
    for number, (fact, expected) in enumerate(story, 1):
        assert told(enterprise, fact) == expected, f"{sentence}: fact {number}"
        assert told(enterprise, Review(A)) == [], "a review right after finds nothing new"


def test_without_a_pack_facts_are_taken_and_a_review_decides() -> None:
    enterprise = Enterprise()
    known: list[EnterpriseFact] = [registered(), assessed(1000), *SETTLED, applied()]
    for fact in known:
        assert told(enterprise, fact, pack=None) == []
    decided = ("refund", "2019"), ("exemption", "pension/2020-02"), ("holdover", "h1")
    assert [enterprise.last(*name) for name in decided] == [None, None, None]
    assert told(enterprise, Review(A), pack=None) == []
    assert told(enterprise, Review(A)) == [
        "refund 2019 granted 500 #1 +500",
        "exemption pension/2020-02 granted 1000 #1 +1000",
        "holdover h1 granted 0 #1 +0",
    ]


def test_a_review_under_another_pack_tells_the_differences() -> None:
    generous = replace(PACK, refund=replace(PACK.refund, rates={"sme": {"southern": 10_000, "other": 10_000}}))
    enterprise = Enterprise()
    known: list[EnterpriseFact] = [registered(), assessed(1000), *SETTLED]
    for fact in known:
        decide(enterprise, fact, PACK)
    assert told(enterprise, Review(A), generous) == ["refund 2019 granted 1000 #2 +500"]
    assert told(enterprise, Review(A), PACK) == ["refund 2019 granted 500 #3 -500"]


def test_a_grant_that_the_policy_in_force_does_not_speak_of_is_taken_back_once() -> None:
    enterprise = Enterprise()
    known: list[EnterpriseFact] = [registered(), assessed(1000, "pension/2020-07"), paid(1000, key="pension/2020-07")]
    for fact in known:
        decide(enterprise, fact, EXTENDED)
    assert told(enterprise, Review(A)) == [
        "contribution_return pension/2020-07 denied 0 OUTSIDE_WINDOW #2 -1000",
        "exemption pension/2020-07 denied 0 OUTSIDE_WINDOW #2 -1000",
    ]
    assert told(enterprise, Review(A)) == []
    assert told(enterprise, paid(5, "q", "pension/2020-07")) == []
    assert told(enterprise, Review(A), EXTENDED) == [
        "exemption pension/2020-07 granted 1000 #3 +1000",
        "contribution_return pension/2020-07 granted 1005 #3 +1005",
    ]


def test_a_refund_for_another_reference_year_is_taken_back() -> None:
    enterprise = Enterprise()
    known: list[EnterpriseFact] = [registered(), *SETTLED]
    for fact in known:
        decide(enterprise, fact, PACK)
    next_year = replace(PACK, refund=replace(PACK.refund, reference_year=2020))
    assert told(enterprise, Review(A), next_year) == ["refund 2019 denied 0 OUTSIDE_WINDOW #2 -500"]


HISTORY: list[EnterpriseFact] = [
    registered(employees=LARGE),
    registered(version=2),
    registered("2020-03-01", employees=LARGE, account="2"),
    registered("2020-03-01", version=2, account="3"),
    deregistered("2020-04-15"),
    *(assessed(1001 * n, "medical/2020-03", version=n) for n in (1, 2, 3)),
    *(assessed(700, f"pension/2020-{month:02}") for month in (1, 2, 5, 7)),
    assessed(300, name="b"),
    paid(900),
    paid(1600, "q", "medical/2020-03"),
    headcount(20),
    headcount(40, "2019-11"),
    headcount(30, "2019-11", version=2),
    layoffs(9),
    layoffs(2, version=2),
    settled(1000),
    settled(3333, version=2),
    declined(2018),
    applied(),
    applied("2020-05-01", name="h2"),
]


@settings(max_examples=150, deadline=None)
@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=6), st.integers(0, len(HISTORY)))
def test_differences_add_up_to_the_latest_amount_in_any_order(
    order: list[EnterpriseFact], again: list[EnterpriseFact], reviewed_after: int
) -> None:
    enterprise = Enterprise()
    sums: Counter[tuple[str, str]] = Counter()
    latest: dict[tuple[str, str], Decision] = {}
    order = [*order[:reviewed_after], Review(A), *order[reviewed_after:], *again]
    for fact in order:
        for decision in decide(enterprise, fact, PACK):
            key = (decision.verdict.measure, decision.verdict.key)
            before = latest.get(key)
            assert decision.revision == (1 if before is None else before.revision + 1)
            sums[key] += decision.delta_fen
            latest[key] = decision
    assert {key: sums[key] for key in latest} == {key: d.verdict.amount_fen for key, d in latest.items()}
    in_order = Enterprise()
    for fact in HISTORY:
        fact.take(in_order)
    wanted = {amount_of(verdict) for verdict in standing_verdicts(in_order, PACK)}
    # A return of nothing is decided only where there was one before: by the order, not by the facts.
    verdicts = [decision.verdict for decision in latest.values()]
    found = {amount_of(v) for v in verdicts if v.amount_fen or v.measure != "contribution_return"}
    assert found == wanted
    assert len(wanted) == 8


def amount_of(verdict: Verdict) -> tuple[str, str, str, int]:
    """What a revision is made for. A denial whose reasons change stays as it was told, with the reasons of then."""
    return verdict.measure, verdict.key, verdict.outcome, verdict.amount_fen


@settings(max_examples=150, deadline=None)
@given(st.permutations([*HISTORY, Review(A)]), st.lists(st.booleans(), min_size=len(HISTORY) + 1))
def test_what_was_packed_away_in_between_decides_the_same(order: list[EnterpriseFact], packed: list[bool]) -> None:
    """Also to the byte: a service packs where a batch ends, and a replay ends its batches elsewhere."""
    kept, reopened = Enterprise(), Enterprise()
    for fact, away in zip(order, packed, strict=False):
        assert decide(reopened, fact, PACK) == decide(kept, fact, PACK)
        if away:
            reopened = msgspec.msgpack.decode(msgspec.msgpack.encode(reopened), type=Enterprise)
        assert msgspec.msgpack.encode(reopened) == msgspec.msgpack.encode(kept)


def test_two_assessments_whose_ids_leave_the_same_mark_are_two() -> None:
    one, other = "plumless", "buckeroo"
    # Of the same length: then whatever follows both does not tell them apart either.
    assert crc32(one.encode()) == crc32(other.encode())
    enterprise = Enterprise()
    decide(enterprise, registered(), PACK)
    assert told(enterprise, assessed(1000, name=one)) == ["exemption pension/2020-02 granted 1000 #1 +1000"]
    assert told(enterprise, paid(30, of=other)) == [], "what is paid first waits for its assessment"
    assert told(enterprise, assessed(500, name=other)) == [
        "exemption pension/2020-02 granted 1500 #2 +500",
        "contribution_return pension/2020-02 granted 30 #1 +30",
    ]
