"""Scalar types and closed word lists that the events share.

Amounts are integer fen (1 CNY = 100 fen). Dates are `YYYY-MM-DD`, periods `YYYY-MM`, both Asia/Shanghai.
All models are strict: a number in quotes, a float or a boolean is not an integer. Patterns mean the same in Rust's
and in ECMAScript's regular expressions: the published JSON Schemas carry them.
"""

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.uscc import is_valid

# 10 trillion CNY, some seven times the region's yearly product: whatever is above is a mistake, not money.
AMOUNT_MAX_FEN = 10**15
# Of sums: 9,000 amounts of the largest size, and still a 64-bit number.
TOTAL_MAX_FEN = 9 * 10**18
HEADS_MAX = 10_000_000
DETAILS_MAX_DEPTH = 8
DETAILS_MAX_VALUES = 1000

Insurance = Literal["pension", "unemployment", "work_injury", "medical"]
Utility = Literal["electricity", "water", "gas", "provident_fund"]
Industry = Literal[
    "agriculture",
    "industry",
    "construction",
    "wholesale",
    "retail",
    "transport",
    "warehousing",
    "postal",
    "accommodation",
    "catering",
    "telecom",
    "software",
    "real_estate",
    "property",
    "leasing",
    "other",
]
Prefecture = Literal[
    "650100",
    "650200",
    "650400",
    "650500",
    "652300",
    "652700",
    "652800",
    "652900",
    "653000",
    "653100",
    "653200",
    "654000",
    "654200",
    "654300",
    "659000",
]
SizeClass = Literal["large", "medium", "small", "micro"]
Measure = Literal["exemption", "contribution_return", "refund", "holdover"]
Outcome = Literal["granted", "denied", "pending"]
Programme = Literal["job_stabilisation", "contribution_return"]

# PostgreSQL stores no NUL, terminals obey escapes, and readers of JSON Lines split at U+0085 and U+2028.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")

INDUSTRIES: tuple[str, ...] = get_args(Industry)
PREFECTURES: tuple[str, ...] = get_args(Prefecture)
INSURANCES: tuple[str, ...] = get_args(Insurance)


def _check_uscc(code: str) -> str:
    if not is_valid(code):
        raise PydanticCustomError(
            "bad_uscc", "is not a unified social credit code (18 characters, GB 32100-2015 check character)"
        )
    return code


class _Written:
    """In JSON: text of this shape before it is parsed. Pydantic's parsers alone also take a number in quotes."""

    def __init__(self, pattern: str, json_format: str) -> None:
        self.pattern, self.format = pattern, json_format

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        parsed = handler(source)
        text = core_schema.str_schema(pattern=self.pattern, strict=True)
        in_json = core_schema.chain_schema([text, {**parsed, "strict": False}])
        return core_schema.json_or_python_schema(json_schema=in_json, python_schema=parsed)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": self.format, "pattern": self.pattern}


def _check_details(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for count, (depth, value) in enumerate(_values(details, 1), 1):
        if depth > DETAILS_MAX_DEPTH or count > DETAILS_MAX_VALUES:
            raise PydanticCustomError("bad_details", "is nested too deeply or holds too many values")
        if isinstance(value, float) and not math.isfinite(value):
            raise PydanticCustomError("bad_details", "holds a number that JSON cannot write")
        if isinstance(value, str) and _UNWRITABLE.search(value):
            raise PydanticCustomError("bad_details", "holds a control character")
    return details


def _values(value: JsonValue, depth: int) -> Iterator[tuple[int, JsonValue]]:
    yield depth, value
    # One level past the limit is enough to see that it is passed.
    if depth <= DETAILS_MAX_DEPTH and isinstance(value, dict | list):
        inner = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        for part in inner:
            yield from _values(part, depth + 1)


Uscc = Annotated[
    str,
    AfterValidator(_check_uscc),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9A-HJ-NP-RTUWXY]{18}$",
            "description": "unified social credit code; the last character is its GB 32100-2015 check character",
        }
    ),
]
Amount = Annotated[int, Field(ge=0, le=AMOUNT_MAX_FEN)]
# What adds up amounts: no record of ours may be one that a reader of ours refuses.
Total = Annotated[int, Field(ge=0, le=TOTAL_MAX_FEN)]
SignedTotal = Annotated[int, Field(ge=-TOTAL_MAX_FEN, le=TOTAL_MAX_FEN)]
Heads = Annotated[int, Field(ge=0, le=HEADS_MAX)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Year = Annotated[int, Field(ge=1990, le=2100)]
Period = Annotated[str, StringConstraints(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$")]
# No control characters and no line separators, as above; Text may have tabs and line ends.
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
Text = Annotated[
    str, StringConstraints(max_length=4096, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]*$")
]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[
    date,
    Field(ge=date(1900, 1, 1), le=date(2199, 12, 31)),
    _Written(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "date"),
]
# RFC 3339. The range keeps every conversion to another time zone inside the calendar.
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2199, 12, 31, tzinfo=UTC)),
    _Written(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        "date-time",
    ),
]
# JSON of any shape within limits; its measure's entry in the casework catalogue types it.
Details = Annotated[dict[Name, JsonValue], AfterValidator(_check_details)]
