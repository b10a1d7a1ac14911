"""What goes wrong on the way in: the stated shares, and the facts of an enterprise as they arrive.

Whatever is added is either rejected or changes nothing; only `corrected` moves a decision. So a conflict comes after
the record it contradicts, and every malformed record has an id of its own.
"""

import random
from dataclasses import dataclass

import msgspec

from services.simulator.calendar import DAY_SECONDS, moment_text
from services.simulator.wire import (
    SOURCES,
    Assessed,
    BillIssued,
    BillPaid,
    Data,
    Deregistered,
    DisconnectionRequested,
    Event,
    Fact,
    Headcount,
    HoldoverApplied,
    HoldoverWithdrawal,
    Layoffs,
    Paid,
    RefundDeclined,
    Registered,
    YearSettled,
)

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Corruption:
    """Shares of what goes wrong, each 0 to 1; ValueError outside of that.

    The first six are shares of all facts, and a fact suffers at most one of them. `malformed` is the share of
    enterprises that get one more record of a given malformed kind, for every kind; its stride starts among the first
    fifty enterprises, so that a small region has each kind once. Of `too_large` there are never more than two.
    """

    late: float = 0.01
    repeated: float = 0.01
    corrected: float = 0.005
    superseded: float = 0.003
    id_conflict: float = 0.001
    version_conflict: float = 0.001
    malformed: float = 0.002
    # How long a late record is under way, in days.
    late_days: int = 20

    def __post_init__(self) -> None:
        shares = (self.late, self.repeated, self.corrected, self.superseded, self.id_conflict, self.version_conflict)
        if not all(0 <= share <= 1 for share in (*shares, self.malformed)) or sum(shares) > 1 or self.late_days < 1:
            raise ValueError(f"shares lie between 0 and 1, together at most 1, and late_days from 1: {self}")


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A record as it arrives: at which moment, of which kind (an index into KINDS), its line without the newline.

    `type` is the CloudEvents type that a reader of the line finds, None for a line that is no JSON and for raw records.
    """

    at: int
    kind: int
    topic: int
    type: str | None
    line: bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """`expect`: a reject code (upper case), or what else becomes of the record. `raw`: it cannot be a line of text."""

    name: str
    expect: str
    raw: bool = False


KINDS = (
    Kind("good", "accepted"),
    Kind("late", "accepted"),
    Kind("repeated", "duplicate"),
    Kind("corrected", "replaces a lower version"),
    Kind("superseded", "changes nothing"),
    Kind("id_conflict", "ID_CONFLICT"),
    Kind("version_conflict", "VERSION_CONFLICT"),
    Kind("moved_assessment", "VERSION_CONFLICT"),
    Kind("truncated", "NOT_JSON"),
    Kind("trailing_comma", "NOT_JSON"),
    Kind("unknown_type", "UNKNOWN_TYPE"),
    Kind("missing_field", "MISSING_FIELD"),
    Kind("missing_id", "MISSING_FIELD"),
    Kind("bad_check_character", "BAD_USCC"),
    Kind("negative_amount", "OUT_OF_RANGE"),
    Kind("absurd_amount", "OUT_OF_RANGE"),
    Kind("unknown_prefecture", "UNKNOWN_PREFECTURE"),
    Kind("unknown_industry", "UNKNOWN_INDUSTRY"),
    Kind("other_subject", "WRONG_KEY"),
    Kind("wrong_key", "WRONG_KEY", raw=True),
    Kind("tombstone", "TOMBSTONE", raw=True),
    Kind("not_utf8", "NOT_UTF8", raw=True),
    Kind("header_not_utf8", "BAD_HEADERS", raw=True),
    Kind("header_time", "BAD_HEADERS", raw=True),
    Kind("too_large", "TOO_LARGE", raw=True),
)
GOOD, LATE, REPEATED, CORRECTED, SUPERSEDED, ID_CONFLICT, VERSION_CONFLICT, MOVED_ASSESSMENT = range(8)
MALFORMED = tuple(range(MOVED_ASSESSMENT + 1, len(KINDS)))

_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace


def event_line(fact: Fact) -> bytes:
    """The fact as a structured-mode CloudEvent."""
    data = fact.data
    return _encode(
        Event(
            "1.0",
            fact.id,
            SOURCES[data.topic],
            data.type,
            data.uscc,
            moment_text(fact.time),
            "application/json",
            data,
        )
    )


def good(fact: Fact) -> Arrival:
    return _arrival(fact, fact.time, GOOD)


def arrivals(fact: Fact, corruption: Corruption, rng: random.Random) -> list[Arrival]:
    """One fact as it arrives: usually just itself. One number is drawn per fact, more only for what goes wrong."""
    chosen = rng.random()
    if fact.replaced:
        # Whatever befell it would be settled by the version after it, and not as the kinds say.
        return [good(fact)]
    if chosen < (upto := corruption.late):
        return [_arrival(fact, fact.time + 1 + int(rng.random() * corruption.late_days * DAY_SECONDS), LATE)]
    if chosen < (upto := upto + corruption.repeated):
        return [good(fact), _arrival(fact, _later(fact, rng), REPEATED)]
    if chosen < (upto := upto + corruption.corrected):
        return _corrected(fact, rng)
    if chosen < (upto := upto + corruption.superseded):
        return _superseded(fact, rng)
    if chosen < (upto := upto + corruption.id_conflict):
        other = Fact(fact.time, fact.id, otherwise(fact.data, rng))
        return [good(fact), _arrival(other, _later(fact, rng), ID_CONFLICT)]
    if chosen < upto + corruption.version_conflict:
        return _version_conflict(fact, rng)
    return [good(fact)]


def otherwise(data: Data, rng: random.Random) -> Data:
    """The same business id with other, equally well-formed content."""
    match data:
        case Registered():
            if data.payee is not None and rng.random() < 0.3:
                payee = _replace(data.payee, account_number=f"62{int(rng.random() * 10**15):015d}")
                if payee != data.payee:
                    return _replace(data, payee=payee)
            return _replace(data, annual_revenue_fen=_near(data.annual_revenue_fen, rng))
        case Deregistered():
            return _replace(data, deregistered_on="2020-07-31")
        case Assessed():
            return _replace(data, employer_amount_fen=_near(data.employer_amount_fen, rng))
        case Paid() | BillPaid() | BillIssued():
            return _replace(data, amount_fen=_near(data.amount_fen, rng))
        case Headcount():
            return _replace(data, insured_employees=_near(data.insured_employees, rng))
        case Layoffs():
            return _replace(data, laid_off=_near(data.laid_off, rng))
        case YearSettled():
            amount = _near(data.unemployment_premium_paid_fen, rng)
            return _replace(data, unemployment_premium_paid_fen=amount)
        case DisconnectionRequested():
            return _replace(data, reason=f"{data.reason}, second notice")
        case HoldoverApplied():
            return _replace(data, declared_difficulty=not data.declared_difficulty)
        case HoldoverWithdrawal() | RefundDeclined():
            return _replace(data, submitted_on="2020-07-31")
    raise AssertionError(f"no other content for {type(data)}")


def _near(amount: int, rng: random.Random) -> int:
    """Another amount, up to a fifth away and never negative."""
    change = 1 + int(amount * 0.2 * rng.random())
    return amount - change if amount > change and rng.random() < 0.5 else amount + change


def _arrival(fact: Fact, at: int, kind: int) -> Arrival:
    return Arrival(at, kind, fact.data.topic, fact.data.type, event_line(fact))


def _later(fact: Fact, rng: random.Random) -> int:
    return fact.time + _HOUR + int(rng.random() * 15 * DAY_SECONDS)


def _next(fact: Fact, data: Data, at: int) -> Fact:
    """`data` as the next version of `fact`; ids of versioned facts end in their version, which has one digit."""
    version = int(fact.id[-1]) + 1
    return Fact(at, f"{fact.id[:-1]}{version}", _replace(data, version=version))


def _corrected(fact: Fact, rng: random.Random) -> list[Arrival]:
    if not hasattr(fact.data, "version"):
        return [good(fact)]
    at = _later(fact, rng)
    second = _next(fact, otherwise(fact.data, rng), at)
    return [good(fact), _arrival(second, at, CORRECTED)]


def _superseded(fact: Fact, rng: random.Random) -> list[Arrival]:
    """What is true goes out as the next version, and the one that it replaced comes in after it."""
    if not hasattr(fact.data, "version"):
        return [good(fact)]
    second = _next(fact, fact.data, fact.time)
    first = Fact(fact.time - _HOUR, fact.id, otherwise(fact.data, rng))
    return [good(second), _arrival(first, _later(fact, rng), SUPERSEDED)]


def _version_conflict(fact: Fact, rng: random.Random) -> list[Arrival]:
    data = fact.data
    at = _later(fact, rng)
    if isinstance(data, Assessed) and rng.random() < 0.3:
        # All versions of an assessment name the same insurance and period.
        other = next(insurance for insurance in ("pension", "medical") if insurance != data.insurance)
        moved = Fact(at, f"{fact.id}-moved", _replace(data, version=2, insurance=other))
        return [good(fact), _arrival(moved, at, MOVED_ASSESSMENT)]
    if not hasattr(data, "version") and not isinstance(data, Paid | BillPaid | Deregistered):
        return [good(fact)]
    return [good(fact), _arrival(Fact(at, f"{fact.id}-again", otherwise(data, rng)), at, VERSION_CONFLICT)]
