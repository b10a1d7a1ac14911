"""Small, nasty fact histories for differential tests: `histories()` draws a list of upstream lines in arrival order.

Every number sits at, just under or just over a bound of the policy, every date at an edge. On top of that come the
mishaps of real feeds: repeats, corrections out of order, conflicts and broken lines. Shrinks towards one enterprise
without mishaps.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from hypothesis import strategies as st

from . import oracle_events as e
from . import oracle_records as types
from .oracle_events import Event
from .oracle_rules import SIZE_STANDARD, bounds

T = TypeVar("T")

EARLY = ("2019-01-01", "2018-05-01", "2019-01-01", "2019-12-31", "2020-01-01", "2020-02-01", "2020-07-01", None)
LATE = (None, None, "2019-12-31", "2020-01-31", "2020-02-01", "2020-02-02", "2020-05-31", "2020-06-01", "2020-06-30")
GONE = (
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    "2019-12-31",
    "2020-01-31",
    "2020-02-01",
    "2020-02-02",
    "2020-06-30",
    "2020-07-01",
)
SUBMITTED = ("2020-02-01", "2020-06-30", "2020-01-31", "2020-07-01", "2020-02-29", "2020-02-02", "2020-06-01")
PREFECTURES = ("650100", "653200", "652900", "653000", "653100", "659000", "654300")
INDUSTRIES = ("other", *(row.split()[0] for row in SIZE_STANDARD.splitlines() if row and not row.startswith("other")))
INSURANCES = ("pension", "medical", "medical", "unemployment", "work_injury")
PERIODS = ("2020-02", "2020-06", "2020-03", "2020-01", "2020-07", "2019-12")
AMOUNTS = (100, 101, 0, 1, 2, 3, 99, 123_456_789, 10**15 - 1, 10**15)
PAYMENTS: tuple[Callable[[int], int], ...] = (
    lambda due: due,
    lambda due: due // 2,
    lambda due: due // 2 + 1,
    lambda due: due + 1,
    lambda due: 2 * due,
    lambda due: max(due - 1, 0),
    lambda due: 0,
)
# December's insured, November's insured, laid off in the year; None: no report.
REFUNDS: tuple[tuple[int | None, int | None, int], ...] = (
    (20, None, 0),
    *((200, None, 11), (200, None, 12), (1000, 1000, 55), (1000, 1000, 56), (300, 100, 11), (300, 100, 12)),
    *((30, 30, 6), (30, 30, 7), (31, 31, 6), (31, 31, 1), (30, 50, 8), (30, 50, 9), (31, 21, 5), (30, 970, 28)),
    *(
        (0, None, 0),
        (0, 20, 2),
        (0, 20, 3),
        (None, 20, 0),
        (18, 19, 1),
        (1_000_000, None, 55_000),
        (1_000_000, None, 55_001),
    ),
)
PREMIUMS = (1001, 1000, 0, 1, 2, 3, 5, 10**15)
TIMES = (
    "2020-03-31T12:00:00+08:00",
    "2020-01-31T23:59:59+08:00",
    "2020-03-31T23:59:59.999999+08:00",
    "2020-03-31T16:00:00Z",
    "2020-04-01T07:59:59+08:00",
    "2020-06-30T15:59:59Z",
    "2020-07-01T00:00:00+08:00",
)
SIZE_OFFSETS = ((0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1), (1, 1, 1), (-1, -1, -1))
VERSIONS = ((1,), (1,), (1, 2), (1, 2, 3), (2,), (3, 7))


def as_of_days() -> st.SearchStrategy[date | None]:
    """Nothing, or a day whose end falls between, or on, the times of the histories."""
    days = [date(2020, 1, 31), date(2020, 3, 31), date(2020, 4, 1), date(2020, 6, 30), date(2020, 7, 1)]
    return st.sampled_from([None, *days, date(2019, 12, 31)])


def _one(draw: st.DrawFn, options: Sequence[T]) -> T:
    return draw(st.sampled_from(options))


def _registrations(draw: st.DrawFn, code: str) -> list[Event]:
    events = []
    for effective_on in dict.fromkeys((_one(draw, EARLY), _one(draw, LATE))):
        if effective_on is None:
            continue
        for version in _one(draw, VERSIONS):
            industry = _one(draw, INDUSTRIES)
            lowest = bounds(industry)[_one(draw, (2, 1, 2, 1, 2, 0))]
            sizes = [int(bound or 0) for bound in lowest]
            size = [max(0, at + by) for at, by in zip(sizes, _one(draw, SIZE_OFFSETS), strict=True)]
            fields: Event = {
                "industry": industry,
                "employees": size[0],
                "annual_revenue_fen": size[1],
                "total_assets_fen": size[2],
                "prefecture": _one(draw, PREFECTURES),
                "payee": _one(draw, (e.PAYEE, None)),
            }
            events.append(e.registered(code, effective_on, version, **fields))
    gone = _one(draw, GONE)
    return events if gone is None else [*events, e.deregistered(code, gone)]


def _contributions(draw: st.DrawFn, code: str, tag: str) -> list[Event]:
    events = []
    for number in range(_one(draw, (1, 0, 2, 3, 4))):
        assessment = f"{tag}a{number}"
        key = f"{_one(draw, INSURANCES)}/{_one(draw, PERIODS)}"
        amount = 0
        for version in _one(draw, VERSIONS):
            amount = _one(draw, AMOUNTS)
            events.append(e.assessed(code, assessment, key, amount, version))
        for payment in range(_one(draw, (0, 1, 2))):
            fen = min(_one(draw, PAYMENTS)(amount), 10**15)
            named = _one(draw, (assessment, assessment, assessment, f"{tag}a0", f"{tag}unknown"))
            events.append(e.paid(code, named, f"{tag}p{number}{payment}", fen, _one(draw, SUBMITTED)))
    return events


def _refund(draw: st.DrawFn, code: str, tag: str) -> list[Event]:
    december, november, laid_off = _one(draw, REFUNDS)
    events = [e.headcount(code, "2020-01", 7), e.headcount(code, "2018-12", 3)] if draw(st.booleans()) else []
    if december is not None:
        at = _one(draw, (1, 2))
        events.append(e.headcount(code, "2019-12", december, at))
        if at == 2:
            events.append(e.headcount(code, "2019-12", max(december - 1, 0), 1))
    if november is not None:
        events.append(e.headcount(code, "2019-11", november))
    if laid_off:
        early = _one(draw, (0, 1))
        events += [e.layoffs(code, "2019-12", laid_off - early), e.layoffs(code, "2019-01", early)]
        events.append(e.layoffs(code, _one(draw, ("2018-12", "2020-01")), 500))
    for version in _one(draw, VERSIONS):
        events.append(e.settled(code, _one(draw, PREMIUMS), _one(draw, (2019, 2019, 2019, 2018, 2020)), version))
    declined_for = _one(draw, (None, None, 2018, 2019, 2020))
    if declined_for is not None:
        events.append(e.declined(code, f"{tag}d", declined_for, _one(draw, SUBMITTED)))
    return events


def _applications(draw: st.DrawFn, code: str, tag: str) -> list[Event]:
    events = []
    for number in range(_one(draw, (0, 1, 2))):
        dues = _one(draw, (("gas",), ("provident_fund",), ("electricity", "water", "gas", "provident_fund")))
        difficulty = _one(draw, (True, True, True, False))
        application = f"{tag}h{number}"
        events.append(e.applied(code, application, _one(draw, SUBMITTED), *dues, difficulty=difficulty))
        if _one(draw, (False, False, True)):
            events.append(e.withdrawn(code, application, "2020-05-01"))
    if _one(draw, (False, False, True)):
        events += [e.bill(code, f"{tag}b", 100, 2), e.bill(code, f"{tag}b", 99, 1), e.need(code, f"{tag}n")]
        events += [e.bill_paid(code, f"{tag}b", f"{tag}bp", 7), e.disconnection(code, f"{tag}r")]
    return events


def _other_content(draw: st.DrawFn, one: Event) -> Event:
    """The same event with one field changed to something as valid as before; None of the business id, bar the moves."""
    options: dict[str, tuple[Event, ...]] = {
        types.REGISTERED: ({"prefecture": "652300"}, {"payee": {**e.PAYEE, "account_number": "1"}}, {"name": "n"}),
        types.DEREGISTERED: ({"deregistered_on": "2020-01-30"}, {"deregistered_on": "2020-07-02"}),
        types.ASSESSED: ({"employer_amount_fen": 77}, {"insurance": "work_injury"}, {"period": "2020-05"}),
        types.PAID: ({"amount_fen": 77}, {"paid_on": "2020-05-05"}),
        types.HEADCOUNT: ({"insured_employees": 29},),
        types.LAYOFFS: ({"laid_off": 4},),
        types.YEAR: ({"unemployment_premium_paid_fen": 77},),
        types.BILL: ({"production_use": False},),
        types.APPLIED: ({"declared_difficulty": False, "contact": "c"}, {"submitted_on": "2020-03-03"}),
        types.DECLINED: ({"year": 2017},),
    }
    return e.changed(one, **_one(draw, options.get(one["type"], ({"submitted_on": "2020-03-04"}, {"amount_fen": 8}))))


def _broken(draw: st.DrawFn, one: Event) -> bytes:
    """One defect, so that every reader finds the same code. First the code is drawn, so that the rare ones are met."""
    whole, data = e.line(one), one["data"]
    field = _one(draw, sorted(set(data) - {"version"}))
    wrong_time = e.line({**one, "time": "2020-03-31T12:00:00"})
    by_code: dict[str, list[bytes]] = {
        "NOT_JSON": [whole[:-1], b"tomorrow"],
        "NOT_UTF8": [b"\xff" + whole],
        "UNKNOWN_TYPE": [e.line({**one, "type": "cn.tax.unknown.v1"})],
        "MISSING_FIELD": [
            e.line({**one, "data": {name: value for name, value in data.items() if name != field}}),
            e.line({name: value for name, value in one.items() if name != "time"}),
        ],
        "INVALID_FIELD": [wrong_time, e.line({**one, "data": None})],
        "WRONG_KEY": [e.line({**one, "subject": e.uscc(999)})],
        "BAD_USCC": [e.line(e.changed({**one, "subject": "91650100000000001A"}, uscc="91650100000000001A"))],
    }
    amount = next((name for name in sorted(data) if name.endswith("_fen")), None)
    if amount is not None:
        by_code["OUT_OF_RANGE"] = [e.line(e.changed(one, **{amount: wrong})) for wrong in (-1, 10**15 + 1)]
        by_code["INVALID_FIELD"] += [e.line(e.changed(one, **{amount: wrong})) for wrong in ("100", True, 1.0, None)]
    if "period" in data:
        by_code["INVALID_FIELD"].append(e.line(e.changed(one, period="2020-13")))
    if "insurance" in data:
        by_code["INVALID_FIELD"].append(e.line(e.changed(one, insurance="maternity")))
    if "industry" in data:
        by_code["UNKNOWN_INDUSTRY"] = [e.line(e.changed(one, industry="mining"))]
        by_code["UNKNOWN_PREFECTURE"] = [e.line(e.changed(one, prefecture="650300"))]
    return _one(draw, by_code[_one(draw, sorted(by_code))])


def _mishap(draw: st.DrawFn, one: Event, number: int) -> bytes:
    """Another line that follows from `one`: a repeat in some disguise, a conflict, or a broken copy."""
    fresh = f"{one['id']}-again-{number}"
    match draw(st.integers(0, 9)):
        case 0:
            return e.line(one)
        case 1:
            return e.line(e.at(one, _one(draw, TIMES)))
        case 2:
            return e.line(e.renamed(one, fresh))
        case 3:
            return json.dumps(e.changed(one, extra={"a": [1]}), indent=None, separators=(",", ":")).encode()
        case 4 if one["data"].get("version") == 1:
            return e.line({**one, "data": {name: value for name, value in one["data"].items() if name != "version"}})
        case 5:
            return e.line(_other_content(draw, one))
        case 6:
            return e.line(e.renamed(_other_content(draw, one), fresh))
        case _:
            return _broken(draw, one)


@st.composite
def histories(draw: st.DrawFn, *, mishaps: int = 6, shared_ids: bool = False) -> list[bytes]:
    """Lines of one to three enterprises in arrival order.

    `mishaps`: at most so many repeats, conflicts and broken lines; 0 gives facts in which no order matters.
    `shared_ids`: enterprises use the same assessment and payment ids, which only a reader of all enterprises can see.
    """
    events: list[Event] = []
    for serial in range(1, _one(draw, (1, 1, 2, 3)) + 1):
        code = e.uscc(serial)
        tag = "" if shared_ids else f"e{serial}-"
        events += _registrations(draw, code)
        events += _contributions(draw, code, tag)
        events += _refund(draw, code, tag)
        events += _applications(draw, code, tag)
    times = draw(st.lists(st.sampled_from(TIMES), min_size=len(events), max_size=len(events)))
    events = [e.at(one, time) for one, time in zip(events, times, strict=True)]
    lines = [e.line(one) for one in events]
    likely = [*events, *(one for one in events if one["type"] in (types.REGISTERED, types.ASSESSED))]
    for number in range(draw(st.integers(0, mishaps))):
        lines.append(_mishap(draw, _one(draw, likely), number))
    return draw(st.permutations(lines))
