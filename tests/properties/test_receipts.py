"""Every decision, in whatever order and under whatever pack it came, follows from its receipt; no byte may change."""

from collections import defaultdict

from hypothesis import assume, given
from hypothesis import strategies as st

from services.eligibility import packs, receipts
from shared.streaming.errors import Stop
from shared.streaming.records import Record
from tests.faults import oracle_events as e
from tests.faults.generate import histories
from tests.properties.logs import PACK, Told, decided, eventful, facts_of, under
from tests.properties.test_decisions import SEEDS, several


def receipts_of(log: list[Record]) -> list[bytes]:
    own: dict[bytes, list[Record]] = defaultdict(list)
    for fact in log:
        own[fact.key or b""].append(fact)
    return [receipt_of(told, own[told.record.key or b""]) for told in decided(log)]


def receipt_of(told: Told, own: list[Record]) -> bytes:
    content = packs.content(told.data["policy"]["sha256"])
    assert content is not None
    return receipts.build(told.record, receipts.facts_named(told.record, own), content)


def is_found(altered: bytes) -> bool:
    try:
        return bool(receipts.verify(altered).differences)
    except Stop:
        return True


@several(80)
@given(histories(), SEEDS)
def test_every_revision_is_recomputed_from_its_receipt(lines: list[bytes], seed: int) -> None:
    for written in receipts_of(eventful(facts_of(lines), seed)):
        assert receipts.verify(written).differences == []


@several(80)
@given(histories(mishaps=0), SEEDS, st.data())
def test_a_receipt_altered_in_any_byte_cut_off_or_grown_is_found(
    lines: list[bytes], seed: int, data: st.DataObject
) -> None:
    written = receipts_of(eventful(facts_of(lines), seed))
    assume(written)
    whole = max(written, key=len)
    place = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[place] ^= data.draw(st.integers(1, 255))
    assert is_found(bytes(altered))
    assert is_found(whole[:place])
    assert is_found(whole[:place] + whole[place + 1 :])
    assert is_found(whole[:place] + data.draw(st.sampled_from((b" ", b"\n", b"0", b"\xef\xbb\xbf"))) + whole[place:])


def test_a_small_receipt_altered_anywhere_is_found() -> None:
    code = e.uscc(1)
    lines = [e.line(one) for one in (e.registered(code), e.assessed(code, "a", "pension/2020-02", 1000))]
    (written,) = receipts_of(under(PACK, facts_of(lines)))
    assert not is_found(written)
    pack = range(written.index(b'"pack":'), written.rindex(b'"sha256":'))
    # Most of the receipt is the pack: of its bytes every eighth, of all others every one.
    places = [place for place in range(len(written)) if place not in pack or place % 8 == 0]
    for place in places:
        assert is_found(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :]), place
