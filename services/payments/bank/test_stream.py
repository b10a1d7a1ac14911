"""Files that want to cost something else than a refusal, and ways of writing that are all the same document."""

import tracemalloc

import pytest

from services.payments.bank import replies, stream
from services.payments.bank.cases import (
    NOTICE_08,
    STATUS_10,
    STATUS_12,
    details,
    entry,
    notice,
    numbered,
    status_report,
)
from services.payments.bank.cases import transaction as tx
from services.payments.bank.refused import Refused
from services.payments.bank.replies import read

GOOD = status_report(tx(1), tx(2))


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        read(content)
    return refused.value.reason_code, refused.value.sentence


def declared(entities: str, used: str) -> bytes:
    text = GOOD.decode()
    doctype = f"<!DOCTYPE Document [{entities}]>"
    return text.replace("\n", f"\n{doctype}", 1).replace("BANK-1", used).encode()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
LONG = "x" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        declared('<!ENTITY one "1">', "&one;"),
        declared(f'<!ENTITY l0 "laugh">{LAUGHS}', "&l11;"),
        declared(f'<!ENTITY long "{LONG}">', "&long;" * 1000),
        declared('<!ENTITY secret SYSTEM "file:///etc/hostname">', "&secret;"),
        declared('<!ENTITY secret SYSTEM "http://127.0.0.1:9/">', "&secret;"),
        declared('<!ENTITY % outside SYSTEM "http://127.0.0.1:9/"> %outside;', "x"),
        GOOD.replace(b"\n", b'\n<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/">', 1),
        b"<!DOCTYPE anything>" + GOOD.split(b"\n")[1],
    ],
)
def test_a_document_type_declaration_ends_the_reading(content: bytes) -> None:
    tracemalloc.start()
    try:
        code, sentence = refusal(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert code == "FORBIDDEN_XML"
    assert "document type declaration" in sentence
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no element"),
        (b"MsgId;Amount\n1;2\n", "line 1"),
        (GOOD[:-1], "unclosed token"),
        (GOOD[:-11], "no element found"),
        (GOOD + b"<more/>", "junk"),
        (GOOD.replace(b"</GrpHdr>", b"</GrpHd>"), "mismatched tag"),
        (GOOD.replace(b"BANK-1", b"&undefined;"), "undefined entity"),
        (GOOD.replace(b"BANK-1", b"\x00"), "invalid token"),
        (GOOD.replace(b"BANK-1", "银行".encode("gbk")), "invalid token"),
        (GOOD.decode().replace("UTF-8", "GBK").replace("BANK-1", "银行").encode("gbk"), "invalid token"),
        (GOOD.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08" + GOOD, "line 1"),
    ],
)
def test_what_is_not_xml_in_utf8_is_told_so(content: bytes, words: str) -> None:
    code, sentence = refusal(content)
    assert (code, words in sentence) == ("NOT_XML", True), sentence


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(STATUS_10.encode(), b"urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"),
        GOOD.replace(f' xmlns="{STATUS_10}"'.encode(), b""),
        b"<html><body>Login</body></html>",
    ],
)
def test_another_schema_is_told_with_those_that_are_read(content: bytes) -> None:
    code, sentence = refusal(content)
    assert code == "UNKNOWN_SCHEMA"
    assert "camt.054.001.08, pain.002.001.10, pain.002.001.12" in sentence


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("<CstmrPmtStsRpt>", "<CstmrPmtStsRpt><Extra/>", "no “Extra” there"),
        ("<GrpHdr>", "<GrpHdr>text", "text between"),
        ("<TxSts>ACSP</TxSts>", "<TxSts>ACSP5</TxSts>", "wrong form"),
        ("<MsgId>BANK-1</MsgId>", "", "MsgId is missing"),
        ("<MsgId>BANK-1</MsgId>", "<MsgId>1</MsgId><MsgId>2</MsgId>", "more than 1 of MsgId"),
        ("<MsgId>", '<MsgId lang="zh">', "attribute “lang”"),
        ("<MsgId>", "<MsgId xmlns='urn:else'>", "no “MsgId” there"),
        ("</GrpHdr>", "</GrpHdr><GrpHdr><MsgId>1</MsgId></GrpHdr>", "more than 1"),
        ("<TxInfAndSts>", "<TxInfAndSts><TxSts>ACSP</TxSts>", "wrong place"),
    ],
)
def test_what_is_not_of_the_schema_is_told_with_its_place(before: str, after: str, words: str) -> None:
    code, sentence = refusal(GOOD.replace(before.encode(), after.encode(), 1))
    assert code == "NOT_OF_SCHEMA"
    assert words in sentence
    assert "line 2" in sentence
    assert "CstmrPmtStsRpt" in sentence


def test_a_document_of_another_name_in_the_right_namespace_is_refused() -> None:
    code, sentence = refusal(f'<Other xmlns="{STATUS_10}"/>'.encode())
    assert (code, "“Other”" in sentence) == ("NOT_OF_SCHEMA", True)


def supplementary(inside: str) -> bytes:
    wrapped = f"<SplmtryData><Envlp>{inside}</Envlp></SplmtryData>"
    return GOOD.replace(b"</CstmrPmtStsRpt>", f"{wrapped}</CstmrPmtStsRpt>".encode())


def test_supplementary_data_may_be_anything_that_is_not_too_deep() -> None:
    assert read(supplementary("<a xmlns='urn:x' b='c'>text<d/></a>")) == read(GOOD)
    assert refusal(supplementary("<a>" * 100 + "</a>" * 100))[0] == "TOO_LARGE"
    assert refusal(supplementary(f"<a>{'<b/>' * 20_000}</a>"))[0] == "TOO_LARGE"
    assert refusal(supplementary("<a/><a/>"))[0] == "NOT_OF_SCHEMA"
    assert refusal(supplementary(""))[0] == "NOT_OF_SCHEMA"


def test_a_file_above_the_limit_is_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_BYTES", len(GOOD))
    assert read(GOOD).answers
    assert refusal(GOOD + b" ")[0] == "TOO_LARGE"


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(b"<GrpHdr>", b"<!--" + b"x" * 3_000_000 + b"--><GrpHdr>"),
        GOOD.replace(b"<GrpHdr>", b"<GrpHdr " + b"a" * 3_000_000 + b'="1">'),
        GOOD[:-1] + b" " * 3_000_000,
    ],
)
def test_a_tag_without_an_end_is_given_up(content: bytes) -> None:
    code, sentence = refusal(content)
    assert (code, "does not end" in sentence) == ("TOO_LARGE", True)


def test_a_text_without_an_end_is_given_up() -> None:
    assert refusal(GOOD.replace(b"BANK-1", b"<![CDATA[" + b"x" * 900_000 + b"]]>"))[0] == "TOO_LARGE"
    assert refusal(GOOD.replace(b"BANK-1", b"&#120;" * 60_000))[0] == "TOO_LARGE"


def test_an_entry_of_many_elements_is_given_up_and_many_entries_are_not() -> None:
    lines = "".join(f"<Ustrd>{n}</Ustrd>" for n in range(20_001))
    assert refusal(notice(entry("1.00", details(1, rest=f"<RmtInf>{lines}</RmtInf>"))))[0] == "TOO_LARGE"
    assert len(read(status_report(*(tx(n) for n in range(20_001)))).answers) == 20_001


@pytest.mark.parametrize("kind", ["status", "notice", "joint entry"])
def test_memory_does_not_grow_with_the_number_of_entries(kind: str) -> None:
    count = 2000
    content = {
        "status": lambda: status_report(*(tx(n) + "\n" for n in range(count))),
        "notice": lambda: notice(*(entry("1.00", details(n)) for n in range(count))),
        "joint entry": lambda: notice(entry("2000.00", *(details(n, "1.00") for n in range(count)))),
    }[kind]()
    known = replies._KINDS[STATUS_10 if kind == "status" else NOTICE_08]
    tracemalloc.start()
    try:
        for _ in stream.parts(content, known.document, stream.namespace(content), known.cut):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize("of", [STATUS_10, STATUS_12])
def test_one_document_is_written_in_many_ways(of: str) -> None:
    plain = status_report(tx(1), tx(2), of=of).decode()
    expected = read(plain.encode())
    prefixed = plain.replace("xmlns=", "xmlns:n=").replace("</", "</n:").replace("<", "<n:")
    prefixed = prefixed.replace("<n:/n:", "</n:").replace("<n:?", "<?")
    for written in (
        prefixed,
        "\ufeff" + plain,
        plain.replace("><", ">\r\n\t<"),
        plain.replace("BANK-1", "<![CDATA[BANK]]>&#45;1"),
        plain.replace("<GrpHdr>", "<!-- a comment --><?a processing?><GrpHdr>"),
        plain.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
        plain.replace(
            "<Document",
            f'<Document xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{of} file.xsd"',
        ),
    ):
        assert read(written.encode()) == expected, written
    assert [one.payment_id for one in expected.answers] == [numbered(1), numbered(2)]
