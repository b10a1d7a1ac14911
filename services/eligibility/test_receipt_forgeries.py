"""Who alters a receipt and makes its digest anew still has to get past the rules; what differs is named exactly."""

import hashlib
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest

from services.eligibility import receipts
from services.eligibility.cases import LARGE, PACK, A, enterprise
from services.eligibility.fact_cases import assessed, registered
from services.eligibility.receipt_cases import Log, Told, told


@pytest.fixture
def log() -> Log:
    return Log()


def forged(written: bytes, change: Callable[[Told], None]) -> list[tuple[str, Any, Any]]:
    """What verify finds after a change by somebody who made the digest anew."""
    document = told(written)
    change(document)
    del document["sha256"]
    digest = hashlib.sha256(receipts.canonical(document)[:-1]).hexdigest()
    return [tuple(found) for found in receipts.verify(receipts.canonical(document | {"sha256": digest})).differences]


def _decision(document: Told) -> Told:
    data: Told = document["decision"]["event"]["data"]
    return data


REGISTRATION, ASSESSMENT = "cn.tax.enterprise.registered.v1-1", "cn.tax.contribution.assessed.v1-2"
POLICY = {"pack": PACK.ref.pack, "version": PACK.ref.version, "sha256": PACK.ref.sha256}
FORGERIES: list[tuple[str, Callable[[Told], Any], list[tuple[str, Any, Any]]]] = [
    (
        "a larger amount",
        lambda d: _decision(d).update(amount_fen=1001, delta_fen=1001),
        [("amount_fen", 1001, 1000)],
    ),
    (
        "another difference than the whole amount in a first revision",
        lambda d: _decision(d).update(delta_fen=1),
        [("delta_fen", 1, 1000)],
    ),
    (
        "a denial without its reason",
        lambda d: _decision(d).update(outcome="denied", amount_fen=0, delta_fen=0),
        [("outcome", "denied", "granted"), ("amount_fen", 0, 1000)],
    ),
    (
        "a grant of what was denied",
        lambda d: d["facts"][0]["event"]["data"].update(employees=LARGE),
        [
            ("size_class", "small", "large"),
            ("outcome", "granted", "denied"),
            ("amount_fen", 1000, 0),
            ("reasons", [], ANY),
        ],
    ),
    ("another place", lambda d: _decision(d).update(prefecture="653200"), [("prefecture", "653200", "650100")]),
    (
        "another day",
        lambda d: _decision(d).update(effective_on="2020-03-01"),
        [("effective_on", "2020-03-01", "2020-02-01")],
    ),
    ("another size", lambda d: _decision(d).update(size_class=None), [("size_class", None, "small")]),
    ("another account", lambda d: _decision(d).update(payee_digest="0" * 32), [("payee_digest", "0" * 32, None)]),
    (
        "a lower assessment",
        lambda d: d["facts"][1]["event"]["data"].update(employer_amount_fen=999),
        [("amount_fen", 1000, 999)],
    ),
    (
        "a fact left out",
        lambda d: d["facts"].pop(),
        [
            ("the facts in the receipt", [REGISTRATION], [ASSESSMENT, REGISTRATION]),
            ("decision", "granted 1000", "no decision yet"),
        ],
    ),
    (
        "a fact of another enterprise",
        lambda d: d["facts"][1]["event"]["data"].update(uscc=enterprise(2)),
        [(f"uscc of fact {ASSESSMENT}", enterprise(2), A)],
    ),
    (
        "a fact from after the decision",
        lambda d: d["facts"][1]["log"].update(partition=3, offset=9),
        [(f"log of fact {ASSESSMENT}", "relief.facts.v1/3/9", ANY)],
    ),
    (
        "a fact that is none",
        lambda d: d["facts"][1]["event"]["data"].update(employer_amount_fen=-1),
        [(f"fact {ASSESSMENT}", ANY, "a fact as the contract has it")],
    ),
    (
        "a review in place of a fact",
        lambda d: d["facts"][1]["event"].update(
            type="relief.review.requested.v1", data=d["facts"][1]["event"]["data"] | {"reason": "asked"}
        ),
        [(f"fact {ASSESSMENT}", "relief.review.requested.v1", "a fact that a rule uses")],
    ),
    (
        "a decision that is none",
        lambda d: _decision(d).update(amount_fen=True),
        [("decision", ANY, "a decision as the contract has it")],
    ),
    (
        "a day in place of a decision",
        lambda d: d["decision"]["event"].update(
            type="relief.day.started.v1", data=_decision(d) | {"date": "2020-02-01"}
        ),
        [("decision", "relief.day.started.v1", "relief.decision.made.v1")],
    ),
    (
        "another log",
        lambda d: d["decision"]["log"].update(topic="t"),
        [("decision.log.topic", "t", "relief.decisions.v1")],
    ),
    (
        "another version of the pack",
        lambda d: _decision(d).update(policy=POLICY | {"version": "9"}),
        [("policy", POLICY | {"version": "9"}, POLICY)],
    ),
    (
        "a revision that is another decision",
        lambda d: _decision(d).update(revision=2),
        [("decision.id", ANY, ANY), ("decision_id", ANY, ANY)],
    ),
]


@pytest.mark.parametrize(("sentence", "change", "found"), FORGERIES, ids=[row[0] for row in FORGERIES])
def test_who_makes_the_digest_anew_still_has_to_get_past_the_rules(
    log: Log, sentence: str, change: Callable[[Told], Any], found: list[tuple[str, Any, Any]]
) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    assert forged(log.receipt(), change) == found, sentence


def test_a_changed_or_broken_pack_is_found(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)

    def rates(document: Told) -> Told:
        found: Told = document["pack"]["content"]["contributions.yaml"]["rates"]
        return found

    cheaper = forged(log.receipt(), lambda d: rates(d)["pension"]["sme"]["values"][0].update(value=9000))
    assert [what for what, _, _ in cheaper] == ["pack.sha256", "amount_fen", "policy"]
    for broken in (
        lambda d: rates(d).pop("pension"),
        lambda d: d["pack"]["content"].pop("window.yaml"),
        lambda d: d["pack"].update(content={}),
    ):
        ((what, _, wanted),) = forged(log.receipt(), broken)
        assert (what, wanted) == ("pack", "a policy pack")
