"""From one fact to the decisions it changes: state -> all affected decisions -> the differences."""

from msgspec import Struct

from services.eligibility.domain.contributions import contribution_return, exemption
from services.eligibility.domain.facts import EVERYTHING, Affected, EnterpriseFact
from services.eligibility.domain.holdover import holdover
from services.eligibility.domain.lapse import lapsed
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.refund import refund
from services.eligibility.domain.state import Enterprise, Held
from services.eligibility.domain.verdict import Verdict


class Decision(Struct, frozen=True):
    """A verdict that differs from what was last decided, as the next revision of it."""

    verdict: Verdict
    revision: int
    delta_fen: int


def decide(enterprise: Enterprise, fact: EnterpriseFact, pack: Pack | None) -> list[Decision]:
    """Take the fact into the state; decide what it can affect; keep and return what changed.

    Without a pack in force facts are only taken: the review that follows the pack's activation decides.
    """
    affected = fact.take(enterprise)
    if affected is None or pack is None:
        return []
    verdicts = _verdicts(enterprise, affected, pack)
    if affected is EVERYTHING:
        verdicts += lapsed(enterprise, pack)
    return [d for verdict in verdicts if (d := _difference(enterprise, verdict)) is not None]


def standing_verdicts(enterprise: Enterprise, pack: Pack) -> list[Verdict]:
    """Every decision as policy says it now, with all facts known: independent of the order they came in."""
    return _verdicts(enterprise, EVERYTHING, pack)


def _verdicts(enterprise: Enterprise, affected: Affected, pack: Pack) -> list[Verdict]:
    if affected.what == "contribution":
        return _contribution(enterprise, affected.key, pack)
    if affected.what == "application":
        return _made(holdover(enterprise, affected.key, pack))
    found = _made(refund(enterprise, pack))
    if affected is EVERYTHING:
        for key in enterprise.keys:
            found += _contribution(enterprise, key, pack)
        for application_id in sorted(enterprise.applications):
            found += _made(holdover(enterprise, application_id, pack))
    return found


def _made(verdict: Verdict | None) -> list[Verdict]:
    return [] if verdict is None else [verdict]


def _contribution(enterprise: Enterprise, key: str, pack: Pack) -> list[Verdict]:
    waived = exemption(enterprise, key, pack)
    if waived is None:
        return []
    made_before = enterprise.last("contribution_return", key) is not None
    return [waived, *_made(contribution_return(enterprise, waived, made_before))]


def _difference(enterprise: Enterprise, verdict: Verdict) -> Decision | None:
    """None when outcome, amount and payee are what was last decided."""
    held = enterprise.last(verdict.measure, verdict.key)
    digest = verdict.payee.digest if verdict.payee is not None else None
    if (
        held is not None
        and held.outcome == verdict.outcome
        and held.amount_fen == verdict.amount_fen
        and held.payee_digest == digest
    ):
        return None
    revision = held.revision + 1 if held is not None else 1
    enterprise.hold(verdict.measure, verdict.key, Held(revision, verdict.outcome, verdict.amount_fen, digest))
    return Decision(verdict, revision, verdict.amount_fen - (held.amount_fen if held is not None else 0))
