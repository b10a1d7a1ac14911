"""Payment orders read back: by the schema, and by what the schema lets pass and a bank must never see."""

from datetime import date

from pyiso20022.pain.pain_001_001_09 import Document

from services.payments.bank import amounts, published, stream
from services.payments.bank.orders import Debtor, Instruction, Message, Unsound, unfit_batch
from services.payments.bank.refused import Refused
from services.payments.bank.schema import document_type
from services.payments.bank.stream import Node

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
CLEARING_SYSTEM = "CNAPS"

_DOCUMENT = document_type(Document)
_TRANSACTION = "CdtTrfTxInf"


def check(document: bytes) -> list[str]:
    """What is wrong with a payment file, a sentence each: by the published XSD, and what the XSD lets pass."""
    try:
        read(document)
    except Unsound as problem:
        return problem.faults
    return []


def read(document: bytes) -> Message:
    """The batch that a file orders, `instructions` as a tuple. Raises Unsound with everything that `check` tells."""
    reading = _Reading()
    try:
        found = stream.namespace(document)
        if found != NAMESPACE:
            raise Unsound(["The file is not a pain.001.001.09 message."])
        for part in stream.parts(document, _DOCUMENT, NAMESPACE, frozenset({_TRANSACTION})):
            if part.tag == _TRANSACTION:
                reading.transaction(part)
            else:
                root = part
    except Refused as problem:
        raise Unsound([problem.sentence]) from None
    invalid = published.fault(NAMESPACE, document)
    if invalid:
        raise Unsound([invalid])
    return reading.message(root)


class _Reading:
    """Collects faults rather than stopping at the first: an officer wants them all."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.instructions: list[Instruction] = []

    def transaction(self, node: Node) -> None:
        payment_id = node.value("PmtId", "EndToEndId") or ""
        who = f"Payment {payment_id[:40]!r}"
        if node.value("PmtId", "InstrId") != payment_id:
            self.faults.append(f"{who} has another instruction id.")
        amount = node.first("Amt", "InstdAmt")
        in_yuan = amount is not None and amount.attributes["Ccy"] == amounts.CURRENCY
        # What is no amount in CNY is as wrong as none.
        amount_fen = (amounts.fen(amount.text) if amount is not None and in_yuan else None) or 0
        name, number, bank = self._account(who, node, "Cdtr")
        self.instructions.append(Instruction(payment_id, amount_fen, name, number, bank))

    def message(self, root: Node) -> Message:
        """Raises Unsound if there is a fault anywhere."""
        order = root.first("CstmrCdtTrfInitn")
        assert order is not None, "the schema has it"
        batch_id = order.value("GrpHdr", "MsgId") or ""
        payments = list(order.all("PmtInf"))
        if len(payments) != 1:
            raise Unsound([*self.faults, f"The message has {len(payments)} payment blocks; ours have one."])
        payment = payments[0]
        for node in (order.first("GrpHdr"), payment):
            assert node is not None, "the schema has it"
            self._totals(node)
        if payment.value("PmtInfId") != batch_id:
            self.faults.append("The payment block has another id than the message.")
        if payment.value("PmtMtd") != "TRF" or payment.value("BtchBookg") != "false":
            self.faults.append("The payments are not transfers that are booked one by one.")
        on = payment.value("ReqdExctnDt", "Dt") or ""
        if order.value("GrpHdr", "CreDtTm") != f"{on}T00:00:00+08:00":
            self.faults.append("The message's date is not the start of the day it is to be executed on.")
        debtor = Debtor(*self._account("The debtor", payment, "Dbtr"))
        message = Message(
            batch_id,
            payment.value("PmtTpInf", "CtgyPurp", "Prtry") or "",
            date.fromisoformat(on[:10]) if on else date.min,
            debtor,
            tuple(self.instructions),
        )
        self.faults += unfit_batch(message)
        if self.faults:
            raise Unsound(self.faults)
        return message

    def _totals(self, node: Node) -> None:
        total_fen = sum(instruction.amount_fen for instruction in self.instructions)
        if node.value("NbOfTxs") != str(len(self.instructions)):
            self.faults.append(f"The number of payments in {node.tag} is not {len(self.instructions)}, what it holds.")
        declared = node.value("CtrlSum")
        if declared is None or amounts.fen(declared) != total_fen:
            self.faults.append(
                f"The sum in {node.tag} is not {amounts.written(total_fen)}, what its payments add up to."
            )

    def _account(self, who: str, node: Node, party: str) -> tuple[str, str, str]:
        member = node.first(f"{party}Agt", "FinInstnId", "ClrSysMmbId")
        if member is None or member.value("ClrSysId", "Cd") != CLEARING_SYSTEM:
            self.faults.append(f"{who} has no {CLEARING_SYSTEM} member id for its bank.")
        name = node.value(party, "Nm") or ""
        number = node.value(f"{party}Acct", "Id", "Othr", "Id")
        if number is None:
            self.faults.append(f"{who} has no account.")
        return name, number or "", (member.value("MmbId") or "") if member is not None else ""
