"""A bank's side of the payment files, written from the standard alone: what it reads (pain.001) and writes.

It shares no line with the reader and writer of the payments service, so that a slip there meets another opinion here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree
from xml.sax.saxutils import escape

ORDERS = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
STATUS_VERSIONS = ("pain.002.001.10", "pain.002.001.12")
NOTICE_VERSION = "camt.054.001.08"

_AMOUNT = re.compile(r"([0-9]{1,16})\.([0-9]{2})")


class WrongOrder(Exception):
    """A payment file that a bank does not take; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    payment_id: str
    fen: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One message; `account` is the one that is to be debited."""

    message_id: str
    account: str
    orders: tuple[Order, ...]

    @property
    def fen(self) -> int:
        return sum(order.fen for order in self.orders)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A payment in a status report; `reason` only of a rejection."""

    order: Order
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """An entry of a notice: money out for a payment, or in for a clawback (`structured`: where its id stands)."""

    reference: str
    business_id: str
    fen: int
    direction: str
    structured: bool = False


def read_batch(content: bytes) -> Batch:
    """Raises WrongOrder."""
    try:
        # Only the payments service writes here: no stranger's XML.
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError as problem:
        raise WrongOrder(f"not XML: {problem}") from None
    header, block = _only(root, "GrpHdr"), _only(root, "PmtInf")
    orders = tuple(_order(node) for node in block.iter(f"{{{ORDERS}}}CdtTrfTxInf"))
    batch = Batch(_text(header, "MsgId"), _text(block, "DbtrAcct/Id/Othr/Id"), orders)
    for declared in (header, block):
        if (_text(declared, "NbOfTxs"), _fen(_text(declared, "CtrlSum"))) != (str(len(orders)), batch.fen):
            raise WrongOrder(f"the number or the sum of {batch.message_id} is wrong")
    if len({order.payment_id for order in orders}) < len(orders):
        raise WrongOrder(f"{batch.message_id} orders a payment twice")
    return batch


def status_report(
    batch: Batch,
    message_id: str,
    on: date,
    version: str,
    verdicts: Sequence[Verdict],
    *,
    group: str | None = None,
    reason: str | None = None,
    counts: Sequence[tuple[str, int]] = (),
) -> bytes:
    """A pain.002 on `batch`: `verdicts` are listed, `group` is the status of the whole, `counts` are by status."""
    listed = "".join(_verdict(verdict) for verdict in verdicts)
    block = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{escape(batch.message_id)}</OrgnlPmtInfId>{listed}</OrgnlPmtInfAndSts>"
    per_status = "".join(
        f"<NbOfTxsPerSts><DtldNbOfTxs>{count}</DtldNbOfTxs><DtldSts>{status}</DtldSts></NbOfTxsPerSts>"
        for status, count in counts
    )
    return _document(
        version,
        "CstmrPmtStsRpt",
        f"{_header(message_id, on)}<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(batch.message_id)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><OrgnlNbOfTxs>{len(batch.orders)}</OrgnlNbOfTxs>"
        f"<OrgnlCtrlSum>{_yuan(batch.fen)}</OrgnlCtrlSum>"
        f"{f'<GrpSts>{group}</GrpSts>' if group else ''}{_reason(reason)}{per_status}</OrgnlGrpInfAndSts>"
        f"{block if verdicts else ''}",
    )


def notice(account: str, message_id: str, on: date, bookings: Sequence[Booking], *, off_by_fen: int = 0) -> bytes:
    """A camt.054 of one account and day; with `off_by_fen` its totals are wrong by that much."""
    sums = {way: [booking.fen for booking in bookings if booking.direction == way] for way in ("CRDT", "DBIT")}
    total = sum(booking.fen for booking in bookings) + off_by_fen
    net = sum(sums["CRDT"]) - sum(sums["DBIT"])
    by_way = "".join(
        f"<{tag}><NbOfNtries>{len(sums[way])}</NbOfNtries><Sum>{_yuan(sum(sums[way]))}</Sum></{tag}>"
        for tag, way in (("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT"))
    )
    return _document(
        NOTICE_VERSION,
        "BkToCstmrDbtCdtNtfctn",
        f"{_header(message_id, on)}<Ntfctn><Id>{escape(message_id)}</Id>"
        f"<Acct><Id><Othr><Id>{escape(account)}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>"
        f"<TxsSummry><TtlNtries><NbOfNtries>{len(bookings)}</NbOfNtries><Sum>{_yuan(total)}</Sum>"
        f"<TtlNetNtry><Amt>{_yuan(abs(net))}</Amt><CdtDbtInd>{'CRDT' if net >= 0 else 'DBIT'}</CdtDbtInd></TtlNetNtry>"
        f"</TtlNtries>{by_way}</TxsSummry>{''.join(_booking(booking, on) for booking in bookings)}</Ntfctn>",
    )


def _only(root: ElementTree.Element, tag: str) -> ElementTree.Element:
    found = list(root.iter(f"{{{ORDERS}}}{tag}"))
    if len(found) != 1:
        raise WrongOrder(f"{len(found)} of {tag}")
    return found[0]


def _text(node: ElementTree.Element, path: str) -> str:
    found = node.findtext("/".join(f"{{{ORDERS}}}{tag}" for tag in path.split("/")))
    if not found:
        raise WrongOrder(f"no {path}")
    return found


def _order(node: ElementTree.Element) -> Order:
    payment_id = _text(node, "PmtId/EndToEndId")
    amount = node.find(f"{{{ORDERS}}}Amt/{{{ORDERS}}}InstdAmt")
    if amount is None or amount.get("Ccy") != "CNY":
        raise WrongOrder(f"{payment_id} is not in CNY")
    for path in ("Cdtr/Nm", "CdtrAcct/Id/Othr/Id", "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"):
        _text(node, path)
    fen = _fen(amount.text or "")
    if not fen:
        raise WrongOrder(f"{payment_id} is for nothing")
    return Order(payment_id, fen)


def _fen(text: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise WrongOrder(f"{text} is no amount")
    return int(match[1] + match[2])


def _yuan(fen: int) -> str:
    """Without the zeros that nobody needs, as banks write it that have their own idea of a decimal."""
    whole, rest = divmod(fen, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") if rest else str(whole)


def _document(version: str, tag: str, inside: str) -> bytes:
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{version}"
    document = f'<Document xmlns="{namespace}"><{tag}>{inside}</{tag}></Document>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'.encode()


def _header(message_id: str, on: date) -> str:
    return f"<GrpHdr><MsgId>{escape(message_id)}</MsgId><CreDtTm>{on}T18:30:00+08:00</CreDtTm></GrpHdr>"


def _verdict(verdict: Verdict) -> str:
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{verdict.order.payment_id}</OrgnlEndToEndId><TxSts>{verdict.status}</TxSts>"
        f'{_reason(verdict.reason)}<OrgnlTxRef><Amt><InstdAmt Ccy="CNY">{_yuan(verdict.order.fen)}</InstdAmt></Amt>'
        "</OrgnlTxRef></TxInfAndSts>"
    )


def _reason(code: str | None) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else ""


def _booking(booking: Booking, on: date) -> str:
    end_to_end = "NOTPROVIDED" if booking.structured else booking.business_id
    remittance = f"<RmtInf><Strd><CdtrRefInf><Ref>{booking.business_id}</Ref></CdtrRefInf></Strd></RmtInf>"
    return (
        f'<Ntry><Amt Ccy="CNY">{_yuan(booking.fen)}</Amt><CdtDbtInd>{booking.direction}</CdtDbtInd>'
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt><AcctSvcrRef>{booking.reference}</AcctSvcrRef>"
        "<BkTxCd><Prtry><Cd>TRF</Cd></Prtry></BkTxCd><NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{end_to_end}</EndToEndId></Refs>{remittance if booking.structured else ''}"
        "</TxDtls></NtryDtls></Ntry>"
    )
