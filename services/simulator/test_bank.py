"""The bank's books and files by themselves; `tests/contracts/test_bank_files.py` holds them against payments."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from services.simulator.bank import FLAWLESS, Bank, Behaviour
from services.simulator.bank_files import ORDERS, WrongOrder, read_batch

DAY = date(2020, 3, 2)


def payment(number: int) -> str:
    return f"{number:032x}"


def order_file(orders: Sequence[tuple[int, int]], message: str = "m" * 32) -> bytes:
    """A payment file of (number, fen)."""
    total = sum(fen for _, fen in orders)
    declared = f"<NbOfTxs>{len(orders)}</NbOfTxs><CtrlSum>{total // 100}.{total % 100:02d}</CtrlSum>"
    listed = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{payment(number)}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="CNY">{fen // 100}.{fen % 100:02d}</InstdAmt></Amt>'
        "<CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>102881000013</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>"
        "<Cdtr><Nm>某公司</Nm></Cdtr><CdtrAcct><Id><Othr><Id>62</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>"
        for number, fen in orders
    )
    return (
        f'<Document xmlns="{ORDERS}"><CstmrCdtTrfInitn><GrpHdr><MsgId>{message}</MsgId>{declared}</GrpHdr><PmtInf>'
        f"{declared}<DbtrAcct><Id><Othr><Id>650100</Id></Othr></Id></DbtrAcct>{listed}</PmtInf></CstmrCdtTrfInitn></Document>"
    ).encode()


MANY = [(number, 100 + number) for number in range(300)]


def leave(directory: Path, content: bytes, name: str = "batch.xml") -> None:
    (directory / "out").mkdir(parents=True, exist_ok=True)
    (directory / "out" / name).write_bytes(content)


def replies(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "in").iterdir())}


def worked(directory: Path, seed: int, behaviour: Behaviour, days: int = 10) -> Bank:
    """A bank after some days with one file of many payments."""
    leave(directory, order_file(MANY))
    bank = Bank(directory, seed, behaviour)
    for number in range(days):
        bank.day(DAY + timedelta(number))
    return bank


def values(content: bytes, tag: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(content).iter() if node.tag.rpartition("}")[2] == tag]


def test_a_flawless_bank_pays_everything_the_next_day_and_says_so(tmp_path: Path) -> None:
    leave(tmp_path, order_file([(1, 100), (2, 5)]))
    bank = Bank(tmp_path, 1, FLAWLESS)
    bank.day(DAY)
    assert bank.paid == {}
    [accepted] = replies(tmp_path).values()
    assert values(accepted, "GrpSts") == ["ACSP"]
    bank.day(DAY + timedelta(1))
    assert bank.paid == {payment(1): 100, payment(2): 5}
    _, booked = replies(tmp_path).values()
    assert values(booked, "EndToEndId") == [payment(1), payment(2)]
    assert values(booked, "Sum") == ["1.05", "0", "1.05"]
    bank.day(DAY + timedelta(2))
    assert len(replies(tmp_path)) == 2


def test_everything_ends_paid_or_rejected_in_the_shares_that_were_asked_for(tmp_path: Path) -> None:
    behaviour = Behaviour(rejected=0.2, delayed=0.3, silent=0.1, batches_rejected=0)
    bank = worked(tmp_path, 3, behaviour)
    assert set(bank.paid) | set(bank.rejected) == {payment(number) for number, _ in MANY}
    assert not set(bank.paid) & set(bank.rejected)
    assert all(bank.paid.get(payment(number), fen) == fen for number, fen in MANY)
    assert 30 < len(bank.rejected) < 90
    assert 10 < len(bank.untold) < 60
    told = {one for content in replies(tmp_path).values() for one in values(content, "OrgnlEndToEndId")}
    told |= {one for content in replies(tmp_path).values() for one in values(content, "EndToEndId")}
    assert not told & bank.untold
    silent = set(bank.untold)
    bank.break_silence(DAY + timedelta(10))
    assert not bank.untold
    after = {one for content in replies(tmp_path).values() for one in values(content, "OrgnlEndToEndId")}
    after |= {one for content in replies(tmp_path).values() for one in values(content, "EndToEndId")}
    assert silent <= after


def test_a_delayed_payment_is_paid_days_later(tmp_path: Path) -> None:
    leave(tmp_path, order_file(MANY))
    bank = Bank(tmp_path, 1, Behaviour(delayed=0.5, delay_days=3, rejected=0, batches_rejected=0, settle_days=0))
    paid = []
    for number in range(4):
        bank.day(DAY + timedelta(number))
        paid.append(len(bank.paid))
    assert 100 < paid[0] < 200
    assert paid == [paid[0], paid[0], paid[0], 300]


def test_the_same_seed_gives_the_same_files_and_another_one_others(tmp_path: Path) -> None:
    behaviour = Behaviour(0.1, 0.1, 0.1, 0, repeated=0.5, renumbered=0.5, wrong_total=0.5, unknown_ids=0.5)
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    assert worked(first, 1, behaviour).paid == worked(second, 1, behaviour).paid
    assert worked(other, 2, behaviour).paid
    assert replies(first) == replies(second) != replies(other)


def test_a_payments_fate_does_not_hang_on_its_batch(tmp_path: Path) -> None:
    behaviour = Behaviour(rejected=0.3, batches_rejected=0)
    whole = worked(tmp_path / "whole", 1, behaviour)
    split = Bank(tmp_path / "split", 1, behaviour)
    for number, orders in enumerate((MANY[200:], MANY[:200])):
        leave(tmp_path / "split", order_file(orders, f"{number:032x}"), f"{number}.xml")
        split.day(DAY + timedelta(number))
    for number in range(2, 12):
        split.day(DAY + timedelta(number))
    assert (split.paid, split.rejected) == (whole.paid, whole.rejected)


def test_a_batch_may_be_rejected_as_a_whole(tmp_path: Path) -> None:
    bank = worked(tmp_path, 1, Behaviour(batches_rejected=1, unknown_ids=0, repeated=0, renumbered=0))
    assert len(bank.rejected) == 300
    assert not bank.paid
    [reply] = replies(tmp_path).values()
    assert (values(reply, "GrpSts"), values(reply, "OrgnlEndToEndId")) == (["RJCT"], [])


def test_a_file_is_repeated_as_it_was_and_under_another_id(tmp_path: Path) -> None:
    worked(tmp_path, 1, Behaviour(0, 0, 0, 0, repeated=1, renumbered=1, reordered=0, wrong_total=0, unknown_ids=0))
    files = replies(tmp_path)
    contents = Counter(files.values())
    assert sorted(contents.values()) == [1, 1, 2, 2]
    assert ["again" in name for name in files] == [False, False, False, False, True, True]
    without_ids = Counter(re.sub(b"B2020[0-9a-f-]+", b"", content) for content in files.values())
    assert list(without_ids.values()) == [3, 3]


def test_a_wrong_total_comes_before_the_right_one(tmp_path: Path) -> None:
    worked(tmp_path, 1, Behaviour(0, 0, 0, 0, repeated=0, renumbered=0, reordered=0, wrong_total=1, unknown_ids=0))
    booked = [content for content in replies(tmp_path).values() if b"camt.054" in content]
    sums = [(values(one, "Sum")[0], values(one, "Amt")[1:]) for one in booked]
    totals = [round(sum(100 * float(amount) for amount in amounts)) for _, amounts in sums]
    assert sorted(round(100 * float(said)) - total for (said, _), total in zip(sums, totals, strict=True)) == [0, 1]


def test_unknown_ids_are_nobodys(tmp_path: Path) -> None:
    worked(tmp_path, 1, Behaviour(0, 0, 0, 0, repeated=0, renumbered=0, reordered=0, wrong_total=0, unknown_ids=1))
    named = [one for content in replies(tmp_path).values() for one in values(content, "EndToEndId")]
    assert len(set(named) - {payment(number) for number, _ in MANY}) == 2


@pytest.mark.parametrize("behaviour", [Behaviour(), FLAWLESS, Behaviour(repeated=1, renumbered=1)])
def test_the_same_payment_file_again_is_not_paid_again(tmp_path: Path, behaviour: Behaviour) -> None:
    bank = worked(tmp_path, 1, behaviour)
    before = dict(bank.paid)
    leave(tmp_path, order_file(MANY), "another-name.xml")
    leave(tmp_path, order_file(MANY))
    bank.day(DAY + timedelta(20))
    assert (bank.paid, bank.refused) == (before, [])


def test_a_message_id_with_other_content_and_a_payment_in_two_messages_are_refused(tmp_path: Path) -> None:
    bank = worked(tmp_path, 1, FLAWLESS)
    before = dict(bank.paid)
    leave(tmp_path, order_file([(500, 1)]), "b.xml")
    leave(tmp_path, order_file([(500, 1), (7, 107)], "n" * 32), "c.xml")
    leave(tmp_path, b"no xml", "d.xml")
    leave(tmp_path, order_file([(501, 1)], "o" * 32), "e.xml.part")
    for later in (20, 21):
        bank.day(DAY + timedelta(later))
    assert bank.paid == before
    assert [sentence.split(":")[0] for sentence in bank.refused] == ["b.xml", "c.xml", "d.xml"]
    assert "other content" in bank.refused[0]
    assert "another message" in bank.refused[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<NbOfTxs>2<", b"<NbOfTxs>3<"),
        (b"<CtrlSum>1.05<", b"<CtrlSum>1.06<"),
        (b'Ccy="CNY"', b'Ccy="USD"'),
        (b">0.05<", b">0.5<"),
        (b"<Cdtr><Nm>", b"<Cdtr><No>"),
        (payment(2).encode(), payment(1).encode()),
    ],
)
def test_a_wrong_payment_file_is_not_taken(before: bytes, after: bytes) -> None:
    good = order_file([(1, 100), (2, 5)])
    assert read_batch(good).fen == 105
    with pytest.raises(WrongOrder):
        read_batch(good.replace(before, after).replace(b"<No>" + "某公司".encode() + b"</Nm>", b""))


def test_money_comes_back_in_parts_each_with_its_reference(tmp_path: Path) -> None:
    bank = Bank(tmp_path, 1, FLAWLESS)
    for fen in (30, 70):
        bank.receive(payment(9), fen, DAY)
    assert bank.received == {payment(9): 100}
    parts = list(replies(tmp_path).values())
    assert [values(part, "CdtDbtInd")[-1] for part in parts] == ["CRDT", "CRDT"]
    assert len({values(part, "AcctSvcrRef")[0] for part in parts}) == 2
    assert all(payment(9) in values(part, "EndToEndId") + values(part, "Ref") for part in parts)


def test_a_day_that_is_over_does_not_come_back(tmp_path: Path) -> None:
    bank = Bank(tmp_path, 1, FLAWLESS)
    bank.day(DAY)
    bank.day(DAY)
    with pytest.raises(ValueError, match="is over"):
        bank.day(DAY - timedelta(1))


def test_shares_and_days_have_their_bounds() -> None:
    for wrong in (partial(Behaviour, rejected=1.1), partial(Behaviour, silent=-0.1), partial(Behaviour, reordered=2)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            wrong()
    with pytest.raises(ValueError, match="days from 0"):
        Behaviour(delay_days=-1)
