import re
import string
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from services.payments.bank import pain001, published
from services.payments.bank.cases import BATCH, DEBTOR, batch, numbered
from services.payments.bank.pain001 import Debtor, Instruction, Message, Unsound, build, check, read, unfit

IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=140,
).filter(str.strip)
ACCOUNTS = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=34)
BANKS = st.text(string.digits, min_size=12, max_size=12)
MESSAGES = st.builds(
    Message,
    IDS,
    st.sampled_from(["job_stabilisation", "contribution_return"]),
    st.dates(date(1970, 1, 1), date(2199, 12, 31)),
    st.builds(Debtor, NAMES, ACCOUNTS, BANKS),
    st.lists(
        st.builds(Instruction, IDS, st.integers(1, 10**15), NAMES, ACCOUNTS, BANKS),
        min_size=1,
        max_size=5,
        unique_by=lambda instruction: instruction.payment_id,
    ).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(MESSAGES)
def test_what_is_built_is_read_back_as_it_was_and_is_the_same_bytes_every_time(message: Message) -> None:
    document = build(message)
    assert read(document) == message
    assert build(message) == document
    assert check(document) == []


def test_the_file_says_in_the_standards_words_what_the_batch_says() -> None:
    tree = etree.fromstring(build(batch(123_456, 5)))
    space = {"p": pain001.NAMESPACE}

    def texts(path: str) -> list[str]:
        return [node.text or "" for node in tree.findall(f".//p:{path.replace('/', '/p:')}", space)]

    assert texts("GrpHdr/MsgId") == texts("PmtInf/PmtInfId") == [BATCH]
    assert texts("GrpHdr/CreDtTm") == ["2020-03-02T00:00:00+08:00"]
    assert texts("GrpHdr/NbOfTxs") == texts("PmtInf/NbOfTxs") == ["2"]
    assert texts("GrpHdr/CtrlSum") == texts("PmtInf/CtrlSum") == ["1234.61"]
    assert texts("ReqdExctnDt/Dt") == ["2020-03-02"]
    assert texts("EndToEndId") == texts("InstrId") == [numbered(1), numbered(2)]
    assert texts("InstdAmt") == ["1234.56", "0.05"]
    assert {node.get("Ccy") for node in tree.iterfind(".//p:InstdAmt", space)} == {"CNY"}
    assert texts("DbtrAgt/FinInstnId/ClrSysMmbId/MmbId") == ["102881000013"]
    assert texts("CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd") == ["CNAPS", "CNAPS"]
    assert texts("CdtrAcct/Id/Othr/Id") == ["622200000001", "622200000002"]
    assert texts("Cdtr/Nm") == ["第1公司", "第2公司"]


GOOD = batch(1)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (replace(GOOD, batch_id=BATCH[1:]), "batch id"),
        (replace(GOOD, batch_id="b" * 33), "batch id"),
        (replace(GOOD, programme="Job"), "programme"),
        (replace(GOOD, instructions=[]), "no payment"),
        (replace(GOOD, instructions=[*GOOD.instructions, *GOOD.instructions]), "twice"),
        (replace(GOOD, debtor=replace(DEBTOR, bank_code="10288100001")), "debtor has a bank code"),
        (replace(GOOD, debtor=replace(DEBTOR, name=" ")), "debtor has a name"),
    ],
)
def test_an_unsound_batch_is_not_built(message: Message, fault: str) -> None:
    with pytest.raises(Unsound, match=fault):
        build(message)


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        (Instruction("x", 1, "n", "1", "1" * 12), "id"),
        (Instruction(numbered(1), 0, "n", "1", "1" * 12), "amount"),
        (Instruction(numbered(1), -1, "n", "1", "1" * 12), "amount"),
        (Instruction(numbered(1), 10**15 + 1, "n", "1", "1" * 12), "amount"),
        (Instruction(numbered(1), 1, "", "1", "1" * 12), "name"),
        (Instruction(numbered(1), 1, "n" * 141, "1", "1" * 12), "name"),
        (Instruction(numbered(1), 1, "a\nb", "1", "1" * 12), "name"),
        (Instruction(numbered(1), 1, "a\x00", "1", "1" * 12), "name"),
        (Instruction(numbered(1), 1, "a\ud800", "1", "1" * 12), "name"),
        (Instruction(numbered(1), 1, "n", "", "1" * 12), "account number"),
        (Instruction(numbered(1), 1, "n", "1" * 35, "1" * 12), "account number"),
        (Instruction(numbered(1), 1, "n", "1", "1" * 11), "bank code"),
    ],
)
def test_a_payment_that_no_file_can_carry_is_told_before_it_is_batched(instruction: Instruction, fault: str) -> None:
    [sentence] = unfit(instruction)
    assert fault in sentence
    with pytest.raises(Unsound):
        build(replace(GOOD, instructions=[instruction]))


def test_at_the_limits_a_payment_is_fit() -> None:
    for amount_fen in (1, 10**15):
        instruction = Instruction(numbered(1), amount_fen, "名" * 140, "1" * 34, "0" * 12)
        assert not unfit(instruction)
        assert not check(build(replace(GOOD, instructions=[instruction])))


def test_no_sentence_tells_a_payee() -> None:
    secret = Instruction(numbered(1), 0, "Secret Name\n", "SECRET_ACCOUNT_NUMBER", "SECRETBANK")
    with pytest.raises(Unsound) as problem:
        build(replace(GOOD, debtor=Debtor("Secret\n", "SECRET_ACCOUNT", "SECRET"), instructions=[secret]))
    assert "secret" not in str(problem.value).lower()
    damaged = build(batch(1)).replace("第1公司".encode(), "名".encode() * 141).replace(b"622200000001", b"6" * 40)
    assert check(damaged)
    assert "666" not in " ".join(check(damaged))
    assert "名" not in " ".join(check(damaged))


TWO = build(batch(123_456, 5)).decode()


def damaged(before: str, after: str, count: int = 1) -> bytes:
    changed = re.sub(before, after, TWO, count=count, flags=re.DOTALL)
    assert changed != TWO
    return changed.encode()


# What the published XSD takes, and no bank of ours may get.
PASSES_THE_XSD = {
    "amount zero": (damaged(">1234.56<", ">0<"), "has an amount"),
    "amount finer than a fen": (damaged(">1234.56<", ">1234.561<"), "has an amount"),
    "another currency": (damaged('Ccy="CNY"', 'Ccy="USD"'), "has an amount"),
    "number of payments": (damaged("<NbOfTxs>2<", "<NbOfTxs>3<"), "number of payments in GrpHdr"),
    "number of payments in the block": (damaged("<NbOfTxs>2<", "<NbOfTxs>1<", 2), "number of payments in PmtInf"),
    "sum": (damaged("<CtrlSum>1234.61<", "<CtrlSum>1234.62<"), "sum in GrpHdr"),
    "sum of the block": (damaged("<CtrlSum>1234.61<", "<CtrlSum>1234.60<", 2), "sum in PmtInf"),
    "no sum": (damaged("<CtrlSum>1234.61</CtrlSum>", ""), "sum in GrpHdr"),
    "no creditor account": (damaged("<CdtrAcct>.*?</CdtrAcct>", ""), "has no account"),
    "no creditor bank": (damaged("<CdtrAgt>.*?</CdtrAgt>", ""), "CNAPS member id"),
    "creditor bank of another clearing": (
        damaged("(<CdtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>)CNAPS", r"\1USABA"),
        "CNAPS member id",
    ),
    "no creditor name": (damaged("<Cdtr>.*?</Cdtr>", ""), "has a name"),
    "repeated id": (damaged(numbered(2), numbered(1), 2), "twice"),
    "another instruction id": (damaged(f"<InstrId>{numbered(2)}", f"<InstrId>{numbered(3)}"), "instruction id"),
    "an id with hyphens": (damaged(numbered(2), "0000-0002", 2), "not 32 hex"),
    "block of another message": (damaged(f"<PmtInfId>{BATCH}", f"<PmtInfId>{'a' * 32}"), "another id than the message"),
    "two blocks": (damaged("(<PmtInf>.*</PmtInf>)", r"\1\1"), "2 payment blocks"),
    "cheques": (damaged("TRF", "CHK"), "not transfers"),
    "booked together": (damaged("<BtchBookg>false", "<BtchBookg>true"), "booked one by one"),
    "another day": (damaged("<Dt>2020-03-02", "<Dt>2020-03-03"), "date"),
    "no programme": (damaged("<PmtTpInf>.*?</PmtTpInf>", ""), "programme"),
}


@pytest.mark.parametrize("kind", PASSES_THE_XSD)
def test_what_the_xsd_lets_pass_is_found(kind: str) -> None:
    document, fault = PASSES_THE_XSD[kind]
    assert published.fault(pain001.NAMESPACE, document) is None
    faults = check(document)
    assert any(fault in sentence for sentence in faults), faults
    with pytest.raises(Unsound):
        read(document)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not xml",
        damaged("</Document>", ""),
        damaged("pain.001.001.09", "pain.001.001.08"),
        damaged("<PmtMtd>.*?</PmtMtd>", ""),
        damaged("(<InstrId>[^<]*</InstrId>)(<EndToEndId>[^<]*</EndToEndId>)", r"\2\1"),
        damaged("TRF", "XXX"),
        damaged("<Document", "<!DOCTYPE Document><Document"),
    ],
)
def test_what_is_no_payment_order_is_told_in_one_sentence(document: bytes) -> None:
    [sentence] = check(document)
    assert sentence.endswith(".")


def test_the_published_schema_is_asked_too() -> None:
    assert published.fault(pain001.NAMESPACE, TWO.encode()) is None
    assert published.fault(pain001.NAMESPACE, damaged("<PmtMtd>.*?</PmtMtd>", "")) is not None
    published.load()
