import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.bank.answers import Answer, Received, Reply
from services.payments.bank.cases import details, entry, notice, numbered
from services.payments.bank.refused import Refused
from services.payments.bank.replies import read

ON = date(2020, 3, 4)


def summary(
    count: int, total: str, debits: tuple[int, str] | None = None, credits: tuple[int, str] | None = None, net: str = ""
) -> str:
    parts = [("TtlNtries", (count, total), net), ("TtlCdtNtries", credits, ""), ("TtlDbtNtries", debits, "")]
    inside = "".join(
        f"<{tag}><NbOfNtries>{pair[0]}</NbOfNtries><Sum>{pair[1]}</Sum>{more}</{tag}>"
        for tag, pair, more in parts
        if pair
    )
    return f"<TxsSummry>{inside}</TxsSummry>"


def net(yuan: str, direction: str) -> str:
    return f"<TtlNetNtry><Amt>{yuan}</Amt><CdtDbtInd>{direction}</CdtDbtInd></TtlNetNtry>"


def structured(reference: str) -> str:
    return f"<RmtInf><Strd><CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf></Strd></RmtInf>"


def test_what_was_booked_is_settled_or_received() -> None:
    content = notice(
        entry("1.00", details(1), reference="D1"),
        entry("0.05", details(2, "0.05"), reference=None),
        entry("7.00", details(3), direction="CRDT", reference="C1"),
        summary=summary(3, "8.05", (2, "1.05"), (1, "7.00"), net("5.95", "CRDT")),
    )
    assert read(content) == Reply(
        message_id="BANK-2",
        kind="notification",
        on=ON,
        answers=(
            Answer(numbered(1), "settled", 100, None, "D1", ON),
            Answer(numbered(2), "settled", 5, None, None, ON),
        ),
        received=(Received(numbered(3), 700, "C1", ON),),
    )


def test_a_joint_entry_is_each_of_its_payments() -> None:
    total = '<Btch><NbOfTxs>2</NbOfTxs><TtlAmt Ccy="CNY">3.00</TtlAmt></Btch>'
    out = read(notice(entry("3.00", details(1, "1.00"), details(2, "2.00"), group=total)))
    assert [(one.payment_id, one.amount_fen, one.bank_reference) for one in out.answers] == [
        (numbered(1), 100, "REF-1/1"),
        (numbered(2), 200, "REF-1/2"),
    ]
    back = read(notice(entry("3.00", details(1, "1.00"), details(1, "2.00"), direction="CRDT")))
    assert [(one.amount_fen, one.bank_reference) for one in back.received] == [(100, "REF-1/1"), (200, "REF-1/2")]


def test_groups_are_counted_each_for_itself() -> None:
    first = '<Btch><NbOfTxs>2</NbOfTxs><TtlAmt Ccy="CNY">3.00</TtlAmt></Btch>'
    second = '<Btch><NbOfTxs>1</NbOfTxs><TtlAmt Ccy="CNY">4.00</TtlAmt></Btch>'
    two = entry("7.00", details(1, "1.00"), details(2, "2.00"), group=first).replace(
        "</NtryDtls>", f"</NtryDtls><NtryDtls>{second}{details(3, '4.00')}</NtryDtls>"
    )
    one = entry("4.00", details(4, "4.00"), group=second)
    assert [answer.amount_fen for answer in read(notice(two, one)).answers] == [100, 200, 400, 400]


@pytest.mark.parametrize("word", ["<Cd>PDNG</Cd>", "<Cd>INFO</Cd>", "<Cd>FUTR</Cd>"])
def test_what_is_not_booked_yet_counts_in_the_totals_only(word: str) -> None:
    content = notice(entry("1.00", details(1), status=word, booked=""), summary=summary(1, "1.00"))
    assert read(content).answers == ()


def test_the_day_is_that_of_the_booking_in_shanghai() -> None:
    late = "<BookgDt><DtTm>2020-03-04T23:30:00Z</DtTm></BookgDt>"
    assert read(notice(entry("1.00", details(1), booked=late))).answers[0].on == date(2020, 3, 5)


def test_a_clawback_is_told_by_either_reference() -> None:
    def credit(rest: str, end_to_end: str) -> str:
        one = details(1, rest=rest).replace(numbered(1), end_to_end)
        [received] = read(notice(entry("1.00", one, direction="CRDT"))).received
        return received.clawback_id

    assert credit(structured(numbered(7)), "NOTPROVIDED") == numbered(7)
    assert credit(structured("Invoice 7"), numbered(8)) == numbered(8)
    assert credit(structured(numbered(9)), numbered(9)) == numbered(9)


BOTH = details(1, "1.00"), details(2, "2.00")

REFUSED = {
    "a wrong sum": (
        notice(entry("1.00", details(1)), summary=summary(1, "1.01")),
        "WRONG_TOTAL",
        "is 101; it adds up to 100",
    ),
    "a wrong number": (notice(entry("1.00", details(1)), summary=summary(2, "1.00")), "WRONG_TOTAL", "is 2"),
    "a wrong sum of debits": (
        notice(entry("1.00", details(1)), summary=summary(1, "1.00", (1, "0.99"))),
        "WRONG_TOTAL",
        "TtlDbtNtries",
    ),
    "a wrong number of debits": (
        notice(entry("1.00", details(1)), summary=summary(1, "1.00", (0, "1.00"))),
        "WRONG_TOTAL",
        "TtlDbtNtries",
    ),
    "a credit among the debits": (
        notice(entry("1.00", details(1), direction="CRDT"), summary=summary(1, "1.00", (1, "1.00"))),
        "WRONG_TOTAL",
        "TtlDbtNtries",
    ),
    "a wrong sum of credits": (
        notice(entry("1.00", details(1)), summary=summary(1, "1.00", None, (0, "1.00"))),
        "WRONG_TOTAL",
        "TtlCdt",
    ),
    "a net in the other direction": (
        notice(entry("1.00", details(1)), summary=summary(1, "1.00", net=net("1.00", "CRDT"))),
        "WRONG_TOTAL",
        "net",
    ),
    "an entry that is not its payments": (notice(entry("3.01", *BOTH)), "WRONG_TOTAL", "is 301; it adds up to 300"),
    "one payment of another amount": (notice(entry("3.01", details(1, "3.00"))), "WRONG_TOTAL", "301"),
    "a wrong number in a group": (
        notice(entry("3.00", *BOTH, group="<Btch><NbOfTxs>3</NbOfTxs></Btch>")),
        "WRONG_TOTAL",
        "is 3; it adds up to 2",
    ),
    "a wrong sum of a group": (
        notice(entry("3.00", *BOTH, group='<Btch><TtlAmt Ccy="CNY">3.01</TtlAmt></Btch>')),
        "WRONG_TOTAL",
        "301",
    ),
    "payments in the other direction": (
        notice(entry("1.00", details(1, "1.00", "<CdtDbtInd>CRDT</CdtDbtInd>"))),
        "WRONG_TOTAL",
        "direction",
    ),
    "several payments of unknown amounts": (
        notice(entry("3.00", details(1, "1.00"), details(2))),
        "BAD_AMOUNT",
        "of each",
    ),
    "another currency": (notice(entry("1.00", details(1))).replace(b"CNY", b"HKD"), "BAD_AMOUNT", "CNY"),
    "a payment in another currency": (
        notice(entry("1.00", details(1, "1.00").replace("CNY", "HKD"))),
        "BAD_AMOUNT",
        "CNY",
    ),
    "less than a fen": (notice(entry("1.001", details(1))), "BAD_AMOUNT", "fen"),
    "nothing": (notice(entry("0", details(1))), "BAD_AMOUNT", "zero"),
    "no details": (notice(entry("1.00")), "MISSING_ID", "which payment"),
    "no reference to a payment": (
        notice(entry("1.00", re.sub("<EndToEndId>.*?</EndToEndId>", "", details(1)))),
        "MISSING_ID",
        "payment",
    ),
    "an id that is not ours": (notice(entry("1.00", details(1).replace("0" * 31, "E2E"))), "BAD_ID", "E2E1"),
    "a credit for nobody knows what": (
        notice(entry("1.00", details(1).replace(numbered(1), "NOTPROVIDED"), direction="CRDT")),
        "BAD_ID",
        "NOTPROVIDED",
    ),
    "a credit for two clawbacks": (
        notice(entry("1.00", details(1, rest=structured(numbered(2))), direction="CRDT")),
        "BAD_ID",
        "several clawbacks",
    ),
    "a credit without the bank's reference": (
        notice(entry("1.00", details(1), direction="CRDT", reference=None)),
        "MISSING_ID",
        "reference",
    ),
    "a payment twice": (notice(entry("1.00", details(1)), entry("1.00", details(1))), "REPEATED_ID", numbered(1)),
    "the same credit twice": (notice(*[entry("1.00", details(1), direction="CRDT")] * 2), "REPEATED_ID", "REF-1"),
    "no date": (notice(entry("1.00", details(1), booked="")), "BAD_DATE", "missing"),
    "a day after all days": (
        notice(entry("1.00", details(1), booked="<BookgDt><Dt>2200-01-01</Dt></BookgDt>")),
        "BAD_DATE",
        "2199",
    ),
    "an unknown status": (notice(entry("1.00", details(1), status="<Prtry>DONE</Prtry>")), "BAD_STATUS", "DONE"),
    "a reversal": (
        notice(entry("1.00", details(1)).replace("<Sts>", "<RvslInd>true</RvslInd><Sts>")),
        "REVERSAL",
        "takes back",
    ),
    "a returned payment": (
        notice(entry("1.00", details(1, rest="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"), direction="CRDT")),
        "REVERSAL",
        "returns a payment",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_damaged_notice_is_refused_whole(kind: str) -> None:
    content, code, words = REFUSED[kind]
    with pytest.raises(Refused) as refused:
        read(content)
    assert (refused.value.reason_code, words in refused.value.sentence) == (code, True), refused.value.sentence


def test_a_payment_is_booked_once_in_a_file_whatever_the_notification() -> None:
    one = notice(entry("1.00", details(1)))
    twice = re.sub(b"(<Ntfctn>.*</Ntfctn>)", rb"\1\1", one)
    with pytest.raises(Refused, match="twice"):
        read(twice)


def test_each_notification_has_its_own_totals() -> None:
    first = notice(entry("1.00", details(1)), summary=summary(1, "1.00"))
    second = notice(entry("2.00", details(2)), summary=summary(1, "2.00"))
    inside = re.search(b"<Ntfctn>.*</Ntfctn>", second)
    assert inside is not None
    both = first.replace(b"</Ntfctn>", b"</Ntfctn>" + inside[0])
    assert [one.amount_fen for one in read(both).answers] == [100, 200]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["DBIT", "CRDT"]), st.integers(1, 10**15)), min_size=1, max_size=8))
def test_totals_hold_to_the_fen(bookings: list[tuple[str, int]]) -> None:
    def yuan(fen: int) -> str:
        return f"{fen // 100}.{fen % 100:02d}"

    def side(direction: str) -> list[int]:
        return [fen for way, fen in bookings if way == direction]

    entries = [
        entry(yuan(fen), details(n), direction="DBIT" if way == "DBIT" else "CRDT", reference=f"R{n}")
        for n, (way, fen) in enumerate(bookings)
    ]
    debits, credits = side("DBIT"), side("CRDT")
    difference = sum(credits) - sum(debits)
    told = summary(
        len(bookings),
        yuan(sum(debits) + sum(credits)),
        (len(debits), yuan(sum(debits))),
        (len(credits), yuan(sum(credits))),
        net(yuan(abs(difference)), "CRDT" if difference >= 0 else "DBIT"),
    )
    reply = read(notice(*entries, summary=told))
    assert [one.amount_fen for one in reply.answers] == debits
    assert [one.amount_fen for one in reply.received] == credits
    off = told.replace(f"<Sum>{yuan(sum(debits) + sum(credits))}<", f"<Sum>{yuan(sum(debits) + sum(credits) + 1)}<", 1)
    with pytest.raises(Refused, match="adds up"):
        read(notice(*entries, summary=off))
