"""Records of the three topics that holdovers pass through, as rows."""

import hashlib
from typing import Any, Final

import msgspec

from services.cli.holdover_rows import (
    AppliedFact,
    BillFact,
    Fact,
    OrderTold,
    PaymentFact,
    RequestFact,
    Ruled,
    WithdrawnFact,
)
from services.cli.reconcile_logs import Record, Unreadable
from shared.contracts.facts import FACT_DATA
from shared.contracts.topics import DECISIONS, FACTS, ORDERS

LOGS: Final = (FACTS, DECISIONS, ORDERS)
_DAY: Final = "relief.day.started.v1"
_KINDS: Final = frozenset(
    {
        "opened", "bill_deferred", "supply_protected", "protection_ended", "disconnection_refused",
        "disconnection_allowed", "instalment_due", "instalment_paid", "instalment_overdue", "completed", "defaulted",
        "withdrawn",
    }
)  # fmt: skip


class _Envelope(msgspec.Struct, gc=False):
    id: str
    type: str
    data: msgspec.Raw


class _Bill(msgspec.Struct):
    uscc: str
    bill_id: str
    utility: str
    supplier_id: str
    account_no: str
    period: str
    due_on: str
    amount_fen: int
    production_use: bool
    version: int = 1


class _Payment(msgspec.Struct):
    uscc: str
    payment_id: str
    bill_id: str
    amount_fen: int
    paid_on: str


class _Applied(msgspec.Struct):
    uscc: str
    application_id: str
    utilities: tuple[str, ...]
    submitted_on: str


class _Withdrawn(msgspec.Struct):
    uscc: str
    application_id: str
    submitted_on: str


class _Request(msgspec.Struct):
    uscc: str
    request_id: str
    utility: str
    supplier_id: str
    account_no: str
    requested_on: str


class _Measure(msgspec.Struct, gc=False):
    measure: str


class _Decision(msgspec.Struct):
    uscc: str
    key: str
    revision: int
    outcome: str


class _Day(msgspec.Struct):
    date: str


class _Order(msgspec.Struct):
    uscc: str
    holdover_id: str
    utility: str
    supplier_id: str
    account_no: str
    application_id: str = ""
    bill_id: str = ""
    payment_id: str = ""
    request_id: str = ""
    order_id: str | None = None
    from_on: str | None = None
    until_on: str | None = None
    signature: str | None = None
    amount_fen: int = 0
    open_fen: int = 0


_FACTS: Final[dict[str, type[Any]]] = {
    "cn.utility.bill.issued.v1": _Bill,
    "cn.utility.bill.paid.v1": _Payment,
    "cn.utility.disconnection.requested.v1": _Request,
    "relief.holdover.applied.v1": _Applied,
    "relief.holdover.withdrawal.v1": _Withdrawn,
}


class Rows:
    """Only what is compared is read. Each partition's records come in order: a day stands over those after it."""

    def __init__(self) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._facts = {kind: msgspec.json.Decoder(model).decode for kind, model in _FACTS.items()}
        self._measure = msgspec.json.Decoder(_Measure).decode
        self._decision = msgspec.json.Decoder(_Decision).decode
        self._day = msgspec.json.Decoder(_Day).decode
        self._order = msgspec.json.Decoder(_Order).decode
        self._days: dict[int, str] = {}

    def row(self, record: Record) -> Fact | OrderTold | None:
        """None for what no holdover follows from. Raises Unreadable."""
        try:
            envelope = self._envelope(record.value or b"")
            if record.topic == FACTS:
                return self._fact(record, envelope)
            if record.topic == DECISIONS:
                return self._ruled(record, envelope)
            return self._told(record, envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(" ".join(str(error).split())) from error

    def _fact(self, record: Record, envelope: _Envelope) -> Fact | None:
        decode = self._facts.get(envelope.type)
        if decode is None:
            if envelope.type == _DAY:
                day = self._day(envelope.data).date
                self._days[record.partition] = max(day, self._days.get(record.partition, ""))
            elif envelope.type not in FACT_DATA:
                raise Unreadable(f"it is a {envelope.type}")
            return None
        data = decode(envelope.data)
        _check_key(record, data.uscc)
        where = data.uscc, record.partition, record.offset
        match data:
            case _Bill():
                return BillFact(
                    *where, data.bill_id, data.version, data.utility, data.supplier_id, data.account_no, data.period,
                    data.due_on, data.amount_fen, data.production_use,
                )  # fmt: skip
            case _Payment():
                known_on = self._days.get(record.partition, "")
                return PaymentFact(*where, data.payment_id, data.bill_id, data.amount_fen, data.paid_on, known_on)
            case _Applied():
                return AppliedFact(*where, data.application_id, data.utilities, data.submitted_on)
            case _Withdrawn():
                return WithdrawnFact(*where, data.application_id, data.submitted_on)
            case _:
                return RequestFact(
                    *where, data.request_id, data.utility, data.supplier_id, data.account_no, data.requested_on
                )

    def _ruled(self, record: Record, envelope: _Envelope) -> Ruled | None:
        if envelope.type == _DAY:
            return None
        if envelope.type != "relief.decision.made.v1":
            raise Unreadable(f"it is a {envelope.type}")
        if self._measure(envelope.data).measure != "holdover":
            return None
        data = self._decision(envelope.data)
        _check_key(record, data.uscc)
        return Ruled(data.uscc, record.partition, record.offset, data.key, data.revision, data.outcome)

    def _told(self, record: Record, envelope: _Envelope) -> OrderTold:
        kind = envelope.type.removeprefix("relief.holdover.").removesuffix(".v1")
        if kind not in _KINDS:
            raise Unreadable(f"it is a {envelope.type}")
        data = self._order(envelope.data)
        _check_key(record, data.uscc)
        named = (data.application_id, data.bill_id, data.payment_id, data.request_id, data.order_id)
        order = (data.order_id, data.from_on, data.until_on, data.signature)
        return OrderTold(
            data.uscc, data.holdover_id, envelope.id, kind, data.utility, data.supplier_id, data.account_no,
            next((one for one in named if one), ""), tuple(one for one in order if one is not None),
            data.amount_fen or data.open_fen, hashlib.blake2b(record.value or b"", digest_size=12).digest(),
            record.partition, record.offset,
        )  # fmt: skip


def _check_key(record: Record, uscc: str) -> None:
    if record.key != uscc.encode():
        raise Unreadable("its key is not the enterprise that it names")
