"""Wire to domain: a record of `relief.facts.v1` to the fact that the rules take.

It is read in two ways, as payments reads decisions. The structs below take what intake ordinarily writes of the most
frequent facts, at a fraction of the cost; whatever they do not recognise goes to the contract's own models, which
read it or say what is wrong. So the structs may be narrower than the contract and never wider, and only the contract
refuses.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta, Struct, field

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


class Taken(Struct, frozen=True, gc=False):
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

# What its characters may be is asked of all names of a record at once.
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Place = Annotated[int, Meta(ge=0)]
_Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX_FEN)]
_Heads = Annotated[int, Meta(ge=0, le=HEADS_MAX)]


class _Origin(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    topic: _Name
    partition: _Place
    offset: _Place
    index: _Place


class _Data(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    origin: _Origin
    uscc: str
    version: _Version = 1


class _Assessed(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    assessment_id: _Name
    insurance: Insurance
    period: str
    employer_amount_fen: _Amount
    due_on: date


class _Paid(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    assessment_id: _Name
    payment_id: _Name
    amount_fen: _Amount
    paid_on: date


class _Headcount(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    period: str
    insured_employees: _Heads


class _Settled(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    year: Annotated[int, Meta(ge=1990, le=2100)]
    unemployment_premium_paid_fen: _Amount


class _Bill(_Data, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    bill_id: _Name
    utility: Utility
    supplier_id: _Name
    account_no: _Name
    period: str
    amount_fen: _Amount
    due_on: date
    production_use: bool


class _Envelope(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True, tag_field="type"):
    """An Occasion. Its time is text until asked for: the library's own parser takes more forms than the contract."""

    specversion: Literal["1.0"]
    id: _Name
    source: _Name
    subject: _Name
    written_at: str = field(name="time")
    datacontenttype: Literal["application/json"] | None = None
    traceparent: Annotated[str, Meta(max_length=512)] | None = None

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.written_at)


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


_plain = msgspec.json.Decoder(_AssessedEvent | _PaidEvent | _HeadcountEvent | _SettledEvent | _BillEvent)
# A moment of the contract, to the second, on a day that any year has but the 29th of February; all of it is one that
# the language reads.
_MOMENT = re.compile(
    r"(?:19(?!00)|20|21(?!99))[0-9]{2}-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
_PERIODS = frozenset(f"{year}-{month:02}" for year in range(1900, 2100) for month in range(1, 13))
_IRRELEVANT = domain.Irrelevant()
_ANY_PERIOD = "2020-01"


def ordinary(record: Raw) -> Taken | None:
    """The record if it is one of these as intake ordinarily writes them, None for the contract to say."""
    try:
        event: Any = _plain.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    data = event.data
    fact, period, names, day = _PARTS[type(event)](event.id, data)
    origin = data.origin
    written = f"{event.id}{event.source}{event.subject}{origin.topic}{names}"
    if not (
        written.isascii()
        and written.isprintable()
        and period in _PERIODS
        and is_valid(data.uscc)
        and (day is None or 1900 <= day.year < 2200)
        and _MOMENT(event.written_at)
    ):
        return None
    return Taken(fact, event, cause_of(origin))


_Parts = tuple[domain.Fact, str, str, date | None]


def _assessed(fact: str, data: _Assessed) -> _Parts:
    taken = Assessment(data.version, fact, data.employer_amount_fen)
    made = domain.AssessmentFact(data.uscc, data.assessment_id, f"{data.insurance}/{data.period}", taken)
    return made, data.period, data.assessment_id, data.due_on


def _paid(fact: str, data: _Paid) -> _Parts:
    made = domain.PaymentFact(data.uscc, data.assessment_id, data.payment_id, Payment(fact, data.amount_fen))
    return made, _ANY_PERIOD, data.assessment_id + data.payment_id, data.paid_on


def _headcount(fact: str, data: _Headcount) -> _Parts:
    taken = Report(data.version, fact, data.insured_employees)
    return domain.HeadcountFact(data.uscc, data.period, taken), data.period, "", None


def _settled(fact: str, data: _Settled) -> _Parts:
    taken = Report(data.version, fact, data.unemployment_premium_paid_fen)
    return domain.PremiumFact(data.uscc, data.year, taken), _ANY_PERIOD, "", None


def _bill(fact: str, data: _Bill) -> _Parts:
    return _IRRELEVANT, data.period, f"{data.bill_id}{data.supplier_id}{data.account_no}", data.due_on


_PARTS: dict[type, Callable[[str, Any], _Parts]] = {
    _AssessedEvent: _assessed,
    _PaidEvent: _paid,
    _HeadcountEvent: _headcount,
    _SettledEvent: _settled,
    _BillEvent: _bill,
}
