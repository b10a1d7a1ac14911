import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.bank.answers import Answer, Reply
from services.payments.bank.cases import BATCH, STATUS_10, STATUS_12, numbered, per_status, reason, status_report
from services.payments.bank.cases import transaction as tx
from services.payments.bank.refused import Refused
from services.payments.bank.replies import read

ON = date(2020, 3, 3)


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        read(content)
    assert refused.value.sentence.endswith(".")
    return refused.value.reason_code, refused.value.sentence


@pytest.mark.parametrize("version", [STATUS_10, STATUS_12])
def test_each_payment_has_its_answer(version: str) -> None:
    report = status_report(
        tx(1, "ACSP", "1.00", "<AcctSvcrRef>R1</AcctSvcrRef>"),
        tx(2, "ACSC", "0.05"),
        tx(3, "RJCT", "2.5", reason("AC01")),
        tx(4, "PDNG"),
        of=version,
        group="<OrgnlNbOfTxs>5</OrgnlNbOfTxs><OrgnlCtrlSum>9.99</OrgnlCtrlSum><GrpSts>PART</GrpSts>",
    )
    assert read(report) == Reply(
        message_id="BANK-1",
        kind="status",
        on=ON,
        original_message_id=BATCH,
        original_count=5,
        original_total_fen=999,
        answers=(
            Answer(numbered(1), "accepted", 100, None, "R1", ON),
            Answer(numbered(2), "settled", 5, None, None, ON),
            Answer(numbered(3), "rejected", 250, "AC01", None, ON),
        ),
    )


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((word, "accepted") for word in ("ACTC", "ACCP", "ACFC", "ACSP", "ACWC", "ACWP", "ACIS")),
        ("ACSC", "settled"),
        ("ACCC", "settled"),
        ("RJCT", "rejected"),
    ],
)
def test_the_banks_words(word: str, meaning: str) -> None:
    assert [one.status for one in read(status_report(tx(1, word))).answers] == [meaning]
    assert read(status_report(group=f"<GrpSts>{word}</GrpSts>")).whole == meaning


@pytest.mark.parametrize("word", ["PDNG", "RCVD", "PART"])
def test_a_word_that_decides_nothing_changes_nothing(word: str) -> None:
    assert read(status_report(group=f"<GrpSts>{word}</GrpSts>")).whole is None


def test_a_message_rejected_as_a_whole_names_no_payment() -> None:
    reply = read(status_report(group="<GrpSts>RJCT</GrpSts>" + reason("FF01")))
    assert (reply.whole, reply.reason_code, reply.answers) == ("rejected", "FF01", ())


def test_the_payment_block_speaks_for_the_message() -> None:
    reply = read(status_report(block="<PmtInfSts>RJCT</PmtInfSts>" + reason("AC04")))
    assert (reply.whole, reply.reason_code) == ("rejected", "AC04")


def test_a_payment_without_status_has_that_of_its_whole_and_its_reason() -> None:
    reply = read(
        status_report(tx(1, None), tx(2, "RJCT", rest=reason("AC06")), group="<GrpSts>RJCT</GrpSts>" + reason("FF01"))
    )
    assert [(one.status, one.reason_code) for one in reply.answers] == [("rejected", "FF01"), ("rejected", "AC06")]


def test_a_reason_is_of_a_rejection_only() -> None:
    assert read(status_report(tx(1, "ACSP", rest=reason("AB01")))).answers[0].reason_code is None


def test_the_day_is_that_of_acceptance_in_shanghai() -> None:
    late = "<AccptncDtTm>2020-03-01T16:30:00Z</AccptncDtTm>"
    midnight = "<AccptncDtTm>2020-03-01T24:00:00</AccptncDtTm>"
    reply = read(status_report(tx(1, "ACSP", rest=late), tx(2, "ACSP", rest=midnight), tx(3, "ACSP")))
    assert [one.on for one in reply.answers] == [date(2020, 3, 2), date(2020, 3, 2), ON]


COUNTED = "<OrgnlNbOfTxs>{}</OrgnlNbOfTxs>".format
SUMMED = "<OrgnlCtrlSum>{}</OrgnlCtrlSum>".format

REFUSED = {
    "a sum that its payments do not make": (
        status_report(tx(1, yuan="1.00"), tx(2, yuan="2.00"), group=COUNTED(2) + SUMMED("3.01")),
        "WRONG_TOTAL",
        "300",
    ),
    "a sum below that of some": (
        status_report(tx(1, yuan="1.00"), group=COUNTED(2) + SUMMED("0.99")),
        "WRONG_TOTAL",
        "1.00",
    ),
    "a sum of the block": (status_report(tx(1, yuan="1.00"), block=COUNTED(1) + SUMMED("1.01")), "WRONG_TOTAL", "100"),
    "a sum finer than a fen": (status_report(group=SUMMED("1.001")), "WRONG_TOTAL", "whole number of fen"),
    "more payments than there were": (
        status_report(tx(1), tx(2), group=COUNTED(1)),
        "WRONG_TOTAL",
        "lists 2 payments of 1",
    ),
    "a count by status": (
        status_report(tx(1), tx(2), block=per_status("ACSP", 3)),
        "WRONG_TOTAL",
        "is 3; it adds up to 2",
    ),
    "a sum by status": (status_report(tx(1, yuan="1.00"), block=per_status("ACSP", 1, "1.01")), "WRONG_TOTAL", "101"),
    "counts by status that are not all": (
        status_report(group=COUNTED(5) + "<GrpSts>PART</GrpSts>" + per_status("ACSP", 3) + per_status("RJCT", 1)),
        "WRONG_TOTAL",
        "original payments is 5",
    ),
    "another currency": (status_report(tx(1, yuan="1.00")).replace(b"CNY", b"USD"), "BAD_AMOUNT", "CNY"),
    "less than a fen": (status_report(tx(1, yuan="1.005")), "BAD_AMOUNT", "fen"),
    "nothing": (status_report(tx(1, yuan="0.00")), "BAD_AMOUNT", "zero"),
    "an equivalent amount": (
        status_report(tx(1, yuan="1")).replace(
            b'<InstdAmt Ccy="CNY">1</InstdAmt>', b'<EqvtAmt><Amt Ccy="CNY">1</Amt><CcyOfTrf>CNY</CcyOfTrf></EqvtAmt>'
        ),
        "BAD_AMOUNT",
        "instructed",
    ),
    "no payment id": (
        re.sub(b"<OrgnlEndToEndId>.*?</OrgnlEndToEndId>", b"", status_report(tx(1))),
        "MISSING_ID",
        "payment",
    ),
    "a payment id in capitals": (
        status_report(tx(171)).replace(numbered(171).encode(), numbered(171).upper().encode()),
        "BAD_ID",
        "000AB",
    ),
    "another instruction id": (
        status_report(tx(1)).replace(b"<OrgnlEnd", f"<OrgnlInstrId>{numbered(2)}</OrgnlInstrId><OrgnlEnd".encode()),
        "BAD_ID",
        "instruction",
    ),
    "a payment twice": (status_report(tx(1), tx(1)), "REPEATED_ID", numbered(1)),
    "another programme's message": (status_report(tx(1)).replace(b"<OrgnlMsgId>b", b"<OrgnlMsgId>X"), "BAD_ID", "Xbbb"),
    "a message that is no order": (
        status_report(tx(1)).replace(b"pain.001.001.09", b"pain.008.001.08"),
        "BAD_ID",
        "pain.001",
    ),
    "a block of another message": (status_report(tx(1)).replace(b"PmtInfId>b", b"PmtInfId>a"), "BAD_ID", "block"),
    "two blocks": (
        re.sub(b"(<OrgnlPmtInfAndSts>.*</OrgnlPmtInfAndSts>)", rb"\1\1", status_report(tx(1))),
        "REPEATED_ID",
        "2 payment",
    ),
    "a blank id of its own": (status_report(tx(1)).replace(b"BANK-1", b" "), "BAD_ID", "own id"),
    "a reference that no screen shows": (
        status_report(tx(1, rest="<AcctSvcrRef>a\u202eb</AcctSvcrRef>")),
        "BAD_ID",
        "reference",
    ),
    "an unknown status": (status_report(tx(1, "CANC")), "BAD_STATUS", "CANC"),
    "an unknown status of the whole": (status_report(group="<GrpSts>XXXX</GrpSts>"), "BAD_STATUS", "XXXX"),
    "an unknown status in a count": (status_report(group=per_status("XXXX", 1)), "BAD_STATUS", "XXXX"),
    "no status anywhere": (status_report(tx(1, None)), "BAD_STATUS", "no status"),
    "no status under a partial whole": (
        status_report(tx(1, None), group="<GrpSts>PART</GrpSts>"),
        "BAD_STATUS",
        "no status",
    ),
    "accepted under a rejected whole": (
        status_report(tx(1), group="<GrpSts>RJCT</GrpSts>"),
        "BAD_STATUS",
        "contradicts",
    ),
    "rejected under an accepted whole": (
        status_report(tx(1, "RJCT"), group="<GrpSts>ACCP</GrpSts>"),
        "BAD_STATUS",
        "contradicts",
    ),
    "waiting under a settled whole": (
        status_report(tx(1, "PDNG"), group="<GrpSts>ACSC</GrpSts>"),
        "BAD_STATUS",
        "contradicts",
    ),
    "rejected ones counted under an accepted whole": (
        status_report(group="<GrpSts>ACSP</GrpSts>" + per_status("RJCT", 1)),
        "BAD_STATUS",
        "1 payments",
    ),
    "a whole that contradicts its block": (
        status_report(group="<GrpSts>ACCP</GrpSts>", block="<PmtInfSts>RJCT</PmtInfSts>"),
        "BAD_STATUS",
        "contradict each",
    ),
    "a day before all days": (status_report(tx(1)).replace(b"2020-03-03T", b"1820-03-03T"), "BAD_DATE", "1900"),
    "no date": (re.sub(b"<CreDtTm>.*?</CreDtTm>", b"", status_report(tx(1))), "NOT_OF_SCHEMA", "CreDtTm is missing"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_damaged_report_is_refused_whole(kind: str) -> None:
    content, code, words = REFUSED[kind]
    found, sentence = refusal(content)
    assert (found, words in sentence) == (code, True), sentence


def test_a_report_may_list_a_part_of_the_batch() -> None:
    counts = (
        COUNTED(3) + SUMMED("9.00") + "<GrpSts>PART</GrpSts>" + per_status("ACSP", 2) + per_status("RJCT", 1, "2.00")
    )
    reply = read(status_report(tx(3, "RJCT", "2.00"), group=counts))
    assert [one.payment_id for one in reply.answers] == [numbered(3)]
    assert (reply.original_count, reply.original_total_fen) == (3, 900)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ACSP", "ACSC", "RJCT"]), st.integers(1, 10**15)), min_size=1, max_size=8))
def test_amounts_come_back_to_the_fen(payments: list[tuple[str, int]]) -> None:
    total = sum(amount for _, amount in payments)
    report = status_report(
        *(tx(n, word, f"{fen // 100}.{fen % 100:02d}") for n, (word, fen) in enumerate(payments)),
        block=COUNTED(len(payments)) + SUMMED(f"{total // 100}.{total % 100:02d}"),
    )
    assert [one.amount_fen for one in read(report).answers] == [fen for _, fen in payments]
