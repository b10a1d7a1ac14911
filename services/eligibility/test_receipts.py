"""A receipt stands for its decision: recomputed from itself alone, and altered nowhere without a sign of it."""

import json
from collections.abc import Callable
from datetime import date

import pytest

from services.eligibility import packs, receipts
from services.eligibility.cases import LARGE, PACK, payee
from services.eligibility.fact_cases import assessed, pack, paid, registered, review
from services.eligibility.receipt_cases import OTHER, Log, applied, bill, deregistered, headcount, settled, told
from shared.streaming.errors import Stop


@pytest.fixture
def log() -> Log:
    return Log()


def outcome(written: bytes) -> tuple[str, int, int]:
    data = told(written)["decision"]["event"]["data"]
    return data["outcome"], data["amount_fen"], data["revision"]


def assert_identical(written: bytes) -> None:
    assert receipts.verify(written).differences == []


def test_a_grant_verifies_from_itself_and_says_where_it_stands(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    written = log.receipt()
    assert_identical(written)
    document = told(written)
    assert document["format"] == "relief.receipt.v1"
    assert document["decision"]["log"] == {
        "topic": "relief.decisions.v1",
        "partition": log.decisions[0].partition,
        "offset": 0,
    }
    assert [fact["log"]["offset"] for fact in document["facts"]] == [1, 2]
    assert packs.from_content(document["pack"]["content"]).ref == PACK.ref


def test_every_revision_verifies_against_the_facts_as_they_were(log: Log) -> None:
    log.add(registered)
    for version, amount in ((1, 1000), (2, 400), (3, 700)):
        log.add(assessed, amount, version=version)
    log.add(deregistered, "2020-01-15")
    log.add(registered, version=2, employees=LARGE)
    written = [log.receipt(number) for number in range(len(log.decisions))]
    assert [outcome(one) for one in written] == [
        ("granted", 1000, 1),
        ("granted", 400, 2),
        ("granted", 700, 3),
        ("denied", 0, 4),
    ]
    for one in written:
        assert_identical(one)


def test_a_return_and_its_revision_to_nothing(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    log.add(paid, 300)
    log.add(registered, version=2, employees=LARGE)
    log.add(registered, version=3)
    measures = [told(log.receipt(n))["decision"]["event"]["data"]["measure"] for n in range(len(log.decisions))]
    assert measures == ["exemption", "contribution_return"] * 3
    assert outcome(log.receipt(3)) == ("denied", 0, 2)
    for number in range(6):
        assert_identical(log.receipt(number))


def test_a_return_that_is_nothing_while_its_exemption_stands(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    log.add(paid, 300)
    log.add(assessed, 0, version=2)
    log.add(assessed, 1000, version=3)
    for number in range(len(log.decisions)):
        assert_identical(log.receipt(number))


def test_pending_then_granted_then_denied_application(log: Log) -> None:
    log.add(applied)
    log.add(registered)
    log.add(deregistered, "2020-03-02")
    written = [log.receipt(number) for number in range(3)]
    assert [outcome(one)[0] for one in written] == ["pending", "granted", "denied"]
    for one in written:
        assert_identical(one)


def test_the_account_of_a_registration_not_yet_in_force_is_among_the_facts(log: Log) -> None:
    log.add(registered)
    log.add(headcount, 20)
    log.add(settled, 1000)
    log.add(registered, effective_on=date(2020, 5, 1), account="2")
    log.add(registered, effective_on=date(2020, 6, 1), account=None)
    accounts = [told(log.receipt(n))["decision"]["event"]["data"].get("payee_digest") for n in range(3)]
    assert accounts == [payee("1").digest, payee("2").digest, None]
    for number in range(3):
        assert_identical(log.receipt(number))


def test_a_review_under_another_pack_is_verified_by_that_pack(log: Log) -> None:
    log.add(registered)
    log.add(headcount, 20)
    log.add(settled, 1000)
    log.add(pack, OTHER.ref.sha256)
    log.add(review)
    assert [outcome(log.receipt(n)) for n in range(2)] == [("granted", 500, 1), ("granted", 1000, 2)]
    for number in range(2):
        assert_identical(log.receipt(number))


def test_what_the_policy_in_force_no_longer_speaks_of_verifies_as_taken_back() -> None:
    log = Log()
    log.add(pack, OTHER.ref.sha256)
    log.add(registered)
    log.add(assessed, 1000, period="2020-07")
    log.add(pack)
    log.add(review)
    assert [outcome(log.receipt(number)) for number in range(2)] == [("granted", 1000, 1), ("denied", 0, 2)]
    assert_identical(log.receipt())


def test_two_authorities_may_give_the_same_id_and_what_came_later_does_not_count(log: Log) -> None:
    log.add(registered, id="1", source="//a")
    log.add(bill, id="2", source="//c")
    log.add(assessed, 1000, id="2", source="//a")
    log.add(assessed, 7, version=2, id="2", source="//b")
    for number in range(2):
        assert_identical(log.receipt(number))
    assert [len(told(log.receipt(number))["facts"]) for number in range(2)] == [2, 3]


def test_a_fact_that_a_replay_wrote_twice_is_there_once(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000, id="a")
    log.add(assessed, 1000, id="a")
    log.add(deregistered, "2019-01-01")
    assert [fact["log"]["offset"] for fact in told(log.receipt())["facts"]] == [1, 2, 4]
    assert_identical(log.receipt())


def test_no_personal_data_not_even_sealed(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    log.add(paid, 300)
    log.add(applied)
    for number in range(len(log.decisions)):
        text = log.receipt(number).decode()
        assert "sealed" not in text
        assert "contact" not in text
        assert payee("1").sealed not in text
    assert payee("1").digest in log.receipt(1).decode()


def test_a_fact_that_the_log_no_longer_has_is_named(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    with pytest.raises(Stop, match=r"no longer has cn\.tax\.contribution\.assessed\.v1-2, on which decision"):
        receipts.facts_named(log.decisions[0], log.facts[:2])


def test_made_again_it_has_the_same_bytes(log: Log) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    before = log.receipt(0)
    log.add(assessed, 2000, version=2)
    assert log.receipt(0) == before


def test_any_altered_byte_is_found(log: Log) -> None:
    log.add(applied)
    written = log.receipt()
    # The bytes that are not the pack's: tests/properties alters those of whole receipts at random.
    head, tail = written.split(b'"pack":', 1)[0], written.rsplit(b'"sha256":', 1)[1]
    places = [*range(len(head)), *range(len(written) - len(tail), len(written))]
    for place in places:
        altered = bytearray(written)
        altered[place] ^= 1
        with pytest.raises(_Found):
            _raise_when_found(bytes(altered))


class _Found(Exception):
    pass


def _raise_when_found(altered: bytes) -> None:
    try:
        differences = receipts.verify(altered).differences
    except Stop as sentence:
        raise _Found(str(sentence)) from None
    if differences:
        raise _Found(differences[0].what)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda written: written[:-1],
        lambda written: written + b"\n",
        lambda written: written.replace(b'","', b'", "', 1),
        lambda written: json.dumps(json.loads(written), indent=1).encode(),
        lambda written: json.dumps(json.loads(written), sort_keys=True, separators=(",", ":")).encode() + b"\n",
        lambda written: written.replace(b'{"decision":', b'{"decision":1,"decision":', 1),
    ],
)
def test_the_same_content_written_in_another_way_is_found(log: Log, spoil: Callable[[bytes], bytes]) -> None:
    log.add(registered, name="塔里木面包店")
    log.add(assessed, 1000)
    (difference,) = receipts.verify(spoil(log.receipt())).differences
    assert difference.what == "bytes"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda written: written[: len(written) // 2], "it is not JSON, or it was cut off or damaged"),
        (lambda written: b"", "it is not JSON"),
        (lambda written: b"\xff" + written, "it is not JSON"),
        (lambda written: b"[" * 100_000, "it is not JSON"),
        (lambda written: b'{"format":NaN}', "it is not JSON"),
        (lambda written: b'{"format":"\\ud800"}', "it is not JSON"),
        (lambda written: b'{"format":' + b"9" * 5000 + b"}", "it is not JSON"),
        (lambda written: b"[]", "it is JSON, but no object"),
        (lambda written: b"{}", "no receipt of a decision: Object missing required field `format`"),
        (lambda written: written.replace(b'"facts":[{', b'"facts":[7,{'), "of a decision: Expected `object`"),
        (lambda written: written.replace(b"receipt.v1", b"receipt.v2"), "has the format 'relief.receipt.v2'"),
    ],
)  # fmt: skip
def test_what_is_no_receipt_gets_a_sentence(log: Log, spoil: Callable[[bytes], bytes], sentence: str) -> None:
    log.add(registered)
    log.add(assessed, 1000)
    with pytest.raises(Stop, match=sentence):
        receipts.verify(spoil(log.receipt()))
