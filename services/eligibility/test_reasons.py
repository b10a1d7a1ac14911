"""Reasons: a closed list, each told in both languages, with its numbers and a citation of the pack."""

import re
from typing import get_args

import pytest

from services.eligibility.cases import (
    LARGE,
    PACK,
    applied,
    assessed,
    declined,
    deregistered,
    headcount,
    knowing,
    layoffs,
    registered,
    settled,
)
from services.eligibility.domain.facts import EnterpriseFact
from services.eligibility.domain.reasons import Code, Reason
from services.eligibility.domain.step import standing_verdicts

EVERY_DENIAL: list[EnterpriseFact] = [
    registered(employees=LARGE),
    deregistered("2019-12-31"),
    assessed(0),
    headcount(200),
    layoffs(12),
    settled(0),
    declined(),
    applied("2020-07-01", difficulty=False),
]


def reasons_of(*known: EnterpriseFact) -> list[Reason]:
    return [reason for verdict in standing_verdicts(knowing(known), PACK) for reason in verdict.reasons]


def test_every_code_is_reached_and_none_is_unknown() -> None:
    found = {reason.code for reason in [*reasons_of(*EVERY_DENIAL), *reasons_of(applied())]}
    assert found == set(get_args(Code))


@pytest.mark.parametrize("reason", [*reasons_of(*EVERY_DENIAL), *reasons_of(applied())], ids=lambda reason: reason.code)
def test_a_reason_is_told_in_both_languages_and_cites_the_pack(reason: Reason) -> None:
    assert len(re.findall(r"[\u4e00-\u9fff]", reason.zh)) >= 6
    assert re.fullmatch(r"[\x20-\x7e]{20,}", reason.en)
    assert "Sixteen Measures" in reason.citation


def layoff_sentence(insured: int, laid_off: int, months: int = 1) -> Reason:
    heads = [headcount(insured, f"2019-{13 - month:02}") for month in range(1, months + 1)]
    (reason,) = reasons_of(registered(), *heads, layoffs(laid_off), settled(1000))
    return reason


@pytest.mark.parametrize(
    ("insured", "laid_off", "en", "zh"),
    [
        (200, 12, "layoffs 12 of average 200 = 6 % > 5.5 %; insured 200 > 30 (their limit is 20 %)", "裁员率6%"),
        (30, 7, "layoffs 7 of average 30 = 23.33 % > 5.5 %; insured 30 <= 30, and 23.33 % > 20 %", "裁员率23.33%"),
        (31, 6, "layoffs 6 of average 31 = 19.35 % > 5.5 %; insured 31 > 30 (their limit is 20 %)", "裁员率19.35%"),
        (1_000_000, 55_001, "= just over 5.5 % > 5.5 %;", "裁员率略高于5.5%"),
    ],
)
def test_the_layoff_test_shows_its_numbers(insured: int, laid_off: int, en: str, zh: str) -> None:
    reason = layoff_sentence(insured, laid_off)
    assert en in reason.en
    assert zh in reason.zh


def test_an_average_with_a_fraction_is_cut_for_reading_only() -> None:
    (reason,) = reasons_of(
        registered(), headcount(100, "2019-10"), headcount(100, "2019-11"), headcount(101), layoffs(7), settled(1)
    )
    assert "layoffs 7 of average 100.33 = 6.97 %" in reason.en


def test_days_are_in_the_sentences() -> None:
    gone, outside = reasons_of(registered(), deregistered("2020-03-01"), applied("2020-07-02"))[::-1]
    assert "2020-03-01" in gone.en
    assert "2020-07-02" in gone.en
    assert "from 2020-02-01 to 2020-06-30" in outside.en
    assert "2020-02-01至2020-06-30" in outside.zh
