"""For this room's tests: batches, and a bank's files written by hand, so that one place of them can be made wrong."""

from datetime import date
from typing import Literal

from services.payments.bank.mailbox import NameTaken
from services.payments.bank.orders import Debtor, Instruction, Message

BATCH = "b" * 32
DEBTOR = Debtor("Relief Fund", "650100123456", "102881000013")
STATUS_10 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
STATUS_12 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.12"
NOTICE_08 = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"


def numbered(number: int) -> str:
    """An id of ours."""
    return f"{number:032x}"


def batch(*amounts_fen: int) -> Message:
    """Payments 1, 2, ... of these amounts."""
    instructions = [
        Instruction(numbered(number), amount_fen, f"第{number}公司", f"62220000{number:04d}", "102881000013")
        for number, amount_fen in enumerate(amounts_fen, start=1)
    ]
    return Message(BATCH, "job_stabilisation", date(2020, 3, 2), DEBTOR, instructions)


def transaction(number: int, status: str | None = "ACSP", yuan: str | None = None, rest: str = "") -> str:
    """One payment of a status report; `rest` stands after its status."""
    amount = f'<OrgnlTxRef><Amt><InstdAmt Ccy="CNY">{yuan}</InstdAmt></Amt></OrgnlTxRef>' if yuan else ""
    word = f"<TxSts>{status}</TxSts>" if status else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{numbered(number)}</OrgnlEndToEndId>{word}{rest}{amount}</TxInfAndSts>"


def status_report(*transactions: str, of: str = STATUS_10, group: str = "", block: str = "") -> bytes:
    """A pain.002; `group` and `block` stand after the original ids of their level."""
    blocks = (
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{BATCH}</OrgnlPmtInfId>{block}{''.join(transactions)}</OrgnlPmtInfAndSts>"
        if transactions or block
        else ""
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{of}"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>2020-03-03T09:00:00+08:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{BATCH}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group}"
        f"</OrgnlGrpInfAndSts>{blocks}</CstmrPmtStsRpt></Document>"
    ).encode()


def per_status(status: str, count: int, yuan: str | None = None) -> str:
    """How many payments have a status, as a report declares it."""
    total = f"<DtldCtrlSum>{yuan}</DtldCtrlSum>" if yuan else ""
    return f"<NbOfTxsPerSts><DtldNbOfTxs>{count}</DtldNbOfTxs><DtldSts>{status}</DtldSts>{total}</NbOfTxsPerSts>"


def reason(code: str) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>"


def details(number: int, yuan: str | None = None, rest: str = "") -> str:
    """One payment of an entry."""
    amount = f'<Amt Ccy="CNY">{yuan}</Amt>' if yuan else ""
    return f"<TxDtls><Refs><EndToEndId>{numbered(number)}</EndToEndId></Refs>{amount}{rest}</TxDtls>"


def entry(
    yuan: str,
    *transactions: str,
    direction: Literal["DBIT", "CRDT"] = "DBIT",
    reference: str | None = "REF-1",
    status: str = "<Cd>BOOK</Cd>",
    booked: str = "<BookgDt><Dt>2020-03-04</Dt></BookgDt>",
    group: str = "",
) -> str:
    """One booking; `group` says what its payments are together."""
    known = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    inside = f"<NtryDtls>{group}{''.join(transactions)}</NtryDtls>" if transactions or group else ""
    return (
        f'<Ntry><Amt Ccy="CNY">{yuan}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts>{status}</Sts>{booked}{known}'
        f"<BkTxCd><Prtry><Cd>TRF</Cd></Prtry></BkTxCd>{inside}</Ntry>"
    )


def notice(*entries: str, summary: str = "") -> bytes:
    """A camt.054 with one notification."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NOTICE_08}"><BkToCstmrDbtCdtNtfctn>'
        "<GrpHdr><MsgId>BANK-2</MsgId><CreDtTm>2020-03-04T18:00:00+08:00</CreDtTm></GrpHdr>"
        "<Ntfctn><Id>N1</Id><Acct><Id><Othr><Id>650100123456</Id></Othr></Id></Acct>"
        f"{summary}{''.join(entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    ).encode()


class MemoryMailbox:
    """A mailbox as a store of objects would be: names and contents, and no renaming."""

    def __init__(self) -> None:
        self.out: dict[str, bytes] = {}
        self.arrived: dict[str, bytes] = {}
        self.processed: dict[str, bytes] = {}
        self.refused: dict[str, tuple[bytes, str]] = {}

    def put(self, name: str, content: bytes) -> Literal["created", "exists"]:
        if name not in self.out:
            self.out[name] = content
            return "created"
        if self.out[name] != content:
            raise NameTaken(f"{name} is there with other content.")
        return "exists"

    def incoming(self) -> list[str]:
        return sorted(name for name in self.arrived if name not in self.processed and name not in self.refused)

    def read(self, name: str) -> bytes:
        return self.arrived[name]

    def accept(self, name: str) -> None:
        self.processed[name] = self.arrived[name]

    def refuse(self, name: str, sentence: str) -> None:
        self.refused[name] = (self.arrived[name], sentence)
