"""Fields that status reports and notifications have in common; each function raises Refused."""

import re
from datetime import date, datetime, timedelta

from services.payments.bank import amounts
from services.payments.bank.refused import Refused, quoted
from services.payments.bank.stream import Node
from shared.calendar import local_day

_OURS = re.compile(r"[0-9a-f]{32}")
_DAY_FIRST, _DAY_LAST = date(1900, 1, 1), date(2199, 12, 31)
_MOMENT = re.compile(r"(.{10})T(.{8})(?:\.[0-9]+)?(Z|[+-].{5})?")


def is_ours(text: str) -> bool:
    """Whether it has the form of an id that we give: 32 hex digits."""
    return _OURS.fullmatch(text) is not None


def our_id(text: str | None, what: str) -> str:
    """An id that must be one of ours."""
    if text is None:
        raise Refused("MISSING_ID", f"The id of {what} is missing.")
    if not is_ours(text):
        raise Refused("BAD_ID", f"The id {quoted(text)} of {what} is not one that this programme gives.")
    return text


def bank_text(text: str | None, what: str) -> str | None:
    """What the bank wrote to be kept: printable and not blank, since it goes into events and onto screens."""
    if text is not None and not (text.isprintable() and text.strip()):
        raise Refused("BAD_ID", f"{what} is blank or holds characters that cannot be shown.")
    return text


def bank_id(text: str | None, what: str) -> str:
    """An id that the bank gave, and must give."""
    found = bank_text(text, what)
    if found is None:
        raise Refused("MISSING_ID", f"{what} is missing.")
    return found


def day(node: Node | None, what: str) -> date:
    """A `Dt` or `DtTm` below `node` as a business day."""
    inner = node.children[0] if node is not None and node.children else None
    if inner is None:
        raise Refused("BAD_DATE", f"The date of {what} is missing.")
    return _day(inner.text, what) if inner.tag == "Dt" else moment_day(inner.text, what)


def moment_day(text: str | None, what: str) -> date:
    """The business day of a date with a time; without an offset it is the bank's own, Asia/Shanghai."""
    match = _MOMENT.fullmatch(text or "")
    if match is None:
        raise Refused("BAD_DATE", f"The date of {what} is missing.")
    plain = _day(match[1], what)
    if match[2] == "24:00:00":
        begun, day_after = "00:00:00", timedelta(days=1)
    else:
        begun, day_after = match[2], timedelta(0)
    zone = {None: "+08:00", "Z": "+00:00"}.get(match[3], match[3])
    moment = datetime.fromisoformat(f"{plain}T{begun}{zone}") + day_after
    return _within(local_day(moment), what)


def _day(text: str, what: str) -> date:
    return _within(date.fromisoformat(text[:10]), what)


def _within(found: date, what: str) -> date:
    if not _DAY_FIRST <= found <= _DAY_LAST:
        raise Refused("BAD_DATE", f"The date of {what} is not between {_DAY_FIRST} and {_DAY_LAST}.")
    return found


def payment_fen(node: Node, whose: str) -> int:
    """The amount in an element with `Ccy`."""
    return amounts.payment_fen(node.text, node.attributes.get("Ccy"), whose)


def total_fen(text: str | None, what: str) -> int | None:
    """A declared sum, None where none is declared."""
    if text is None:
        return None
    found = amounts.fen(text)
    if found is None:
        raise Refused("WRONG_TOTAL", f"The sum of {what} is not a whole number of fen.")
    return found


def same(declared: int | None, found: int, what: str) -> None:
    """A declared number or sum, where there is one, is what the file adds up to."""
    if declared is not None and declared != found:
        raise Refused("WRONG_TOTAL", f"The file says that {what} is {declared}; it adds up to {found}.")


def number(text: str | None) -> int | None:
    """A declared number of entries, None where none is declared."""
    return None if text is None else int(text)
