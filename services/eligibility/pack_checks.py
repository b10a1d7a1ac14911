"""What no single value of a pack can say of itself: coverage, and limits between parameters."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from services.eligibility.pack_files import Parameter
from shared.contracts.vocabulary import INDUSTRIES, INSURANCES, PREFECTURES
from shared.streaming.errors import Stop

Where = Callable[[str, tuple[str | int, ...]], str]


def check(files: dict[str, Any], where: Where) -> None:
    """Stop with file, line and sentence at the first thing that does not fit."""

    def refuse(file: str, key: tuple[str | int, ...], sentence: str) -> Stop:
        name = ".".join(str(part) for part in key)
        return Stop(f"Policy file {where(file, key)}: {name}: {sentence}.")

    for file, key, have, want in (
        ("sizes.yaml", "industries", files["sizes.yaml"].industries, INDUSTRIES),
        ("prefectures.yaml", "prefectures", files["prefectures.yaml"].prefectures, PREFECTURES),
        ("contributions.yaml", "rates", files["contributions.yaml"].rates, INSURANCES),
    ):
        if set(have) != set(want):
            differing = ", ".join(sorted(set(have) ^ set(want)))
            raise refuse(file, (key,), f"must be exactly the contract's codes; differing: {differing}")
    window = files["window.yaml"].window
    if window.first_day > window.last_day:
        raise refuse("window.yaml", ("window", "last_day"), "is before first_day")
    contributions = files["contributions.yaml"]
    at_most = [value.value for value in contributions.periods_at_most.values][-1]
    if at_most is None:
        raise refuse("contributions.yaml", ("periods_at_most", "values"), "needs a value")
    for insurance, rates in contributions.rates.items():
        for size in ("sme", "large"):
            sentence = _months(getattr(rates, size), at_most)
            if sentence is not None:
                raise refuse("contributions.yaml", ("rates", insurance, size, "values"), sentence)


def _months(parameter: Parameter[int], at_most: int) -> str | None:
    """No enterprise gets relief for more months than `periods_at_most`: the timelines end in time."""
    values = parameter.values
    if any(value.since.day != 1 for value in values):
        return "a rate begins on the first day of a month"
    months = 0
    for value, following in zip_longest(values, values[1:]):
        if value.value is None:
            continue
        if following is None:
            return "the last value must be null, or relief never ends"
        months += 12 * (following.since.year - value.since.year) + following.since.month - value.since.month
    return f"relief for {months} months, and periods_at_most is {at_most}" if months > at_most else None
