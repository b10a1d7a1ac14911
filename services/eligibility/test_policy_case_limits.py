"""The first pack's cases stand close around its numbers: moving any one of them by the least step makes a case fail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.eligibility import packs, policy_cases
from services.eligibility.domain.pack import Bounds, Dated, Pack, Timeline
from services.eligibility.policy_case_runs import run
from services.eligibility.policy_cases import Case
from shared.contracts.vocabulary import PREFECTURES

DIRECTORY = packs.INSTALLED / "xinjiang-2020"
PACK = packs.load(DIRECTORY)
CASES = policy_cases.load(DIRECTORY)
LEAST = timedelta(days=1)

# What is moved, where its cases are, and the pack with it.
Moved = tuple[str, str, Pack]


def sizes() -> Iterator[Moved]:
    for industry, classes in PACK.sizes.classes.items():
        for place, (name, bounds) in enumerate(classes):
            for measure in ("employees", "annual_revenue_fen", "total_assets_fen"):
                value = getattr(bounds, measure)
                # A bound left out, and one where the standard has none, are changes as well.
                for other in (1,) if value is None else (value - 1, value + 1, None):
                    moved = {**PACK.sizes.classes, industry: _with(classes, place, replace(bounds, **{measure: other}))}
                    pack = replace(PACK, sizes=replace(PACK.sizes, classes=moved))
                    yield f"{industry} {name} {measure} {value} to {other}", f'"industry":"{industry}"', pack


def _with(classes: tuple[tuple[str, Bounds], ...], place: int, bounds: Bounds) -> tuple[tuple[str, Bounds], ...]:
    return (*classes[:place], (classes[place][0], bounds), *classes[place + 1 :])


def contributions() -> Iterator[Moved]:
    for insurance, by_size in PACK.contributions.rates.items():
        sme = by_size["sme"]
        first, last = sme.values[0].since, sme.values[-1].since
        rate = sme.on(first)
        assert rate is not None
        changes: dict[str, dict[str, Timeline[int]]] = {
            "a basis point less": {"sme": _rated(sme, first, last, rate - 1)},
            "a month sooner": {"sme": _rated(sme, date(2020, 1, 1), last, rate)},
            "a month later": {"sme": _rated(sme, date(2020, 3, 1), last, rate)},
            "a month longer": {"sme": _rated(sme, first, date(2020, 8, 1), rate)},
            "a month less": {"sme": _rated(sme, first, date(2020, 6, 1), rate)},
            "for the large too": {"large": sme},
        }
        for what, change in changes.items():
            rates = {**PACK.contributions.rates, insurance: by_size | change}
            yield (
                f"{insurance} {what}",
                insurance,
                replace(PACK, contributions=replace(PACK.contributions, rates=rates)),
            )


def _rated(timeline: Timeline[int], since: date, until: date, rate: int) -> Timeline[int]:
    return replace(timeline, values=(Dated(since, rate), Dated(until, None)))


def refund() -> Iterator[Moved]:
    rules, where = PACK.refund, "unemployment_premium_paid_fen"
    numbers = ("layoff_limit_bp", "small_insured_at_most", "small_layoff_limit_bp", "reference_year")
    for name in numbers:
        for step in (-1, 1):
            moved = replace(rules, **{name: getattr(rules, name) + step})
            yield f"{name} by {step}", where, replace(PACK, refund=moved)
    for size, place, rate in (
        ("sme", "southern", 5999),
        ("sme", "southern", 6001),
        ("sme", "other", 4999),
        ("sme", "other", 5001),
        ("large", "southern", 6000),
        ("large", "other", 5000),
    ):
        rates = {**rules.rates, size: {**rules.rates[size], place: rate}}
        yield f"refund {size} {place} {rate}", where, replace(PACK, refund=replace(rules, rates=rates))
    for code in PREFECTURES:
        yield f"southern without or with {code}", where, replace(PACK, southern=PACK.southern ^ {code})


def window() -> Iterator[Moved]:
    for name in ("first_day", "last_day"):
        for step in (-LEAST, LEAST):
            moved = replace(PACK.window, **{name: getattr(PACK.window, name) + step})
            yield f"window {name} by {step.days}", "declared_difficulty", replace(PACK, window=moved)


def about(where: str) -> list[Case]:
    """The cases with a record that says `where`."""
    return [case for case in CASES if any(where.encode() in sent.line for step in case.steps for sent in step.sent)]


@pytest.mark.parametrize("group", [sizes, contributions, refund, window], ids=lambda group: group.__name__)
def test_a_number_of_the_pack_moved_by_the_least_step_makes_a_case_fail(group: object) -> None:
    assert callable(group)
    unseen = [what for what, where, pack in group() if not any(run(case, pack) for case in about(where))]
    assert unseen == []


def test_the_pack_as_it_is_makes_none_fail() -> None:
    assert [case.where for case in CASES if run(case, PACK)] == []
