"""Wire to domain: a record of `relief.facts.v1` to the fact that the rules take.

It is read in two ways, as payments reads decisions. The structs below take what intake ordinarily writes of the most
frequent facts, at a fraction of the cost; whatever they do not recognise goes to the contract's own models, which
read it or say what is wrong. So the structs may be narrower than the contract and never wider, and only the contract
refuses.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from services.eligibility.domain import facts as domain
from services.eligibility.domain.state import Assessment, Payment, Report
from services.eligibility.translating import to_domain
from shared.contracts.registry import decoder
from shared.contracts.topics import FACTS
from shared.contracts.vocabulary import AMOUNT_MAX_FEN, HEADS_MAX, Insurance, Utility
from shared.streaming.reading import by_contract, cause_of
from shared.streaming.records import Cause, Raw
from shared.uscc import is_valid


class Occasion(Protocol):
    """What a decision's event inherits from the fact's."""

    @property
    def id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def traceparent(self) -> str | None: ...


class Taken(NamedTuple):
    """A fact with what its decisions inherit from its envelope."""

    fact: domain.Fact
    occasion: Occasion
    cause: Cause


def read(record: Raw) -> Taken:
    """Raises Stop: only intake writes this topic, so what cannot be read here is a fault of ours."""
    return ordinary(record) or in_full(record)


def in_full(record: Raw) -> Taken:
    """The record by the contract's own models. Raises Stop."""
    event = by_contract(decoder(FACTS), record, "no fact")
    return Taken(to_domain(event), event, cause_of(event.data.origin))


# ---- what intake ordinarily writes -------------------------------------------------------------------------------

_Place = Annotated[int, Meta(ge=0)]
_Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX_FEN)]
_Heads = Annotated[int, Meta(ge=0, le=HEADS_MAX)]


class _Origin(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    topic: str
    partition: _Place
    offset: _Place
    index: _Place


class _Data(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    origin: _Origin
    uscc: str
    version: _Version = 1


class _Assessed(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    assessment_id: str
    insurance: Insurance
    period: str
    employer_amount_fen: _Amount
    due_on: date


class _Paid(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    assessment_id: str
    payment_id: str
    amount_fen: _Amount
    paid_on: date


class _Headcount(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    period: str
    insured_employees: _Heads


class _Settled(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    year: Annotated[int, Meta(ge=1990, le=2100)]
    unemployment_premium_paid_fen: _Amount


class _Bill(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    bill_id: str
    utility: Utility
    supplier_id: str
    account_no: str
    period: str
    amount_fen: _Amount
    due_on: date
    production_use: bool


class _Envelope(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True, tag_field="type"):
    """`time` is text until its form was looked at: the library's own parser takes more forms than the contract."""

    specversion: Literal["1.0"]
    id: str
    source: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"] | None = None
    traceparent: Annotated[str, Meta(max_length=512)] | None = None


class _AssessedEvent(
    _Envelope, tag="cn.tax.contribution.assessed.v1", frozen=True, forbid_unknown_fields=True, gc=False
):
    data: _Assessed


class _PaidEvent(_Envelope, tag="cn.tax.contribution.paid.v1", frozen=True, forbid_unknown_fields=True, gc=False):
    data: _Paid


class _HeadcountEvent(
    _Envelope, tag="cn.insurance.headcount.reported.v1", frozen=True, forbid_unknown_fields=True, gc=False
):
    data: _Headcount


class _SettledEvent(_Envelope, tag="cn.insurance.year.settled.v1", frozen=True, forbid_unknown_fields=True, gc=False):
    data: _Settled


class _BillEvent(_Envelope, tag="cn.utility.bill.issued.v1", frozen=True, forbid_unknown_fields=True, gc=False):
    data: _Bill


class _Seen(NamedTuple):
    """An Occasion."""

    id: str
    subject: str
    time: datetime
    traceparent: str | None


_plain = msgspec.json.Decoder(_AssessedEvent | _PaidEvent | _HeadcountEvent | _SettledEvent | _BillEvent)
_NAME = r"[!-~]{1,256}"


def _form(names: int) -> re.Pattern[str]:
    """What is text above, checked at once: the time, the period, the envelope's names and the origin's topic, and so
    many names of the data. Their number is fixed, so that a blank in one cannot make up for what another lacks."""
    return re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2}) "
        rf"(?:19|20)[0-9]{{2}}-(?:0[1-9]|1[0-2])(?: {_NAME}){{{4 + names}}}"
    )


_IRRELEVANT = domain.Irrelevant()
_ANY_PERIOD = "2020-01"


def ordinary(record: Raw) -> Taken | None:
    """The record if it is one of these as intake ordinarily writes them, None for the contract to say."""
    try:
        event: Any = _plain.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    data = event.data
    parts, form = _PARTS[type(event)]
    fact, period, names, day = parts(event.id, data)
    origin = data.origin
    text = f"{event.time} {period} {event.id} {event.source} {event.subject} {origin.topic}{names}"
    if not (form.fullmatch(text) and is_valid(data.uscc) and (day is None or 1900 <= day.year < 2200)):
        return None
    try:
        time = datetime.fromisoformat(event.time)
    except ValueError:
        return None
    if not 1900 < time.year < 2199:
        return None
    return Taken(fact, _Seen(event.id, event.subject, time, event.traceparent), cause_of(origin))


_Parts = tuple[domain.Fact, str, str, date | None]


def _assessed(fact: str, data: _Assessed) -> _Parts:
    taken = Assessment(data.version, fact, data.employer_amount_fen)
    made = domain.AssessmentFact(data.uscc, data.assessment_id, f"{data.insurance}/{data.period}", taken)
    return made, data.period, f" {data.assessment_id}", data.due_on


def _paid(fact: str, data: _Paid) -> _Parts:
    made = domain.PaymentFact(data.uscc, data.assessment_id, data.payment_id, Payment(fact, data.amount_fen))
    return made, _ANY_PERIOD, f" {data.assessment_id} {data.payment_id}", data.paid_on


def _headcount(fact: str, data: _Headcount) -> _Parts:
    taken = Report(data.version, fact, data.insured_employees)
    return domain.HeadcountFact(data.uscc, data.period, taken), data.period, "", None


def _settled(fact: str, data: _Settled) -> _Parts:
    taken = Report(data.version, fact, data.unemployment_premium_paid_fen)
    return domain.PremiumFact(data.uscc, data.year, taken), _ANY_PERIOD, "", None


def _bill(fact: str, data: _Bill) -> _Parts:
    return _IRRELEVANT, data.period, f" {data.bill_id} {data.supplier_id} {data.account_no}", data.due_on


_PARTS: dict[type, tuple[Callable[[str, Any], _Parts], re.Pattern[str]]] = {
    _AssessedEvent: (_assessed, _form(1)),
    _PaidEvent: (_paid, _form(2)),
    _HeadcountEvent: (_headcount, _form(0)),
    _SettledEvent: (_settled, _form(0)),
    _BillEvent: (_bill, _form(3)),
}
