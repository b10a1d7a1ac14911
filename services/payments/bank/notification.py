"""Notices of bookings: camt.054, money that left the fund's account or came back to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from services.payments.bank.answers import Answer, Received, Reply
from services.payments.bank.fields import (
    bank_id,
    bank_text,
    day,
    is_ours,
    moment_day,
    number,
    our_id,
    payment_fen,
    same,
    total_fen,
)
from services.payments.bank.refused import Refused, quoted
from services.payments.bank.stream import Node

_DEBIT, _CREDIT = "DBIT", "CRDT"
# Announced, expected, for information: nothing is booked yet.
_NOT_YET = ("PDNG", "INFO", "FUTR")
CUT = frozenset({"TxDtls", "NtryDtls", "Ntry", "Ntfctn"})


@dataclass(slots=True)
class _Transaction:
    """`amount_fen` None: that of the entry, of which it is the only one."""

    end_to_end_id: str | None
    structured: list[str]
    amount_fen: int | None
    direction: str | None
    reference: str | None
    returned: bool


@dataclass(slots=True)
class _Sums:
    """Entries of one notification so far, by direction: how many, and what they add up to."""

    counts: dict[str, int] = field(default_factory=lambda: {_DEBIT: 0, _CREDIT: 0})
    sums_fen: dict[str, int] = field(default_factory=lambda: {_DEBIT: 0, _CREDIT: 0})


class _Reading:
    """Takes the parts of a notice in the order in which they end: details, entry, notification."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.received: dict[tuple[str, str], Received] = {}
        self._transactions: list[_Transaction] = []
        # How many of those are in details that ended already.
        self._grouped = 0
        self._sums = _Sums()

    def take(self, part: Node) -> None:
        if part.tag == "TxDtls":
            self._transactions.append(_transaction(part))
        elif part.tag == "NtryDtls":
            self._details(part)
        elif part.tag == "Ntry":
            self._entry(part)
        else:
            self._notification(part)

    def _details(self, details: Node) -> None:
        group = self._transactions[self._grouped :]
        self._grouped = len(self._transactions)
        same(number(details.value("Btch", "NbOfTxs")), len(group), "the number of payments of an entry")
        total = details.first("Btch", "TtlAmt")
        if total is not None and all(one.amount_fen is not None for one in group):
            added = sum(one.amount_fen or 0 for one in group)
            same(payment_fen(total, "a group of payments"), added, "the sum of an entry's payments, in fen,")

    def _entry(self, entry: Node) -> None:
        transactions, self._transactions, self._grouped = self._transactions, [], 0
        direction = entry.value("CdtDbtInd") or ""
        amount = entry.first("Amt")
        assert amount is not None, "the schema has it"
        amount_fen = payment_fen(amount, "an entry")
        self._sums.counts[direction] += 1
        self._sums.sums_fen[direction] += amount_fen
        if not _booked(entry):
            return
        if len(transactions) == 1 and transactions[0].amount_fen is None:
            transactions[0].amount_fen = amount_fen
        if any(one.amount_fen is None for one in transactions):
            raise Refused("BAD_AMOUNT", "An entry for several payments does not say the amount of each.")
        if transactions:
            same(amount_fen, sum(one.amount_fen or 0 for one in transactions), "the amount of an entry, in fen,")
        else:
            raise Refused("MISSING_ID", "A booked entry does not say which payment it is for.")
        on = day(entry.first("BookgDt"), "an entry")
        reference = entry.value("AcctSvcrRef")
        for count, one in enumerate(transactions, start=1):
            # The reference of a joint entry is that of each only together with its place in it.
            shared = f"{reference}/{count}" if reference is not None and len(transactions) > 1 else reference
            if one.returned:
                raise Refused("REVERSAL", "The notice returns a payment that was made: an officer must resolve it.")
            if one.direction not in (None, direction):
                raise Refused("WRONG_TOTAL", "An entry holds payments in the other direction.")
            if direction == _DEBIT:
                self._paid(one, one.reference or shared, on)
            else:
                self._came_back(one, one.reference or shared, on)

    def _paid(self, one: _Transaction, reference: str | None, on: date) -> None:
        payment_id = our_id(one.end_to_end_id, "a payment")
        if payment_id in self.answers:
            raise Refused("REPEATED_ID", f"The notice books payment {payment_id} twice.")
        kept = bank_text(reference, f"The bank's reference for payment {payment_id}")
        self.answers[payment_id] = Answer(payment_id, "settled", one.amount_fen, None, kept, on)

    def _came_back(self, one: _Transaction, reference: str | None, on: date) -> None:
        clawback_id = _clawback(one)
        told = bank_id(reference, f"The bank's reference for clawback {clawback_id}")
        if (clawback_id, told) in self.received:
            raise Refused("REPEATED_ID", f"The notice books {quoted(told)} for clawback {clawback_id} twice.")
        assert one.amount_fen is not None, "completed with the entry"
        self.received[clawback_id, told] = Received(clawback_id, one.amount_fen, told, on)

    def _notification(self, notification: Node) -> None:
        sums, self._sums = self._sums, _Sums()
        summary = notification.first("TxsSummry")
        if summary is None:
            return
        debit, credit = sums.sums_fen[_DEBIT], sums.sums_fen[_CREDIT]
        for tag, count, total in (
            ("TtlNtries", sum(sums.counts.values()), debit + credit),
            ("TtlDbtNtries", sums.counts[_DEBIT], debit),
            ("TtlCdtNtries", sums.counts[_CREDIT], credit),
        ):
            same(number(summary.value(tag, "NbOfNtries")), count, f"the number in {tag}")
            same(total_fen(summary.value(tag, "Sum"), tag), total, f"the sum of {tag}, in fen,")
        net = total_fen(summary.value("TtlNtries", "TtlNetNtry", "Amt"), "all entries")
        if net is not None:
            signed = net if summary.value("TtlNtries", "TtlNetNtry", "CdtDbtInd") == _CREDIT else -net
            same(signed, credit - debit, "the net of all entries, in fen,")


def read(parts: Iterable[Node]) -> Reply:
    """The notice from its parts, cut by CUT. Raises Refused."""
    reading = _Reading()
    for part in parts:
        if part.tag in CUT:
            reading.take(part)
        else:
            root = part
    header = root.first("BkToCstmrDbtCdtNtfctn", "GrpHdr")
    assert header is not None, "the schema has it"
    return Reply(
        message_id=bank_id(header.value("MsgId"), "The notice's own id"),
        kind="notification",
        on=moment_day(header.value("CreDtTm"), "the notice"),
        answers=tuple(reading.answers.values()),
        received=tuple(reading.received.values()),
    )


def _transaction(node: Node) -> _Transaction:
    amount = node.first("Amt")
    references = (one.value("CdtrRefInf", "Ref") for info in node.all("RmtInf") for one in info.all("Strd"))
    return _Transaction(
        node.value("Refs", "EndToEndId"),
        [reference for reference in references if reference is not None],
        None if amount is None else payment_fen(amount, "a payment"),
        node.value("CdtDbtInd"),
        node.value("Refs", "AcctSvcrRef"),
        node.first("RtrInf") is not None,
    )


def _booked(entry: Node) -> bool:
    status = entry.value("Sts", "Cd") or entry.value("Sts", "Prtry") or ""
    if entry.value("RvslInd") in ("true", "1"):
        raise Refused("REVERSAL", "The notice takes back an earlier booking: an officer must resolve it.")
    if status in _NOT_YET:
        return False
    if status != "BOOK":
        raise Refused("BAD_STATUS", f"The status {quoted(status)} of an entry is none that this programme knows.")
    return True


def _clawback(one: _Transaction) -> str:
    """Payers put the reference in one place or the other, and their banks put something of their own in the rest."""
    given = [*one.structured, *([] if one.end_to_end_id is None else [one.end_to_end_id])]
    ours = {reference for reference in given if is_ours(reference)}
    if len(ours) > 1:
        raise Refused("BAD_ID", "An entry names several clawbacks; which one the money is for cannot be told.")
    return our_id(next(iter(ours), given[0] if given else None), "what money came back for")
