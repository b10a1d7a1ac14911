"""Scalar types and closed word lists that the events share.

Amounts are integer fen (1 CNY = 100 fen). Dates are `YYYY-MM-DD`, periods `YYYY-MM`, both Asia/Shanghai.
All models are strict: a number in quotes, a float or a boolean is not an integer.
"""

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.uscc import is_valid

# 10 trillion CNY, some seven times the region's yearly product: whatever is above is a mistake, not money.
AMOUNT_MAX_FEN = 10**15
HEADS_MAX = 10_000_000

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

INDUSTRIES: tuple[str, ...] = get_args(Industry)
PREFECTURES: tuple[str, ...] = get_args(Prefecture)
INSURANCES: tuple[str, ...] = get_args(Insurance)


def _check_uscc(code: str) -> str:
    if not is_valid(code):
        raise PydanticCustomError(
            "bad_uscc", "is not a unified social credit code (18 characters, GB 32100-2015 check character)"
        )
    return code


Uscc = Annotated[str, AfterValidator(_check_uscc)]
Amount = Annotated[int, Field(ge=0, le=AMOUNT_MAX_FEN)]
SignedAmount = Annotated[int, Field(ge=-AMOUNT_MAX_FEN, le=AMOUNT_MAX_FEN)]
Heads = Annotated[int, Field(ge=0, le=HEADS_MAX)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Year = Annotated[int, Field(ge=1990, le=2100)]
Period = Annotated[str, StringConstraints(pattern=r"\A(19|20)[0-9][0-9]-(0[1-9]|1[0-2])\z")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=4096)]
Hash = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{32}\z")]
Sha256 = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]
