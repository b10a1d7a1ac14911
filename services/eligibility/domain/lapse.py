"""What an earlier policy granted and the one now in force does not speak of: taken back, with a reason.

A rule that knows nothing of a key says so by silence, which is right until something was granted for that key. After a
change of policy the silence would leave the grant, and its money, standing on rules that are no longer in force.
"""

from collections.abc import Iterator
from datetime import date

from services.eligibility.domain import reasons
from services.eligibility.domain.pack import Pack, first_day
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.verdict import Verdict, size_class, standing


def lapsed(enterprise: Enterprise, pack: Pack) -> Iterator[Verdict]:
    """A denial for every grant held that the policy in force does not speak of."""
    for measure, key in enterprise.granted():
        verdict = lapse(enterprise, measure, key, pack)
        if verdict is not None:
            yield verdict


def lapse(enterprise: Enterprise, measure: str, key: str, pack: Pack) -> Verdict | None:
    """The denial of one grant; None where the policy speaks of its key, as it does of every application's."""
    if measure == "holdover" or _speaks_of(measure, key, pack):
        return None
    day = date(int(key), 12, 31) if measure == "refund" else first_day(key)
    registration = enterprise.registration_on(day)
    return Verdict(
        measure=measure,
        key=key,
        outcome="denied",
        amount_fen=0,
        effective_on=pack.window.first_day if measure == "refund" else day,
        reasons=(reasons.not_in_force(key, pack.ref.pack, pack.window.citation),),
        facts=() if registration is None else tuple(standing(registration, enterprise)),
        prefecture=None if registration is None else registration.prefecture,
        size_class=None if registration is None else size_class(registration, pack),
    )


def _speaks_of(measure: str, key: str, pack: Pack) -> bool:
    return key == str(pack.refund.reference_year) if measure == "refund" else pack.contributions.of(key) is not None
