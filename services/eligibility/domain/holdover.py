"""M3, M5: "For small and medium-sized enterprises affected by the epidemic, which have temporary difficulties in
production and operation and are unable to pay the electricity, water and gas fees required for production and operation
in full, they can apply for phased holdover", and "delaying the payment of housing provident funds".
"""

from services.eligibility.domain import reasons
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.verdict import Verdict, group, size_class, standing


def holdover(enterprise: Enterprise, application_id: str, pack: Pack) -> Verdict | None:
    """Whether one application is granted; pending while no registration is in force on its day."""
    application = enterprise.applications.get(application_id)
    if application is None:
        return None
    day = application.submitted_on
    registration = enterprise.registration_on(day)
    citation = pack.holdover.citation
    if registration is None:
        return Verdict(
            measure="holdover",
            key=application_id,
            outcome="pending",
            amount_fen=0,
            effective_on=day,
            reasons=(reasons.registration_missing(day, citation),),
            facts=(application.fact,),
        )
    size = size_class(registration, pack)
    gone = enterprise.deregistration
    denials = []
    if not application.declared_difficulty:
        denials.append(reasons.no_difficulty(citation))
    if not pack.window.holds(day):
        denials.append(reasons.outside_window(day, pack.window.first_day, pack.window.last_day, pack.window.citation))
    if group(size) != "sme":
        denials.append(reasons.not_sme(size, day, citation))
    if gone is not None and gone.on <= day:
        denials.append(reasons.deregistered(gone.on, day, pack.deregistration_citation))
    return Verdict(
        measure="holdover",
        key=application_id,
        outcome="denied" if denials else "granted",
        amount_fen=0,
        effective_on=day,
        reasons=tuple(denials),
        facts=(application.fact, *standing(registration, enterprise)),
        prefecture=registration.prefecture,
        size_class=size,
    )
