import pytest

from services.ledger.cases import enterprise, exemption, refund
from services.ledger.domain.posting import Posted
from services.ledger.handlers import LedgerFold
from shared.ids import exemption_id, payment_id
from shared.observability import metrics
from shared.streaming.errors import Stop
from shared.streaming.records import Record, States

USCC = enterprise(1)
fold = LedgerFold()


def take(states: States[Posted], record: Record) -> None:
    fact = fold.decode(record)
    assert list(fold.keys(fact)) == [fact.event_id]
    assert fold.step(states, fact, record) == ()


def test_an_exemption_is_posted_by_its_difference() -> None:
    states: States[Posted] = States({})
    take(states, exemption(USCC, "revoked", -70, offset=9))
    ((_, posted),) = states.changes().items()
    assert posted.posting is not None
    assert (posted.offset, posted.posting.amount_fen, posted.posting.debit) == (
        9,
        70,
        "Assets:Receivable:Contributions:Pension",
    )
    assert posted.posting.event.business_key == exemption_id(USCC, "pension/2020-02")


def test_a_refund_is_posted_under_its_payment() -> None:
    states: States[Posted] = States({})
    take(states, refund(USCC, "authorised", 70, 2))
    ((_, posted),) = states.changes().items()
    assert posted.posting is not None
    assert posted.posting.event.business_key == payment_id(USCC, "refund", "2019", 2)


def test_every_outcome_is_counted_and_other_content_stops() -> None:
    outcomes = [metrics.POSTINGS.labels(name) for name in ("created", "exists", "exists_with_different_content")]
    before = [one._value.get() for one in outcomes]
    states: States[Posted] = States({})
    take(states, exemption(USCC, "granted", 70))
    take(states, exemption(USCC, "granted", 70))
    with pytest.raises(Stop, match=r"offset 5 of ledger\.exemptions\.v1/3 repeats event .* with other content"):
        take(states, exemption(USCC, "granted", 71, offset=5))
    assert [one._value.get() - start for one, start in zip(outcomes, before, strict=True)] == [1, 1, 1]
    assert len(states.changes()) == 1


def test_what_was_posted_in_an_earlier_batch_is_known_by_its_digest() -> None:
    record = exemption(USCC, "granted", 70)
    fact = fold.decode(record)
    known = States({fact.event_id: Posted(fact.digest)})
    take(known, record)
    assert not known.changes()
    with pytest.raises(Stop):
        take(States({fact.event_id: Posted(b"?" * 16)}), record)


def test_what_cannot_be_booked_stops() -> None:
    with pytest.raises(Stop, match=r"ledger\.exemptions\.v1/3 cannot be posted: .* moves 0 fen"):
        take(States({}), exemption(USCC, "amended", 0))


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b'{"type":"relief.exemption.granted.v1"}'])
def test_what_cannot_be_read_stops(value: bytes | None) -> None:
    good = exemption(USCC, "granted", 70, offset=5)
    with pytest.raises(Stop, match=r"offset 5 of ledger\.exemptions\.v1/3 holds no event"):
        fold.decode(Record(good.topic, good.partition, good.offset, good.key, value))


def test_an_event_on_the_wrong_topic_stops() -> None:
    good = exemption(USCC, "granted", 70)
    with pytest.raises(Stop):
        fold.decode(Record("ledger.refunds.v1", 3, 0, good.key, good.value))
