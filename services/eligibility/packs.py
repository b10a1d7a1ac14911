"""Policy packs: strictly read from their files, hashed, and turned into the rules' own types.

The hash is over the parsed content, canonically written, so that a comment or a reordered key does not change it and
a changed value always does. A pack can be made again from that content alone: so it is kept in the log, by its hash.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from services.eligibility.domain import pack as rules
from services.eligibility.pack_checks import check
from services.eligibility.pack_files import FILES, Bounds, ByPlace, BySize, File, Parameter, Sizes
from services.eligibility.pack_yaml import Source, read
from shared.streaming.errors import Stop

INSTALLED = Path(__file__).parent / "policy"


class Loaded(NamedTuple):
    """A pack with its canonical content: file name to what the file says, in JSON's own types."""

    pack: rules.Pack
    content: dict[str, Any]


def load(directory: Path) -> rules.Pack:
    """Read one pack; Stop with file, line and sentence where it is not right."""
    return load_with_content(directory).pack


def load_with_content(directory: Path) -> Loaded:
    sources = {name: read(directory / name) for name in FILES}
    files = {name: _validate(sources[name], model) for name, model in FILES.items()}
    content = _canonical({name: source.content for name, source in sources.items()})
    return Loaded(_build(files, content, lambda file, key: sources[file].where(key)), content)


def from_content(content: dict[str, Any]) -> rules.Pack:
    """The pack that was hashed as `content`; Stop where it is not one."""
    if set(content) != set(FILES):
        raise Stop(f"This is no policy pack: it has the files {', '.join(sorted(content))}.")
    files = {}
    for name, model in FILES.items():
        try:
            files[name] = model.model_validate_json(json.dumps(content[name]))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise Stop(f"This is no policy pack: {name}: {key}: {first['msg']}.") from None
    return _build(files, content, lambda file, key: f"{file}: {key}")


def directories() -> list[Path]:
    """Of every pack that ships with this version."""
    return [path.parent for path in sorted(INSTALLED.glob("*/pack.yaml"))]


@cache
def _shipped() -> dict[str, Loaded]:
    packs = [load_with_content(directory) for directory in directories()]
    return {loaded.pack.ref.sha256: loaded for loaded in packs}


def installed() -> dict[str, rules.Pack]:
    """Every pack that ships with this version, by hash."""
    return {sha256: loaded.pack for sha256, loaded in _shipped().items()}


def directory_of(name: str) -> Path:
    """Where a pack's files are: an installed pack by name, or the path of its directory."""
    if (INSTALLED / name / "pack.yaml").is_file():
        return INSTALLED / name
    if not Path(name).is_dir():
        known = ", ".join(directory.name for directory in directories())
        raise Stop(f"There is no policy pack {name!r}, and no directory of that name; installed are: {known}.")
    return Path(name)


def named(name: str) -> rules.Pack:
    """An installed pack by name, or by the path of its directory."""
    return load(directory_of(name))


def by_hash(sha256: str) -> rules.Pack:
    """An installed pack by hash, or Stop: deciding by another one would be a different law."""
    loaded = _shipped().get(sha256)
    if loaded is None:
        raise Stop(
            f"The log activates policy pack {sha256[:12]}…, which is not installed here; "
            "install the version that has it."
        )
    return loaded.pack


def content(sha256: str) -> dict[str, Any] | None:
    """The canonical content of an installed pack."""
    loaded = _shipped().get(sha256)
    return None if loaded is None else loaded.content


def content_hash(content: dict[str, Any]) -> str:
    """SHA-256, 64 hex digits, over the canonical JSON of the content."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_iso)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _canonical(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(content, default=_iso))
    return found


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a policy pack")


def _validate(source: Source, model: type[File]) -> File:
    try:
        return model.model_validate(source.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = tuple(first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in key) or "the file"
        raise Stop(f"Policy file {source.where(key)}: {name}: {message}.") from None


def _build(
    files: dict[str, Any], content: dict[str, Any], where: Callable[[str, tuple[str | int, ...]], str]
) -> rules.Pack:
    check(files, where)
    about, windows, refund = files["pack.yaml"], files["window.yaml"], files["refund.yaml"]
    first_day = windows.window.first_day

    def now(file: str, key: str, parameter: Parameter[Any]) -> Any:
        """What is in force on the window's first day; a parameter that must have a value there."""
        value = _timeline(parameter).on(first_day)
        if value is None:
            raise Stop(f"Policy file {where(file, (key, 'values'))}: {key}: has no value in force on {first_day}.")
        return value

    holdover = files["holdover.yaml"]
    return rules.Pack(
        ref=rules.PackRef(about.name, about.version, content_hash(content)),
        window=rules.Window(first_day, windows.window.last_day, windows.window.citation),
        sizes=_sizes(files["sizes.yaml"]),
        southern=frozenset(code for code, p in files["prefectures.yaml"].prefectures.items() if p.southern),
        contributions=rules.ContributionRules(
            rates={name: _by_size(rates) for name, rates in files["contributions.yaml"].rates.items()},
        ),
        refund=rules.RefundRules(
            reference_year=now("refund.yaml", "reference_year", refund.reference_year),
            rates={"sme": _by_place(refund.rates.sme, first_day), "large": _by_place(refund.rates.large, first_day)},
            layoff_limit_bp=now("refund.yaml", "layoff_limit", refund.layoff_limit),
            small_insured_at_most=now("refund.yaml", "small_insured_at_most", refund.small_insured_at_most),
            small_layoff_limit_bp=now("refund.yaml", "small_layoff_limit", refund.small_layoff_limit),
            citation=refund.rates.sme.other.citation,
            layoff_citation=f"{refund.layoff_limit.citation}; {refund.small_layoff_limit.citation}",
        ),
        holdover=rules.HoldoverRules(
            now("holdover.yaml", "repay_from", holdover.repay_from),
            now("holdover.yaml", "instalments", holdover.instalments),
            now("holdover.yaml", "grace_days", holdover.grace_days),
            holdover.eligible.citation,
        ),
        deregistration_citation=windows.still_registered.citation,
    )


def _timeline(parameter: Parameter[Any]) -> rules.Timeline[Any]:
    return rules.Timeline(tuple(rules.Dated(v.since, v.value) for v in parameter.values), parameter.citation)


def _by_size(rates: BySize) -> dict[str, rules.Timeline[int]]:
    return {"sme": _timeline(rates.sme), "large": _timeline(rates.large)}


def _by_place(rates: ByPlace, day: date) -> dict[str, int | None]:
    return {"southern": _timeline(rates.southern).on(day), "other": _timeline(rates.other).on(day)}


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
