"""CNY as bank files write it, to and from integer fen: text to text, so that no digit is rounded on the way."""

import re

from services.payments.bank.refused import Refused
from shared.contracts.vocabulary import AMOUNT_MAX_FEN

CURRENCY = "CNY"

_DECIMAL = re.compile(r"\+?([0-9]*)(?:\.([0-9]*))?")


def written(amount_fen: int) -> str:
    """`123456` as `1234.56`. Not for negative amounts: files give a direction instead of a sign."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def fen(text: str) -> int | None:
    """The fen of a decimal number; None if it is negative, not a number, or finer than a fen. `2.500` is 250."""
    match = _DECIMAL.fullmatch(text)
    if match is None or not text.strip("+."):
        return None
    yuan, fraction = match[1] or "0", (match[2] or "").rstrip("0")
    return int(yuan) * 100 + int(fraction.ljust(2, "0")) if len(fraction) <= 2 else None


def payment_fen(text: str, currency: str | None, whose: str) -> int:
    """The amount of one payment, above 0. Raises Refused, naming `whose` it is."""
    if currency != CURRENCY:
        raise Refused("BAD_AMOUNT", f"The amount of {whose} is not in {CURRENCY}.")
    amount_fen = fen(text)
    if amount_fen is None:
        raise Refused("BAD_AMOUNT", f"The amount of {whose} is not a whole number of fen.")
    if not 0 < amount_fen <= AMOUNT_MAX_FEN:
        raise Refused("BAD_AMOUNT", f"The amount of {whose} is zero, or too large to be one payment.")
    return amount_fen
