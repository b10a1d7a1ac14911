"""What a policy pack's files hold, file by file; services/eligibility/packs.py reads them.

Every parameter says in one sentence what it means, in which unit it stands, on what it rests, and its values by the day
from which each is in force. A repeal is written (`value: null`), never left out.
"""

from datetime import date
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

V = TypeVar("V")

Sentence = Annotated[str, Field(min_length=10)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Yuan = Annotated[int, Field(ge=0, le=10**13)]


class File(BaseModel):
    """One file of a pack, or a part of one; a key that it does not name is refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Stated(File):
    """What every parameter says of itself."""

    sentence: Sentence
    unit: Annotated[str, Field(min_length=3)]
    citation: Sentence


class Since(File, Generic[V]):
    since: date
    value: V | None


class Parameter(Stated, Generic[V]):
    values: Annotated[list[Since[V]], Field(min_length=1)]

    @model_validator(mode="after")
    def _ascend(self) -> "Parameter[V]":
        days = [value.since for value in self.values]
        if days != sorted(set(days)):
            raise ValueError("dates must ascend without repeats")
        return self


class About(File):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{3,64}$")]
    version: Annotated[str, Field(min_length=1)]
    jurisdiction: Annotated[str, Field(min_length=3)]
    source: Sentence
    # The sentences of the source that the measures rest on, by measure.
    text: dict[str, Sentence]


class Window(Stated):
    first_day: date
    last_day: date


class Windows(File):
    window: Window
    still_registered: Stated


class BySize(File):
    sme: Parameter[BasisPoints]
    large: Parameter[BasisPoints]


class Contributions(File):
    periods_at_most: Parameter[Annotated[int, Field(ge=1, le=24)]]
    rates: dict[str, BySize]


class ByPlace(File):
    southern: Parameter[BasisPoints]
    other: Parameter[BasisPoints]


class RefundRates(File):
    sme: ByPlace
    large: ByPlace


class Refund(File):
    reference_year: Parameter[Annotated[int, Field(ge=1990, le=2100)]]
    rates: RefundRates
    layoff_limit: Parameter[BasisPoints]
    small_insured_at_most: Parameter[Count]
    small_layoff_limit: Parameter[BasisPoints]


class Holdover(File):
    eligible: Stated
    repay_from: Parameter[date]
    instalments: Parameter[Annotated[int, Field(ge=1, le=60)]]
    grace_days: Parameter[Annotated[int, Field(ge=0, le=365)]]


class Prefecture(File):
    name: Annotated[str, Field(min_length=3)]
    southern: bool


class Prefectures(Stated):
    since: date
    prefectures: dict[str, Prefecture]


class Bounds(File):
    employees: Count | None = None
    revenue: Yuan | None = None
    assets: Yuan | None = None


class IndustryRow(File):
    name: Annotated[str, Field(min_length=3)]
    large: Bounds
    medium: Bounds
    small: Bounds


class Sizes(Stated):
    since: date
    industries: dict[str, IndustryRow]


FILES: dict[str, type[File]] = {
    "pack.yaml": About,
    "window.yaml": Windows,
    "contributions.yaml": Contributions,
    "refund.yaml": Refund,
    "holdover.yaml": Holdover,
    "prefectures.yaml": Prefectures,
    "sizes.yaml": Sizes,
}
