"""Wire to domain: a record of a ledger topic to the event that is posted.

It is read in two ways. The structs below take what payments ordinarily writes, at half the cost; whatever they
do not recognise goes to the contract's own models, which read it or say what is wrong. So the structs may be narrower
than the contract and never wider, and only the contract refuses.
"""

import re
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.ledger.domain.posting import LedgerEvent
from shared.contracts import registry, topics
from shared.contracts.ledger_events import ExemptionData
from shared.contracts.vocabulary import TOTAL_MAX_FEN, Insurance, Prefecture, Programme
from shared.streaming.errors import Stop
from shared.streaming.reading import by_contract, place
from shared.streaming.records import Raw, digest
from shared.uscc import is_valid

_contract = {topic: registry.decoder(topic) for topic in (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS)}
_HASH = re.compile(r"[0-9a-f]{32}")

_Place = Annotated[int, Meta(ge=0)]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
_Name = Annotated[str, Meta(pattern=r"^[ -~]{1,256}\Z")]
_Text = Annotated[str, Meta(pattern=r"^[ -~]{0,4096}\Z")]


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    topic: str
    partition: _Place
    offset: _Place
    index: _Place


class _Exemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    origin: _Origin
    exemption_id: str
    uscc: str
    prefecture: Prefecture
    insurance: Insurance
    period: str
    amount_fen: Annotated[int, Meta(ge=0, le=TOTAL_MAX_FEN)]
    delta_fen: Annotated[int, Meta(ge=-TOTAL_MAX_FEN, le=TOTAL_MAX_FEN)]
    revision: Annotated[int, Meta(ge=1)]
    decision_id: str
    booked_on: date


class _Refund(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    origin: _Origin
    payment_id: str
    uscc: str
    prefecture: Prefecture
    programme: Programme
    key: str
    amount_fen: Annotated[int, Meta(gt=0, le=TOTAL_MAX_FEN)]
    decision_id: str
    booked_on: date
    batch_id: _Name | None = None
    clawback_id: _Hash | None = None
    reason: _Text | None = None


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    specversion: Literal["1.0"]
    id: str
    source: Literal["/relief/payments"]
    subject: str
    time: str
    datacontenttype: Literal["application/json"] | None = None
    traceparent: Annotated[str, Meta(pattern=r"^[0-9a-f-]{1,512}\Z")] | None = None


_ExemptionType = Literal["relief.exemption.granted.v1", "relief.exemption.amended.v1", "relief.exemption.revoked.v1"]
_RefundType = Literal[
    "relief.refund.authorised.v1",
    "relief.refund.submitted.v1",
    "relief.refund.settled.v1",
    "relief.refund.rejected.v1",
    "relief.refund.cancelled.v1",
    "relief.refund.clawback_raised.v1",
    "relief.refund.clawback_settled.v1",
    "relief.refund.clawback_written_off.v1",
]


class _ExemptionEvent(_Envelope, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    type: _ExemptionType
    data: _Exemption


class _RefundEvent(_Envelope, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    type: _RefundType
    data: _Refund


_exemptions, _refunds = msgspec.json.Decoder(_ExemptionEvent), msgspec.json.Decoder(_RefundEvent)
# What is text above, checked at once: three hashes, the origin's topic, a period or a key, the time. Days 29 to 31 only
# where every year has them; the contract's model reads the others.
_FORM = re.compile(
    r"[0-9a-f]{32} [0-9a-f]{32} [0-9a-f]{32} [a-z0-9.]{1,256} "
    r"(?:(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])|=[!-~]{1,256}) "
    r"20[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
)


def read(record: Raw) -> LedgerEvent:
    """Raises Stop for what is no ledger event: every event is posted, or the ledger says that it is not."""
    return _plain(record) or _by_contract(record)


def _plain(record: Raw) -> LedgerEvent | None:
    """The record if it is as payments ordinarily writes it, None for the contract to say."""
    try:
        if record.topic == topics.LEDGER_EXEMPTIONS:
            exemption = _exemptions.decode(record.value or b"")
            data = exemption.data
            key, purpose, amount = data.exemption_id, data.insurance, data.delta_fen
            return _taken(exemption, data, key, purpose, amount, data.period, record)
        refund = _refunds.decode(record.value or b"")
        paid = refund.data
        return _taken(refund, paid, paid.payment_id, paid.programme, paid.amount_fen, f"={paid.key}", record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _taken(
    event: _ExemptionEvent | _RefundEvent, data: _Exemption | _Refund, key: str, purpose: str, amount: int,
    period_or_key: str, record: Raw,
) -> LedgerEvent | None:  # fmt: skip
    origin, uscc = data.origin, data.uscc
    form = f"{event.id} {key} {data.decision_id} {origin.topic} {period_or_key} {event.time}"
    if not (_FORM.fullmatch(form) and 1900 <= data.booked_on.year < 2200 and event.subject == uscc and is_valid(uscc)):
        return None
    return LedgerEvent(
        event.id, event.type, key, uscc, data.prefecture, purpose, amount, data.decision_id, data.booked_on,
        digest(record),
    )  # fmt: skip


def _by_contract(record: Raw) -> LedgerEvent:
    event = by_contract(_contract[record.topic], record, "no event")
    if not _HASH.fullmatch(event.id):
        raise Stop(f"{place(record)} holds an event whose id is not 32 hex digits; the ledger knows events by those.")
    data = event.data
    if isinstance(data, ExemptionData):
        key, purpose, amount = data.exemption_id, data.insurance, data.delta_fen
    else:
        key, purpose, amount = data.payment_id, data.programme, data.amount_fen
    return LedgerEvent(
        event.id, event.type, key, data.uscc, data.prefecture, purpose, amount, data.decision_id, data.booked_on,
        digest(record),
    )  # fmt: skip
