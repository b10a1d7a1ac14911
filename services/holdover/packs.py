"""The terms of a grant, out of the content of the policy pack that its decision names by hash."""

import hashlib
import json
from datetime import date
from typing import Any

from services.holdover.domain.terms import Terms


class NoTerms(ValueError):
    """A pack that is not the one its hash says, or that has no terms for a holdover; one sentence."""


def terms_of(content: dict[str, Any], sha256: str, remind_days: int) -> Terms:
    """`content`: what the pack's files say, by file name. The values in force on the window's first day count.

    Raises NoTerms.
    """
    # The hash is part of the contract: over the canonical JSON of the content.
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if hashlib.sha256(canonical.encode()).hexdigest() != sha256:
        raise NoTerms(f"The content kept under {sha256[:12]}… has another hash.")
    try:
        window, holdover = content["window.yaml"]["window"], content["holdover.yaml"]
        first = date.fromisoformat(window["first_day"])
        return Terms(
            window_first=first,
            window_last=date.fromisoformat(window["last_day"]),
            repay_from=date.fromisoformat(_on(first, holdover["repay_from"])),
            instalments=_count(_on(first, holdover["instalments"]), 1),
            grace_days=_count(_on(first, holdover["grace_days"]), 0),
            remind_days=remind_days,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NoTerms(f"Policy pack {sha256[:12]}… has no terms for a holdover ({error!r}).") from error


def _on(day: date, parameter: dict[str, Any]) -> Any:
    values = [one for one in parameter["values"] if date.fromisoformat(one["since"]) <= day]
    return max(values, key=lambda one: date.fromisoformat(one["since"]))["value"]


def _count(value: object, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1000:
        raise ValueError(f"{value!r} is no number of instalments or days")
    return value
