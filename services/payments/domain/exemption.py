"""Contributions waived: decisions become `granted`, `amended` and `revoked`."""

from functools import lru_cache
from typing import Literal

import msgspec

from services.payments.domain.decision import Contradiction, Decision, Outcome, compare, place_of

Change = Literal["granted", "amended", "revoked"]
INSURANCES = frozenset({"pension", "unemployment", "work_injury", "medical"})


class Exemption(msgspec.Struct, frozen=True, gc=False):
    """What is waived now. `prefecture` is where it is booked: set exactly while `amount_fen` is above 0."""

    revision: int
    amount_fen: int
    prefecture: str | None


class ExemptionChange(msgspec.Struct, frozen=True, gc=False):
    """One step to tell; `delta_fen` is against the step before, so the steps add up to `amount_fen`."""

    change: Change
    amount_fen: int
    delta_fen: int
    prefecture: str


def waive(held: Exemption | None, decision: Decision) -> tuple[Outcome, Exemption, ExemptionChange | None]:
    """The exemption after the decision, and the step to tell, None when no money moves. Raises Contradiction.

    Money moves by the decided amount minus the amount held. While something is waived it stays booked under the
    prefecture it was first booked under, also when a later revision names another: a reversal must meet the booking it
    reverses. After it went to 0, a new grant is booked where the new decision says.
    """
    before = held or Exemption(0, 0, None)
    outcome = compare(decision, before.revision, before.amount_fen)
    if outcome != "changed":
        return outcome, before, None
    amount = decision.amount_fen
    delta = amount - before.amount_fen
    place = before.prefecture or (place_of(decision) if amount else None)
    after = Exemption(decision.revision, amount, place if amount else None)
    if delta == 0:
        return outcome, after, None
    assert place is not None  # one of the two amounts is above 0
    return outcome, after, ExemptionChange(_change(before.amount_fen, amount), amount, delta, place)


def _change(before_fen: int, after_fen: int) -> Change:
    if after_fen == 0:
        return "revoked"
    return "amended" if before_fen else "granted"


@lru_cache(maxsize=4096)
def insurance_and_period(key: str) -> tuple[str, str]:
    """`pension/2020-02` in its two parts. Raises Contradiction for a key that is no exemption's."""
    insurance, slash, period = key.partition("/")
    year, dash, month = period.partition("-")
    month_is_one = month.isascii() and month.isdigit() and len(month) == 2 and 1 <= int(month) <= 12
    year_is_one = year.isascii() and year.isdigit() and len(year) == 4 and year[:2] in ("19", "20")
    if insurance not in INSURANCES or not (slash and dash and year_is_one and month_is_one):
        raise Contradiction(f"An exemption was decided under the key {key!r}, which is not <insurance>/<YYYY-MM>.")
    return insurance, period
