"""Payment status reports: pain.002, what became of a batch of ours."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from services.payments.bank import amounts
from services.payments.bank.answers import Answer, Reply, Status
from services.payments.bank.fields import bank_id, bank_text, moment_day, number, our_id, payment_fen, same, total_fen
from services.payments.bank.refused import Refused, quoted
from services.payments.bank.stream import Node

# What the bank's words mean for us. `waiting` changes nothing; `partial` says that payments differ.
_MEANINGS: dict[str, Status | Literal["waiting", "partial"]] = {
    "ACTC": "accepted",
    "ACCP": "accepted",
    "ACFC": "accepted",
    "ACSP": "accepted",
    "ACWC": "accepted",
    "ACWP": "accepted",
    "ACIS": "accepted",
    "ACSC": "settled",
    "ACCC": "settled",
    "RJCT": "rejected",
    "RCVD": "waiting",
    "PDNG": "waiting",
    "PART": "partial",
}
CUT = frozenset({"TxInfAndSts"})


@dataclass(slots=True)
class _Transaction:
    """One payment's part of the report; `status` and `reason` None: those of the level above hold."""

    payment_id: str
    status: str | None
    reason: str | None
    amount_fen: int | None
    reference: str | None
    on: date | None


@dataclass(slots=True)
class _Level:
    """What is said of the whole message, or of its one payment block."""

    status: str | None
    reason: str | None
    count: int | None
    total_fen: int | None
    per_status: list[tuple[str, int, int | None]] = field(default_factory=list)


def read(parts: Iterable[Node]) -> Reply:
    """The report from its parts, cut by CUT. Raises Refused."""
    transactions: list[_Transaction] = []
    for part in parts:
        if part.tag in CUT:
            transactions.append(_transaction(part))
        else:
            root = part
    report = root.first("CstmrPmtStsRpt")
    assert report is not None, "the schema has it"
    group = report.first("OrgnlGrpInfAndSts")
    assert group is not None, "the schema has it"
    message_id = bank_id(report.value("GrpHdr", "MsgId"), "The report's own id")
    on = moment_day(report.value("GrpHdr", "CreDtTm"), "the report")
    original = our_id(group.value("OrgnlMsgId"), "the message that is answered")
    if not (group.value("OrgnlMsgNmId") or "").startswith("pain.001"):
        raise Refused("BAD_ID", "The report answers another kind of message than a payment order (pain.001).")
    blocks = list(report.all("OrgnlPmtInfAndSts"))
    if len(blocks) > 1:
        raise Refused("REPEATED_ID", f"The report speaks of {len(blocks)} payment blocks; our messages have one.")
    if blocks and blocks[0].value("OrgnlPmtInfId") != original:
        raise Refused("BAD_ID", "The report's payment block is not of the message that it answers.")
    levels = [_level(group, "Grp"), *(_level(block, "PmtInf") for block in blocks)]
    whole = _whole(levels)
    _once(transactions)
    for level in levels:
        _totals(level, transactions)
    count, total = levels[0].count, levels[0].total_fen
    for level in levels[1:]:
        count, total = level.count if count is None else count, level.total_fen if total is None else total
    return Reply(
        message_id=message_id,
        kind="status",
        on=on,
        original_message_id=original,
        whole=whole,
        reason_code=_reason_of(levels) if whole == "rejected" else None,
        original_count=count,
        original_total_fen=total,
        answers=tuple(_answers(levels, transactions, on)),
    )


def _transaction(node: Node) -> _Transaction:
    payment_id = our_id(node.value("OrgnlEndToEndId"), "a payment")
    if node.value("OrgnlInstrId") not in (None, payment_id):
        raise Refused("BAD_ID", f"The payment {payment_id} has another instruction id.")
    amount = node.first("OrgnlTxRef", "Amt", "InstdAmt")
    if amount is None and node.first("OrgnlTxRef", "Amt") is not None:
        raise Refused("BAD_AMOUNT", f"The amount of payment {payment_id} is not the one we instructed.")
    accepted = node.value("AccptncDtTm")
    reference = node.value("AcctSvcrRef") or node.value("ClrSysRef") or node.value("StsId")
    return _Transaction(
        payment_id,
        node.value("TxSts"),
        _reason(node),
        None if amount is None else payment_fen(amount, f"payment {payment_id}"),
        bank_text(reference, f"The bank's reference for payment {payment_id}"),
        None if accepted is None else moment_day(accepted, f"payment {payment_id}"),
    )


def _level(node: Node, kind: Literal["Grp", "PmtInf"]) -> _Level:
    return _Level(
        node.value(f"{kind}Sts"),
        _reason(node),
        number(node.value("OrgnlNbOfTxs")),
        total_fen(node.value("OrgnlCtrlSum"), "the original message"),
        [
            (
                one.value("DtldSts") or "",
                number(one.value("DtldNbOfTxs")) or 0,
                total_fen(one.value("DtldCtrlSum"), "a status"),
            )
            for one in node.all("NbOfTxsPerSts")
        ],
    )


def _reason(node: Node) -> str | None:
    """The first reason given; further ones and free text are in the file, which is kept."""
    reason = node.value("StsRsnInf", "Rsn", "Cd") or node.value("StsRsnInf", "Rsn", "Prtry")
    return bank_text(reason, "A reason")


def _meaning(status: str) -> Status | Literal["waiting", "partial"]:
    if status not in _MEANINGS:
        raise Refused("BAD_STATUS", f"The status {quoted(status)} is none that this programme knows.")
    return _MEANINGS[status]


def _whole(levels: list[_Level]) -> Status | None:
    """What is said of the message as a whole; both levels, where both speak, must say the same."""
    said = {_meaning(level.status) for level in levels if level.status is not None}
    if len(said) > 1:
        raise Refused("BAD_STATUS", "The status of the message and that of its payment block contradict each other.")
    whole = next(iter(said), None)
    return whole if whole == "accepted" or whole == "settled" or whole == "rejected" else None


def _reason_of(levels: list[_Level]) -> str | None:
    return next((level.reason for level in reversed(levels) if level.reason is not None), None)


def _once(transactions: list[_Transaction]) -> None:
    seen: set[str] = set()
    for transaction in transactions:
        if transaction.payment_id in seen:
            raise Refused("REPEATED_ID", f"The report speaks of payment {transaction.payment_id} twice.")
        seen.add(transaction.payment_id)


def _totals(level: _Level, transactions: list[_Transaction]) -> None:
    """A report may leave payments out, all or those of one status. What it lists must fit what it declares."""
    known = [one.amount_fen for one in transactions if one.amount_fen is not None]
    if level.count is not None and len(transactions) > level.count:
        raise Refused("WRONG_TOTAL", f"The report lists {len(transactions)} payments of {level.count}.")
    if level.total_fen is not None and sum(known) > level.total_fen:
        raise Refused(
            "WRONG_TOTAL",
            f"The payments of the report add up to {amounts.written(sum(known))}, "
            f"more than the {amounts.written(level.total_fen)} it says they were.",
        )
    if level.count == len(known):
        same(level.total_fen, sum(known), "the sum of the original message, in fen,")
    for status, count, total in level.per_status:
        meaning = _meaning(status)
        if count and level.status is not None:
            _agrees(_meaning(level.status), meaning, f"{count} payments")
        listed = [one for one in transactions if one.status == status]
        if listed:
            same(count, len(listed), f"the number of payments that are {status}")
            if all(one.amount_fen is not None for one in listed):
                same(total, sum(one.amount_fen or 0 for one in listed), f"the sum that is {status}, in fen,")
    if level.per_status and level.count is not None:
        same(level.count, sum(count for _, count, _ in level.per_status), "the number of original payments")


def _answers(levels: list[_Level], transactions: list[_Transaction], on: date) -> Iterable[Answer]:
    above = next((level.status for level in reversed(levels) if level.status is not None), None)
    for one in transactions:
        status = one.status or above
        meaning = None if status is None else _meaning(status)
        if meaning is None or meaning == "partial":
            raise Refused("BAD_STATUS", f"The report gives payment {one.payment_id} no status.")
        if above is not None:
            _agrees(_meaning(above), meaning, f"payment {one.payment_id}")
        if meaning == "waiting":
            continue
        reason = (one.reason or _reason_of(levels)) if meaning == "rejected" else None
        yield Answer(one.payment_id, meaning, one.amount_fen, reason, one.reference, one.on or on)


def _agrees(above: str, meaning: str, what: str) -> None:
    """Under a rejected whole all is rejected, under a settled one all is settled, under a partial one anything may be.

    The first is the standard's own rule; the second keeps a pending payment from being settled by its whole.
    """
    rejected = (above == "rejected") != (meaning == "rejected")
    if above != "partial" and (rejected or (above == "settled" and meaning != "settled")):
        raise Refused("BAD_STATUS", f"The status of {what} contradicts that of the whole.")
