"""Policy packs from their files: strictly read, hashed, and turned into the rules' own types.

The hash is over the parsed content, canonically written, so that a comment or a reordered key does not change it and
a changed value always does.
"""

import hashlib
import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.eligibility.domain import pack as rules
from shared.contracts.vocabulary import INDUSTRIES, INSURANCES, PREFECTURES
from shared.streaming.errors import Stop

INSTALLED = Path(__file__).parent / "policy"

Citation = Annotated[str, Field(min_length=10)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _About(_File):
    name: str
    version: str
    jurisdiction: str
    source: Citation


class _Window(_File):
    first_day: date
    last_day: date
    citation: Citation
    deregistration_citation: Citation


class _DatedRate(_File):
    since: date
    value: BasisPoints | None


class _Timeline(_File):
    citation: Citation
    values: Annotated[list[_DatedRate], Field(min_length=1)]


class _SmeLarge(_File):
    sme: _Timeline
    large: _Timeline


class _Contributions(_File):
    unit: str
    periods_at_most: Annotated[int, Field(ge=1, le=12)]
    rates: dict[str, _SmeLarge]


class _Where(_File):
    southern: BasisPoints | None
    other: BasisPoints | None


class _RefundRates(_File):
    sme: _Where
    large: _Where


class _Layoffs(_File):
    limit: BasisPoints
    small_insured_at_most: Annotated[int, Field(ge=0)]
    small_limit: BasisPoints
    citation: Citation


class _Refund(_File):
    unit: str
    reference_year: int
    citation: Citation
    rates: _RefundRates
    layoffs: _Layoffs


class _Holdover(_File):
    repay_from: date
    instalments: Annotated[int, Field(ge=1, le=60)]
    grace_days: Annotated[int, Field(ge=0, le=365)]
    citation: Citation


class _Prefecture(_File):
    name: str
    southern: bool


class _Prefectures(_File):
    citation: Citation
    prefectures: dict[str, _Prefecture]


class _Bounds(_File):
    employees: Annotated[int, Field(ge=0)] | None = None
    revenue: Annotated[int, Field(ge=0)] | None = None
    assets: Annotated[int, Field(ge=0)] | None = None


class _IndustryRow(_File):
    name: str
    large: _Bounds
    medium: _Bounds
    small: _Bounds


class _Sizes(_File):
    unit: str
    citation: Citation
    industries: dict[str, _IndustryRow]


_FILES: dict[str, type[_File]] = {
    "pack.yaml": _About,
    "window.yaml": _Window,
    "contributions.yaml": _Contributions,
    "refund.yaml": _Refund,
    "holdover.yaml": _Holdover,
    "prefectures.yaml": _Prefectures,
    "sizes.yaml": _Sizes,
}


def load(directory: Path) -> rules.Pack:
    """Read one pack; Stop with file, key and sentence where it is not right."""
    contents = {name: _parse(directory / name) for name in _FILES}
    files: dict[str, Any] = {name: _validate(directory / name, model, contents[name]) for name, model in _FILES.items()}
    _check_coverage(directory, files)
    about, window, refund = files["pack.yaml"], files["window.yaml"], files["refund.yaml"]
    contributions, holdover = files["contributions.yaml"], files["holdover.yaml"]
    return rules.Pack(
        ref=rules.PackRef(about.name, about.version, content_hash(contents)),
        window=rules.Window(window.first_day, window.last_day, window.citation),
        sizes=_sizes(files["sizes.yaml"]),
        southern=frozenset(code for code, p in files["prefectures.yaml"].prefectures.items() if p.southern),
        contributions=rules.ContributionRules(
            rates={
                insurance: {"sme": _timeline(rates.sme), "large": _timeline(rates.large)}
                for insurance, rates in contributions.rates.items()
            },
            periods_at_most=contributions.periods_at_most,
        ),
        refund=rules.RefundRules(
            reference_year=refund.reference_year,
            rates={name: dict(getattr(refund.rates, name)) for name in ("sme", "large")},
            layoff_limit_bp=refund.layoffs.limit,
            small_insured_at_most=refund.layoffs.small_insured_at_most,
            small_layoff_limit_bp=refund.layoffs.small_limit,
            citation=refund.citation,
            layoff_citation=refund.layoffs.citation,
        ),
        holdover=rules.HoldoverRules(holdover.repay_from, holdover.instalments, holdover.grace_days, holdover.citation),
        deregistration_citation=window.deregistration_citation,
    )


@cache
def installed() -> dict[str, rules.Pack]:
    """Every pack that ships with this version, by hash: a replay finds the one that was in force."""
    packs = [load(path.parent) for path in sorted(INSTALLED.glob("*/pack.yaml"))]
    return {pack.ref.sha256: pack for pack in packs}


def named(name: str) -> rules.Pack:
    """An installed pack by name, or by the path of its directory."""
    directory = Path(name) if Path(name).is_dir() else INSTALLED / name
    if not (directory / "pack.yaml").is_file():
        known = ", ".join(sorted(path.parent.name for path in INSTALLED.glob("*/pack.yaml")))
        raise Stop(f"There is no policy pack {name!r}; installed are: {known}.")
    return load(directory)


def by_hash(sha256: str) -> rules.Pack:
    """The pack that the log names, or Stop: deciding by another one would be a different law."""
    pack = installed().get(sha256)
    if pack is None:
        raise Stop(
            f"The log activates policy pack {sha256[:12]}…, which is not installed here; install the version that has it."
        )
    return pack


def content_hash(contents: dict[str, Any]) -> str:
    canonical = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_iso)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a policy pack")


def _parse(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Stop(f"Policy file {path.name} is missing in {path.parent.name}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Stop(f"Policy file {path.parent.name}/{path.name} cannot be read: {error}") from None


def _validate(path: Path, model: type[_File], content: Any) -> _File:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Stop(f"Policy file {path.parent.name}/{path.name}: {key}: {first['msg']}.") from None


def _timeline(file: _Timeline) -> rules.Timeline[int]:
    return rules.Timeline(tuple(rules.Dated(v.since, v.value) for v in file.values), file.citation)


def _sizes(file: _Sizes) -> rules.SizeStandard:
    def bounds(row: _Bounds) -> rules.Bounds:
        revenue = None if row.revenue is None else row.revenue * 100
        assets = None if row.assets is None else row.assets * 100
        return rules.Bounds(row.employees, revenue, assets)

    classes = {
        code: tuple((name, bounds(getattr(row, name))) for name in ("large", "medium", "small"))
        for code, row in file.industries.items()
    }
    return rules.SizeStandard(classes, file.citation)


def _check_coverage(directory: Path, files: dict[str, Any]) -> None:
    """What no single file can say of itself."""
    name = directory.name

    def refuse(sentence: str) -> None:
        raise Stop(f"Policy pack {name}: {sentence}")

    for what, have, want in (
        ("sizes.yaml industries", files["sizes.yaml"].industries, INDUSTRIES),
        ("prefectures.yaml prefectures", files["prefectures.yaml"].prefectures, PREFECTURES),
        ("contributions.yaml rates", files["contributions.yaml"].rates, INSURANCES),
    ):
        if set(have) != set(want):
            refuse(
                f"{what} must be exactly the contract's codes; differing: {', '.join(sorted(set(have) ^ set(want)))}."
            )
    window = files["window.yaml"]
    if window.first_day > window.last_day:
        refuse("window.yaml: first_day is after last_day.")
    for insurance, rates in files["contributions.yaml"].rates.items():
        for size in ("sme", "large"):
            days = [value.since for value in getattr(rates, size).values]
            if days != sorted(set(days)):
                refuse(f"contributions.yaml: {insurance}.{size}: dates must ascend without repeats.")
