"""Identifiers of our own: a pure function of what they name, so that a repeat carries the same id wherever it is made.

32 hex digits (a bank file's ids have at most 35 characters). The rules are part of the contract: an id is never derived
in another way later, or a repeat would count as something new.
"""

import hashlib

_BLAKE = hashlib.blake2b(digest_size=16)
# Of short parts in ASCII, whose characters are their bytes, the length as text: all parts are encoded in one go.
_SHORT = 128
_LENGTHS = tuple(length.to_bytes(8, "big").decode() for length in range(_SHORT))


def derived(*parts: str) -> str:
    """32 hex digits of BLAKE2b over the parts in UTF-8, each after its length (8 bytes, big-endian).

    The lengths keep ("ab", "c") and ("a", "bc") apart.
    """
    # Copied for each id: half the price of a new one.
    h = _BLAKE.copy()
    plain = "".join([_LENGTHS[len(part)] + part if len(part) < _SHORT else "\x80" for part in parts])
    if plain.isascii():
        h.update(plain.encode())
        return h.hexdigest()
    for part in parts:
        encoded = part.encode()
        h.update(len(encoded).to_bytes(8, "big") + encoded)
    return h.hexdigest()


def decision_id(uscc: str, measure: str, key: str, revision: int) -> str:
    """One revision of the decision on (uscc, measure, key)."""
    return derived(uscc, measure, key, str(revision))


def exemption_id(uscc: str, key: str) -> str:
    """An enterprise's exemption for one insurance and period; `key` as in its decisions, e.g. "pension/2020-02"."""
    return derived(uscc, "exemption", key)


def payment_id(uscc: str, measure: str, key: str, number: int) -> str:
    """The `number`-th payment, from 1, for (uscc, measure, key).

    Parts alike, a payment and a decision may share their digits: an id says which only together with its field's name.
    """
    return derived(uscc, measure, key, str(number))


def clawback_id(payment: str, number: int) -> str:
    """The `number`-th claim, from 1, on money that one payment paid out."""
    return derived(payment, "clawback", str(number))


def batch_id(programme: str, bank: str, day: str, number: int) -> str:
    """The `number`-th batch, from 1, of a programme's payments to one bank on one day (`YYYY-MM-DD`)."""
    return derived("batch", programme, bank, day, str(number))


def ledger_event_id(business_key: str, transition: str, revision: int) -> str:
    """One step (`granted`, `authorised`, ...) of an exemption or payment, made by that revision of its decision."""
    return derived(business_key, transition, str(revision))
