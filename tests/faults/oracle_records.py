"""The oracle's first half: from a line of bytes to a fact, or to the code that says why not.

Written from the published contracts alone. The field lists below are typed out again on purpose: an oracle that
shared the system's models would share their mistakes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

ABSURD = 10**15  # an integer above this is absurd; the number itself still passes

PREFECTURE_CODES = """
650100 650200 650400 650500 652300 652700 652800 652900 653000 653100 653200 654000 654200 654300 659000
"""
INDUSTRY_CODES = """
agriculture industry construction wholesale retail transport warehousing postal accommodation catering telecom software
real_estate property leasing other
"""
PREFECTURES = frozenset(PREFECTURE_CODES.split())
INDUSTRIES = frozenset(INDUSTRY_CODES.split())
INSURANCES = frozenset({"pension", "unemployment", "work_injury", "medical"})
UTILITIES = frozenset({"electricity", "water", "gas", "provident_fund"})

REGISTERED = "cn.tax.enterprise.registered.v1"
DEREGISTERED = "cn.tax.enterprise.deregistered.v1"
ASSESSED = "cn.tax.contribution.assessed.v1"
PAID = "cn.tax.contribution.paid.v1"
HEADCOUNT = "cn.insurance.headcount.reported.v1"
LAYOFFS = "cn.insurance.layoffs.reported.v1"
YEAR = "cn.insurance.year.settled.v1"
BILL = "cn.utility.bill.issued.v1"
BILL_PAID = "cn.utility.bill.paid.v1"
DISCONNECTION = "cn.utility.disconnection.requested.v1"
APPLIED = "relief.holdover.applied.v1"
WITHDRAWN = "relief.holdover.withdrawal.v1"
DECLINED = "relief.refund.declined.v1"
NEED = "relief.need.registered.v1"

# type -> its fields in the contract's order as "name:kind" ("uscc" is in all), and the fields that make its business
# id. "@" stands for the enterprise; a business id without it means the same thing whichever enterprise sends it.
TYPES: Mapping[str, tuple[str, str]] = {
    REGISTERED: (
        "version:version name:text industry:industry prefecture:prefecture registered_on:date effective_on:date "
        "employees:integer annual_revenue_fen:integer total_assets_fen:integer payee:payee",
        "@ effective_on",
    ),
    DEREGISTERED: ("deregistered_on:date", "@"),
    ASSESSED: (
        "assessment_id:id version:version insurance:insurance period:period employer_amount_fen:integer due_on:date",
        "assessment_id",
    ),
    PAID: ("assessment_id:id payment_id:id amount_fen:integer paid_on:date", "payment_id"),
    HEADCOUNT: ("period:period version:version insured_employees:integer", "@ period"),
    LAYOFFS: ("period:period version:version laid_off:integer", "@ period"),
    YEAR: ("year:year version:version unemployment_premium_paid_fen:integer", "@ year"),
    BILL: (
        "bill_id:id version:version utility:utility supplier_id:id account_no:id period:period amount_fen:integer "
        "due_on:date production_use:flag",
        "bill_id",
    ),
    BILL_PAID: ("bill_id:id payment_id:id amount_fen:integer paid_on:date", "payment_id"),
    DISCONNECTION: (
        "request_id:id utility:utility supplier_id:id account_no:id reason:text requested_on:date",
        "@ request_id",
    ),
    APPLIED: (
        "application_id:id utilities:utilities declared_difficulty:flag contact:text submitted_on:date",
        "@ application_id",
    ),
    WITHDRAWN: ("application_id:id submitted_on:date", "@ application_id"),
    DECLINED: ("application_id:id year:year submitted_on:date", "@ application_id"),
    NEED: ("application_id:id measure:id details:object contact:text submitted_on:date", "@ application_id"),
}


class RejectedError(Exception):
    """This line is no fact; `args[0]` is the code."""


@dataclass(frozen=True)
class Fact:
    """One well-formed record. `content` is canonical: equal exactly when type and the contract's fields are equal."""

    type: str
    uscc: str
    source: str
    event_id: str
    time: datetime
    version: int
    business_id: tuple[str, ...]
    content: str
    text: Mapping[str, str]
    number: Mapping[str, int]
    flag: Mapping[str, bool]


def check_character(first_seventeen: str) -> str:
    """GB 32100-2015: 31 minus the weighted sum modulo 31, and 31 itself is written 0."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    total = sum(weight * alphabet.index(letter) for weight, letter in zip(weights, first_seventeen, strict=True))
    return alphabet[(31 - total % 31) % 31]


def is_uscc(value: str) -> bool:
    return re.fullmatch("[0-9A-HJ-NPQRTUWXY]{18}", value) is not None and check_character(value[:17]) == value[17]


def is_date(value: object) -> bool:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_period(value: object) -> bool:
    return isinstance(value, str) and is_date(f"{value}-01")


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def moment(value: object) -> datetime:
    """RFC 3339 with an offset. Digits beyond the microsecond are cut, never rounded into the next day."""
    shape = "([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
    match = re.fullmatch(shape, value) if isinstance(value, str) else None
    if match is None:
        raise RejectedError("INVALID_FIELD")
    day, clock, fraction, offset = match.groups()
    fraction = (fraction or ".0")[:7].ljust(7, "0")
    try:
        return datetime.fromisoformat(f"{day}T{clock}{fraction}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        raise RejectedError("INVALID_FIELD") from None


def is_due_before_assessed(due_on: str, period: str, time: datetime) -> bool:
    """Due in a year before the period's own, and on a day before the record's, as the clocks of Shanghai have it."""
    recorded_on = (time.astimezone(UTC) + timedelta(hours=8)).date()
    return due_on[:4] < period[:4] and due_on < recorded_on.isoformat()


def check_payee(value: object) -> object:
    """The payee with nothing but the contract's fields, so that extra ones do not count as other content."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RejectedError("INVALID_FIELD")
    names = ("account_name", "account_number", "bank_code")
    if any(name not in value for name in names):
        raise RejectedError("MISSING_FIELD")
    bank = value["bank_code"]
    if not all(is_name(value[name]) for name in names) or not re.fullmatch("[0-9]{12}", bank):
        raise RejectedError("INVALID_FIELD")
    return {name: value[name] for name in names}


def check(kind: str, value: object) -> None:
    """Raise the code that `value` earns as a field of this kind; return when it is fine."""
    valid = {
        "text": isinstance(value, str),
        "id": is_name(value),
        "industry": isinstance(value, str),
        "prefecture": isinstance(value, str),
        "uscc": isinstance(value, str),
        "date": is_date(value),
        "period": is_period(value),
        "integer": is_integer(value),
        "version": is_integer(value),
        "year": is_integer(value),
        "flag": isinstance(value, bool),
        "object": isinstance(value, dict),
        "insurance": isinstance(value, str) and value in INSURANCES,
        "utility": isinstance(value, str) and value in UTILITIES,
        "utilities": isinstance(value, list)
        and value != []
        and all(isinstance(one, str) and one in UTILITIES for one in value),
    }[kind]
    if not valid:
        raise RejectedError("INVALID_FIELD")
    if isinstance(value, str):
        if kind == "uscc" and not is_uscc(value):
            raise RejectedError("BAD_USCC")
        if kind == "prefecture" and value not in PREFECTURES:
            raise RejectedError("UNKNOWN_PREFECTURE")
        if kind == "industry" and value not in INDUSTRIES:
            raise RejectedError("UNKNOWN_INDUSTRY")
    elif isinstance(value, int):
        lowest, highest = {"version": (1, ABSURD), "year": (1, 9999)}.get(kind, (0, ABSURD))
        if kind != "flag" and not lowest <= value <= highest:
            raise RejectedError("OUT_OF_RANGE")


def decode(line: bytes) -> dict[str, object]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise RejectedError("NOT_UTF8") from None

    def no_constant(_: str) -> object:
        raise RejectedError("NOT_JSON")  # NaN and Infinity are Python's, not JSON's

    def bounded(digits: str) -> int:
        return int(digits) if len(digits) < 25 else (-1 if digits.startswith("-") else 1) * 10**25

    try:
        value = json.loads(text, parse_constant=no_constant, parse_int=bounded)
    except (ValueError, RecursionError):
        raise RejectedError("NOT_JSON") from None
    if not isinstance(value, dict):
        raise RejectedError("NOT_JSON")
    return value


def read(line: bytes) -> Fact:
    """Raises RejectedError with the first code that applies: type, missing, each field in contract order, key."""
    event = decode(line)
    if "type" not in event:
        raise RejectedError("MISSING_FIELD")
    kind_of_event = event["type"]
    if not isinstance(kind_of_event, str):
        raise RejectedError("INVALID_FIELD")
    if kind_of_event not in TYPES:
        raise RejectedError("UNKNOWN_TYPE")
    if any(name not in event for name in ("specversion", "id", "source", "subject", "time", "data")):
        raise RejectedError("MISSING_FIELD")
    time = moment(event["time"])
    data = event["data"]
    if event["specversion"] != "1.0" or not isinstance(data, dict):
        raise RejectedError("INVALID_FIELD")
    if not all(is_name(event[name]) for name in ("id", "source", "subject")):
        raise RejectedError("INVALID_FIELD")

    fields, business = TYPES[kind_of_event]
    kinds = dict(pair.split(":") for pair in ("uscc:uscc " + fields).split())
    known: dict[str, object] = {name: data[name] for name in kinds if name in data}
    if "version" in kinds:
        known.setdefault("version", 1)
    if len(known) < len(kinds):
        raise RejectedError("MISSING_FIELD")
    for name, kind in kinds.items():
        if kind == "payee":
            known[name] = check_payee(known[name])
        else:
            check(kind, known[name])
    text = {name: value for name, value in known.items() if isinstance(value, str)}
    flag = {name: value for name, value in known.items() if isinstance(value, bool)}
    number = {name: value for name, value in known.items() if isinstance(value, int) and name not in flag}
    uscc = text["uscc"]
    if event["subject"] != uscc:
        raise RejectedError("WRONG_KEY")
    if kind_of_event == ASSESSED and is_due_before_assessed(text["due_on"], text["period"], time):
        raise RejectedError("INVALID_FIELD")
    parts = (uscc if name == "@" else str(known[name]) for name in business.split())
    return Fact(
        type=kind_of_event,
        uscc=uscc,
        source=str(event["source"]),
        event_id=str(event["id"]),
        time=time,
        version=number.get("version", 1),
        business_id=(kind_of_event, *parts),
        content=json.dumps([kind_of_event, known], sort_keys=True),
        text=text,
        number=number,
        flag=flag,
    )
