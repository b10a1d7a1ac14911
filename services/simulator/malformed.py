"""Records that must be rejected, one builder per kind.

Each is made from one of the enterprise's facts under an id, a business id or a version of its own: were it accepted by
mistake, money would differ, and the record it was made from is not touched.
"""

import json
import random
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from services.simulator.calendar import moment_text, unix_ms
from services.simulator.corruption import KINDS, MALFORMED, Arrival, Corruption, event_line
from services.simulator.region import Enterprise
from services.simulator.wire import (
    Assessed,
    BillIssued,
    BillPaid,
    Fact,
    Headcount,
    Layoffs,
    Paid,
    Registered,
    YearSettled,
)
from shared.uscc import ALPHABET, with_check_character

TOO_LARGE_BYTES = 2_000_000
ABSURD = 10**20
_FIRST_ENTERPRISES = 50
_DELAY_SECONDS = 600
_BUSINESS_IDS = ("assessment_id", "payment_id", "bill_id", "request_id", "application_id")
_AMOUNTS = (
    "employer_amount_fen",
    "amount_fen",
    "insured_employees",
    "laid_off",
    "unemployment_premium_paid_fen",
    "annual_revenue_fen",
)
_WITH_AMOUNT = (Registered, Assessed, Paid, Headcount, Layoffs, YearSettled, BillIssued, BillPaid)
# What a reader may live without, so leaving it out proves nothing.
_OPTIONAL = frozenset({"uscc", "version", "payee", "contact"})

_Draft = dict[str, Any]  # an event as plain JSON values, about to be spoilt
_Line = tuple[bytes, str | None]  # the line, and the type that a reader finds in it


def malformed_arrivals(enterprise: Enterprise, seed: int, corruption: Corruption, rng: random.Random) -> list[Arrival]:
    """The malformed records that fall to this enterprise: none for most."""
    if corruption.malformed == 0:
        return []
    stride = max(1, round(1 / corruption.malformed))
    index = enterprise.firm.index
    found: list[Arrival] = []
    for kind, slot in zip(MALFORMED, _slots(seed), strict=True):
        first = slot % stride
        due = index % stride == first
        if KINDS[kind].name == "too_large":
            due = index in (first, first + stride)
        if due:
            found.append(_malformed(kind, enterprise, rng))
    return found


@lru_cache(maxsize=16)
def _slots(seed: int) -> list[int]:
    """Which of the first enterprises gets which kind, one each."""
    rng = random.Random(f"{seed}/malformed")  # noqa: S311 - a simulation, not a secret
    return rng.sample(range(_FIRST_ENTERPRISES), len(MALFORMED))


def _malformed(kind: int, enterprise: Enterprise, rng: random.Random) -> Arrival:
    name = KINDS[kind].name
    if name in ("unknown_prefecture", "unknown_industry"):
        candidates = [fact for fact in enterprise.facts if isinstance(fact.data, Registered)]
    elif name in ("negative_amount", "absurd_amount"):
        candidates = [fact for fact in enterprise.facts if isinstance(fact.data, _WITH_AMOUNT)]
    else:
        candidates = list(enterprise.facts)
    fact = candidates[int(rng.random() * len(candidates))]
    at = fact.time + _DELAY_SECONDS
    draft = _draft(fact, f"{name}-{fact.id}", at)
    if KINDS[kind].raw:
        raw = _RAW[name](draft)
        raw |= {"time_ms": unix_ms(at), "expect": KINDS[kind].expect}
        return Arrival(at, kind, fact.data.topic, None, _dump(raw))
    line, found = _LINES[name](draft, rng)
    return Arrival(at, kind, fact.data.topic, found, line)


def _draft(fact: Fact, new_id: str, at: int) -> _Draft:
    draft: _Draft = msgspec.json.decode(event_line(fact))
    draft["id"] = new_id
    draft["time"] = moment_text(at)
    data = draft["data"]
    for field in _BUSINESS_IDS:
        if field in data:
            data[field] = new_id
    if "version" in data:
        data["version"] = 9
    return draft


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _nobody(uscc: str) -> str:
    """A valid code that no enterprise of the region has."""
    return with_check_character("92" + uscc[2:17])


def _truncated(draft: _Draft, rng: random.Random) -> _Line:
    # Cut between characters: half a character would be another kind.
    line = _dump(draft).decode()
    data_starts = line.index('"data":')
    return line[: data_starts + int(rng.random() * (len(line) - data_starts))].encode(), None


def _trailing_comma(draft: _Draft, _: random.Random) -> _Line:
    return _dump(draft)[:-1] + b",}", None


def _unknown_type(draft: _Draft, _: random.Random) -> _Line:
    draft["type"] = draft["type"].replace(".v1", ".v0")
    return _dump(draft), draft["type"]


def _missing_field(draft: _Draft, rng: random.Random) -> _Line:
    fields = [field for field in draft["data"] if field not in _OPTIONAL]
    del draft["data"][fields[int(rng.random() * len(fields))]]
    return _dump(draft), draft["type"]


def _missing_id(draft: _Draft, _: random.Random) -> _Line:
    del draft["id"]
    return _dump(draft), draft["type"]


def _bad_check_character(draft: _Draft, _: random.Random) -> _Line:
    code = draft["subject"]
    wrong = code[:-1] + ALPHABET[(ALPHABET.index(code[-1]) + 1) % len(ALPHABET)]
    draft["subject"] = draft["data"]["uscc"] = wrong
    return _dump(draft), draft["type"]


def _negative_amount(draft: _Draft, _: random.Random) -> _Line:
    field = next(field for field in _AMOUNTS if field in draft["data"])
    draft["data"][field] = -1 - draft["data"][field]
    return _dump(draft), draft["type"]


def _absurd_amount(draft: _Draft, _: random.Random) -> _Line:
    field = next(field for field in _AMOUNTS if field in draft["data"])
    draft["data"][field] = ABSURD
    return _dump(draft), draft["type"]


def _unknown_prefecture(draft: _Draft, _: random.Random) -> _Line:
    draft["data"]["prefecture"] = "999900"
    return _dump(draft), draft["type"]


def _unknown_industry(draft: _Draft, _: random.Random) -> _Line:
    draft["data"]["industry"] = "alchemy"
    return _dump(draft), draft["type"]


def _other_subject(draft: _Draft, _: random.Random) -> _Line:
    draft["data"]["uscc"] = _nobody(draft["subject"])
    return _dump(draft), draft["type"]


_LINES: dict[str, Callable[[_Draft, random.Random], _Line]] = {
    "truncated": _truncated,
    "trailing_comma": _trailing_comma,
    "unknown_type": _unknown_type,
    "missing_field": _missing_field,
    "missing_id": _missing_id,
    "bad_check_character": _bad_check_character,
    "negative_amount": _negative_amount,
    "absurd_amount": _absurd_amount,
    "unknown_prefecture": _unknown_prefecture,
    "unknown_industry": _unknown_industry,
    "other_subject": _other_subject,
}


def _raw(key: str, value: bytes | None, headers: dict[str, bytes] | None = None) -> _Draft:
    if headers is None:
        headers = {"content-type": b"application/cloudevents+json"}
    return {
        "key_b64": b64encode(key.encode()).decode(),
        "value_b64": None if value is None else b64encode(value).decode(),
        "headers": [[name, b64encode(content).decode()] for name, content in headers.items()],
    }


def _not_utf8(draft: _Draft) -> _Draft:
    value = _dump(draft).replace(b".example", b".ex\xc3(mple", 1)
    return _raw(draft["subject"], value)


def _binary(draft: _Draft, **spoilt: bytes) -> _Draft:
    headers = {
        f"ce_{name}": draft[name].encode() for name in ("specversion", "id", "source", "type", "subject", "time")
    }
    headers["content-type"] = b"application/json"
    return _raw(draft["subject"], _dump(draft["data"]), headers | spoilt)


def _too_large(draft: _Draft) -> _Draft:
    # A field that readers ignore: nothing but the size is wrong.
    draft["data"]["remark"] = "x" * TOO_LARGE_BYTES
    return _raw(draft["subject"], _dump(draft))


_RAW: dict[str, Callable[[_Draft], _Draft]] = {
    "wrong_key": lambda draft: _raw(_nobody(draft["subject"]), _dump(draft)),
    "tombstone": lambda draft: _raw(draft["subject"], None),
    "not_utf8": _not_utf8,
    "header_not_utf8": lambda draft: _binary(draft, ce_source=b"//tax.ex\xff\xfemple"),
    "header_time": lambda draft: _binary(draft, ce_time=b"yesterday"),
    "too_large": _too_large,
}
