"""The unified social credit code of an enterprise (GB 32100-2015): 18 characters, the last one a check character.

A code is taken exactly as written: lower case, spaces and separators make it invalid, and the first places may hold
letters.
"""

from functools import lru_cache
from operator import mul

from stdnum.cn import uscc as _stdnum

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"

_VALUE = {character: value for value, character in enumerate(ALPHABET)}
# Powers of 3 modulo 31 for the 17 places; 1 for the check character, which brings the sum to a multiple of 31.
# A check value of 31 is written 0: the same residue, so it needs no case of its own.
_WEIGHTS = (*(pow(3, place, 31) for place in range(17)), 1)
# The same enterprise comes several times in a row; a whole region remembered would take some hundred megabytes.
_REMEMBERED = 1 << 13


def is_valid(code: str) -> bool:
    """Whether `code` is 18 characters of the alphabet with the right check character."""
    # The length goes first: the cache must not keep a megabyte of somebody's mistake.
    return len(code) == 18 and _checks(code)


def with_check_character(first17: str) -> str:
    """The full code for its first 17 characters; ValueError if they are not 17 of the alphabet."""
    if len(first17) != 17 or not all(character in _VALUE for character in first17):
        raise ValueError(f"{first17!r} is not 17 characters of {ALPHABET}")
    return first17 + str(_stdnum.calc_check_digit(first17))


@lru_cache(maxsize=_REMEMBERED)
def _checks(code: str) -> bool:
    try:
        total: int = sum(map(mul, map(_VALUE.__getitem__, code), _WEIGHTS))
    except KeyError:
        return False
    return total % 31 == 0
