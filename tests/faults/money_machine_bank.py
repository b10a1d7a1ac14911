"""A bank in memory for the money machine: it keeps every message that it was given, and reads them by itself."""

import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Literal, NamedTuple

from services.payments.bank.mailbox import NameTaken

_PAIN = {"": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
_STATUS = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
WORDS = {"accepted": "ACSP", "settled": "ACSC", "rejected": "RJCT"}


class Transfer(NamedTuple):
    """One payment as the bank was asked to make it."""

    payment_id: str
    amount_fen: int
    name: str
    account: str
    bank: str


class Message(NamedTuple):
    """One file, with what it declares of itself: the whole's and the block's count and sum."""

    batch_id: str
    counts: tuple[int, int]
    sums_fen: tuple[int, int]
    transfers: tuple[Transfer, ...]


class Bank:
    """A `Mailbox`. `asked` by file name."""

    def __init__(self) -> None:
        self.asked: dict[str, Message] = {}
        self._kept: dict[str, bytes] = {}
        self._replies: dict[str, bytes] = {}
        self.taken: dict[str, str | None] = {}

    def put(self, name: str, content: bytes) -> Literal["created", "exists"]:
        if name in self._kept:
            if self._kept[name] != content:
                raise NameTaken(f"{name} is there with other content.")
            return "exists"
        self._kept[name] = content
        self.asked[name] = _read(content)
        return "created"

    def incoming(self) -> list[str]:
        return sorted(self._replies)

    def read(self, name: str) -> bytes:
        return self._replies[name]

    def accept(self, name: str) -> None:
        self.taken[name] = None
        del self._replies[name]

    def refuse(self, name: str, sentence: str) -> None:
        self.taken[name] = sentence
        del self._replies[name]

    def report(self, message: Message, word: str, number: int, total_fen: int | None = None) -> str:
        """Leave a status report on a whole message; its file's name. `total_fen`: another one than it had."""
        total_fen = message.sums_fen[0] if total_fen is None else total_fen
        name = f"report-{number}.xml"
        self._replies[name] = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_STATUS}"><CstmrPmtStsRpt>'
            f"<GrpHdr><MsgId>BANK-{number}</MsgId><CreDtTm>2020-03-03T09:00:00+08:00</CreDtTm></GrpHdr>"
            f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message.batch_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
            f"<OrgnlNbOfTxs>{message.counts[0]}</OrgnlNbOfTxs>"
            f"<OrgnlCtrlSum>{total_fen // 100}.{total_fen % 100:02}</OrgnlCtrlSum>"
            f"<GrpSts>{WORDS[word]}</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
        ).encode()
        return name


def _read(content: bytes) -> Message:
    root = ET.fromstring(content)
    header, block = _one(root, ".//GrpHdr"), _one(root, ".//PmtInf")
    transfers = [
        Transfer(
            _text(one, "PmtId/EndToEndId"),
            _fen(_text(one, "Amt/InstdAmt")),
            _text(one, "Cdtr/Nm"),
            _text(one, "CdtrAcct/Id/Othr/Id"),
            _text(one, "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
        )
        for one in block.findall("CdtTrfTxInf", _PAIN)
    ]
    return Message(
        _text(header, "MsgId"),
        (int(_text(header, "NbOfTxs")), int(_text(block, "NbOfTxs"))),
        (_fen(_text(header, "CtrlSum")), _fen(_text(block, "CtrlSum"))),
        tuple(transfers),
    )


def _one(node: ET.Element, path: str) -> ET.Element:
    found = node.find(path, _PAIN)
    assert found is not None, f"the bank finds no {path}"
    return found


def _text(node: ET.Element, path: str) -> str:
    text = _one(node, path).text
    assert text, f"the bank finds nothing in {path}"
    return text


def _fen(text: str) -> int:
    fen = Decimal(text) * 100
    assert fen == int(fen), f"the bank cannot pay {text}"
    return int(fen)
