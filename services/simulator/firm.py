"""Who an enterprise of the region is: its code, place, industry, size and life span. Drawn from its own generator."""

import random
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from services.simulator.calendar import REFERENCE_MONTHS, WINDOW_MONTHS, day
from services.simulator.tables import INDUSTRIES, PREFECTURES, Bounds, Industry, Prefecture
from shared.uscc import ALPHABET, with_check_character

_PREFECTURE_WEIGHTS = list(accumulate(prefecture.weight for prefecture in PREFECTURES))
_INDUSTRY_WEIGHTS = list(accumulate(industry.weight for industry in INDUSTRIES))

LARGE_SHARE = 0.008
_EMPLOYEES_MAX = 60_000


@dataclass(frozen=True, slots=True)
class Limit:
    """Headcounts and layoffs that put the layoff test exactly at, or one person beside, one of its limits."""

    name: str
    # January, March, … and February, April, …, December.
    odd_months: int
    even_months: int
    laid_off: int


LIMITS = (
    Limit("5.5 % exactly", 200, 200, 11),
    Limit("20 % exactly with 30 insured", 30, 30, 6),
    Limit("one person over 5.5 %", 200, 200, 12),
    Limit("one person over 20 % with 30 insured", 30, 30, 7),
    Limit("20 % exactly with 31 insured in December", 29, 31, 6),
    Limit("20 % exactly with 29 insured in December", 31, 29, 6),
    Limit("20 % exactly with ten insured", 10, 10, 2),
    Limit("5.5 % exactly with 400 insured", 400, 400, 22),
)
# One enterprise in forty is such a case, by its index, so that even a tiny region has one.
_LIMIT_EVERY, _LIMIT_SLOT = 40, 7


@dataclass(frozen=True, slots=True)
class Size:
    employees: int
    revenue_fen: int
    assets_fen: int


@dataclass(frozen=True, slots=True)
class Firm:
    """Days are ordinals.

    `organisation` is the nine-character code inside the uscc, unique in the region. From `registered` on there are
    staff and dues; from `effective` on there is a registration in force.
    """

    index: int
    uscc: str
    organisation: str
    name: str
    prefecture: Prefecture
    industry: Industry
    size: Size
    size_class: str
    wage_fen: int
    insured: int
    registered: int
    effective: int
    deregistered: int | None
    limit: Limit | None


def draw_firm(index: int, seed: int, rng: random.Random) -> Firm:
    prefecture = PREFECTURES[_pick(rng, _PREFECTURE_WEIGHTS)]
    industry = INDUSTRIES[_pick(rng, _INDUSTRY_WEIGHTS)]
    limit = LIMITS[index // _LIMIT_EVERY % len(LIMITS)] if index % _LIMIT_EVERY == _LIMIT_SLOT else None
    large = rng.random() < LARGE_SHARE
    if limit is None:
        size = draw_size(rng, industry, large)
        insured = max(1, round(size.employees * (0.8 + 0.2 * rng.random())))
        if size.employees < 5 and rng.random() < 0.012:
            insured = 0
    else:
        insured = limit.even_months
        size = draw_size(rng, industry, large=False, employees=insured)
    registered, effective = _beginning(rng) if limit is None else _old(rng)
    organisation = _organisation(index, seed)
    return Firm(
        index=index,
        uscc=with_check_character(f"91{prefecture.code}{organisation}"),
        organisation=organisation,
        name=f"{prefecture.name}模拟{index:06d}号{industry.name}有限公司",
        prefecture=prefecture,
        industry=industry,
        size=size,
        size_class=industry.size_class(size.employees, size.revenue_fen, size.assets_fen),
        wage_fen=int(industry.wage_fen * rng.lognormvariate(0, 0.18)),
        insured=insured,
        registered=registered,
        effective=effective,
        deregistered=_end(rng, registered) if limit is None and rng.random() < 0.02 else None,
        limit=limit,
    )


def draw_size(rng: random.Random, industry: Industry, large: bool, employees: int | None = None) -> Size:
    """A size of the class `large`, or of any other class (log-normal, most of them micro)."""
    if employees is None:
        employees = max(1, int(rng.lognormvariate(1.55, 1.25)))
    if large:
        employees = min(_EMPLOYEES_MAX, int((industry.large.employees or 150) * rng.paretovariate(2.2)))
    revenue = int(employees * industry.turnover_fen * rng.lognormvariate(0, 0.6))
    assets = int(revenue * industry.assets_percent / 100 * rng.lognormvariate(0, 0.5))
    if large:
        return _raised(rng, industry.large, Size(employees, revenue, assets))
    if industry.large.met(employees, revenue, assets):
        return _lowered(rng, industry.large, Size(employees, revenue, assets))
    return Size(employees, revenue, assets)


def _raised(rng: random.Random, bounds: Bounds, size: Size) -> Size:
    """At least the bounds; one in ten exactly on them."""
    if rng.random() < 0.1:
        return Size(bounds.employees or size.employees, bounds.revenue or size.revenue_fen, bounds.assets or 0)
    return Size(
        size.employees,
        max(size.revenue_fen, int((bounds.revenue or 0) * rng.paretovariate(2.2))),
        max(size.assets_fen, int((bounds.assets or 0) * rng.paretovariate(2.2))),
    )


def _lowered(rng: random.Random, bounds: Bounds, size: Size) -> Size:
    """Below one of the bounds, which is enough."""
    share = 0.3 + 0.69 * rng.random()
    if bounds.revenue is not None:
        return Size(size.employees, int(bounds.revenue * share), size.assets_fen)
    if bounds.assets is not None:
        return Size(size.employees, size.revenue_fen, int(bounds.assets * share))
    return Size(int((bounds.employees or 1) * share), size.revenue_fen, size.assets_fen)


def _pick(rng: random.Random, cumulated: list[int]) -> int:
    chosen = rng.random() * cumulated[-1]
    return next(place for place, upto in enumerate(cumulated) if chosen < upto)


def between(rng: random.Random, first: int, last: int) -> int:
    """A whole number of `first` … `last`, both included; cheaper than randint."""
    return first + int(rng.random() * (last - first + 1))


_OLD = (day("2000-01-01"), day("2018-06-30"))
_RECORDED = (day("2018-07-01"), day("2018-12-31"))
_NEW_2019 = (day("2019-01-02"), day("2019-12-15"))
_NEW_2020 = (day("2019-12-16"), day("2020-05-29"))
_LATE_RECORD = (day("2020-02-15"), day("2020-04-15"))
_EDGES = tuple(day(text) for text in ("2019-12-31", "2020-01-01", "2020-02-01", "2020-02-02", "2020-03-01"))


def _old(rng: random.Random) -> tuple[int, int]:
    """Founded long ago, in the register since it became electronic in 2018."""
    return between(rng, *_OLD), between(rng, *_RECORDED)


def _beginning(rng: random.Random) -> tuple[int, int]:
    """The days of registration and from which it is in force."""
    kind = rng.random()
    if kind < 0.92:
        return _old(rng)
    if kind < 0.975:
        registered = between(rng, *_NEW_2019)
    elif kind < 0.994:
        registered = between(rng, *_NEW_2020) if rng.random() < 0.8 else _EDGES[between(rng, 0, len(_EDGES) - 1)]
    else:
        # Working since 2019, yet on record only from within the window: the days before have no registration.
        return between(rng, *_NEW_2019), between(rng, *_LATE_RECORD)
    return registered, registered


_END = (day("2019-09-01"), day("2020-06-25"))
_MONTH_EDGES = [edge for month in (REFERENCE_MONTHS[-1], *WINDOW_MONTHS) for edge in (month.first, month.last)]


def _end(rng: random.Random, registered: int) -> int:
    """A day of deregistration; four in ten on the first or last day of a month, where the rules have their edges."""
    ended = between(rng, *_END) if rng.random() < 0.6 else _MONTH_EDGES[between(rng, 0, len(_MONTH_EDGES) - 1)]
    return max(ended, registered + 1)


_SPACE = 31**6
_STRIDE = 372_036_847  # no multiple of 31, so index -> code is one to one below 31^6


@lru_cache(maxsize=16)
def _offset(seed: int) -> int:
    return random.Random(f"{seed}/codes").randrange(_SPACE)  # noqa: S311 - a simulation, not a secret


def _organisation(index: int, seed: int) -> str:
    """An organisation code (GB 11714) of the form new ones have had since 2015."""
    rest = (index * _STRIDE + _offset(seed)) % _SPACE
    body = ""
    for _ in range(6):
        rest, digit = divmod(rest, 31)
        body += ALPHABET[digit]
    body = "MA" + body
    total = sum(int(character, 36) * weight for character, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    check = 11 - total % 11
    return body + ("0" if check == 11 else "X" if check == 10 else str(check))
