"""From one fact to the decisions it changes: state -> all affected decisions -> the differences."""

from collections.abc import Iterator

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
    verdicts = list(_verdicts(enterprise, affected, pack))
    if affected == EVERYTHING:
        verdicts += lapsed(enterprise, pack)
    return [d for verdict in verdicts if (d := _difference(enterprise, verdict)) is not None]


def standing_verdicts(enterprise: Enterprise, pack: Pack) -> list[Verdict]:
    """Every decision as policy says it now, with all facts known: independent of the order they came in."""
    return list(_verdicts(enterprise, EVERYTHING, pack))


def _verdicts(enterprise: Enterprise, affected: Affected, pack: Pack) -> Iterator[Verdict]:
    everything = affected == EVERYTHING
    if everything or affected.what == "refund":
        verdict = refund(enterprise, pack)
        if verdict is not None:
            yield verdict
    if everything or affected.what == "contribution":
        for key in enterprise.keys if everything else (affected.key,):
            yield from _contribution(enterprise, key, pack)
    if everything or affected.what == "application":
        for application_id in sorted(enterprise.applications) if everything else (affected.key,):
            verdict = holdover(enterprise, application_id, pack)
            if verdict is not None:
                yield verdict


def _contribution(enterprise: Enterprise, key: str, pack: Pack) -> Iterator[Verdict]:
    waived = exemption(enterprise, key, pack)
    if waived is None:
        return
    yield waived
    returned = contribution_return(enterprise, waived, made_before=enterprise.last("contribution_return", key) is not None)
    if returned is not None:
        yield returned


def _difference(enterprise: Enterprise, verdict: Verdict) -> Decision | None:
    """None when outcome, amount and payee are what was last decided."""
    held = enterprise.last(verdict.measure, verdict.key)
    digest = verdict.payee.digest if verdict.payee is not None else None
    if held is not None and (held.outcome, held.amount_fen, held.payee_digest) == (
        verdict.outcome,
        verdict.amount_fen,
        digest,
    ):
        return None
    revision = held.revision + 1 if held is not None else 1
    enterprise.hold(verdict.measure, verdict.key, Held(revision, verdict.outcome, verdict.amount_fen, digest))
    return Decision(verdict, revision, verdict.amount_fen - (held.amount_fen if held is not None else 0))
