"""Policy packs from their files: strictly read, hashed, and turned into the rules' own types.

The hash is over the parsed content, canonically written, so that a comment or a reordered key does not change it and
a changed value always does.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from services.eligibility.domain import pack as rules
from services.eligibility.pack_files import FILES, Bounds, DatedRate, File, Sizes, Timeline
from shared.contracts.vocabulary import INDUSTRIES, INSURANCES, PREFECTURES
from shared.streaming.errors import Stop

INSTALLED = Path(__file__).parent / "policy"


def load(directory: Path) -> rules.Pack:
    """Read one pack; Stop with file, key and sentence where it is not right."""
    contents = {name: _parse(directory / name) for name in FILES}
    files: dict[str, Any] = {name: _validate(directory / name, model, contents[name]) for name, model in FILES.items()}
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
    if (INSTALLED / name / "pack.yaml").is_file():
        return load(INSTALLED / name)
    if not Path(name).is_dir():
        known = ", ".join(sorted(path.parent.name for path in INSTALLED.glob("*/pack.yaml")))
        raise Stop(f"There is no policy pack {name!r}, and no directory of that name; installed are: {known}.")
    return load(Path(name))


def by_hash(sha256: str) -> rules.Pack:
    """The pack that the log names, or Stop: deciding by another one would be a different law."""
    pack = installed().get(sha256)
    if pack is None:
        raise Stop(
            f"The log activates policy pack {sha256[:12]}…, which is not installed here; "
            "install the version that has it."
        )
    return pack


def content_hash(contents: dict[str, Any]) -> str:
    canonical = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_iso)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a policy pack")


class _Loader(yaml.SafeLoader):
    """YAML as written: a key that occurs twice in one mapping is refused, where the library would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse(path: Path) -> Any:
    try:
        return yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506  # a SafeLoader
    except FileNotFoundError:
        raise Stop(f"Policy file {path.name} is missing in {path.parent.name}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError, ValueError) as error:
        # The library tells of the place on lines of their own.
        raise Stop(f"Policy file {_where(path)} cannot be read: {' '.join(str(error).split())}.") from None


def _validate(path: Path, model: type[File], content: Any) -> File:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Stop(f"Policy file {_where(path)}: {key}: {first['msg']}.") from None


def _where(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _timeline(file: Timeline) -> rules.Timeline[int]:
    return rules.Timeline(tuple(rules.Dated(v.since, v.value) for v in file.values), file.citation)


def _sizes(file: Sizes) -> rules.SizeStandard:
    def bounds(row: Bounds) -> rules.Bounds:
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

    def refuse(sentence: str) -> NoReturn:
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
    contributions = files["contributions.yaml"]
    for insurance, rates in contributions.rates.items():
        for size in ("sme", "large"):
            values = getattr(rates, size).values
            days = [value.since for value in values]
            if days != sorted(set(days)):
                refuse(f"contributions.yaml: {insurance}.{size}: dates must ascend without repeats.")
            if any(day.day != 1 for day in days):
                refuse(f"contributions.yaml: {insurance}.{size}: a rate begins on the first day of a month.")
            _check_months(refuse, f"contributions.yaml: {insurance}.{size}", values, contributions.periods_at_most)


def _check_months(refuse: Callable[[str], NoReturn], what: str, values: list[DatedRate], at_most: int) -> None:
    """No enterprise gets relief for more months than `periods_at_most`: the timelines end in time."""
    months = 0
    for value, following in zip_longest(values, values[1:]):
        if value.value is None:
            continue
        if following is None:
            refuse(f"{what}: the last value must be null, or relief never ends.")
        months += 12 * (following.since.year - value.since.year) + following.since.month - value.since.month
    if months > at_most:
        refuse(f"{what}: relief for {months} months, and periods_at_most is {at_most}.")
