"""What a policy pack's files hold, file by file; services/eligibility/packs.py reads them."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Citation = Annotated[str, Field(min_length=10)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class File(BaseModel):
    """One file of a pack; a key that it does not name is refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class About(File):
    name: str
    version: str
    jurisdiction: str
    source: Citation


class Window(File):
    first_day: date
    last_day: date
    citation: Citation
    deregistration_citation: Citation


class DatedRate(File):
    since: date
    value: BasisPoints | None


class Timeline(File):
    citation: Citation
    values: Annotated[list[DatedRate], Field(min_length=1)]


class SmeLarge(File):
    sme: Timeline
    large: Timeline


class Contributions(File):
    unit: str
    periods_at_most: Annotated[int, Field(ge=1, le=12)]
    rates: dict[str, SmeLarge]


class Where(File):
    southern: BasisPoints | None
    other: BasisPoints | None


class RefundRates(File):
    sme: Where
    large: Where


class Layoffs(File):
    limit: BasisPoints
    small_insured_at_most: Annotated[int, Field(ge=0)]
    small_limit: BasisPoints
    citation: Citation


class Refund(File):
    unit: str
    reference_year: int
    citation: Citation
    rates: RefundRates
    layoffs: Layoffs


class Holdover(File):
    repay_from: date
    instalments: Annotated[int, Field(ge=1, le=60)]
    grace_days: Annotated[int, Field(ge=0, le=365)]
    citation: Citation


class Prefecture(File):
    name: str
    southern: bool


class Prefectures(File):
    citation: Citation
    prefectures: dict[str, Prefecture]


class Bounds(File):
    employees: Annotated[int, Field(ge=0)] | None = None
    revenue: Annotated[int, Field(ge=0)] | None = None
    assets: Annotated[int, Field(ge=0)] | None = None


class IndustryRow(File):
    name: str
    large: Bounds
    medium: Bounds
    small: Bounds


class Sizes(File):
    unit: str
    citation: Citation
    industries: dict[str, IndustryRow]


FILES: dict[str, type[File]] = {
    "pack.yaml": About,
    "window.yaml": Window,
    "contributions.yaml": Contributions,
    "refund.yaml": Refund,
    "holdover.yaml": Holdover,
    "prefectures.yaml": Prefectures,
    "sizes.yaml": Sizes,
}
