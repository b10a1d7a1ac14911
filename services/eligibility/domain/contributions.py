"""M1, M4: "from February, the contributions of three social insurance units for small and medium-sized enterprises,
such as pension, unemployment and work injury, will be exempted for a period of no more than five months", and
"reducing medical insurance premiums": one rule, with a rate per insurance.
"""

from services.eligibility.domain import reasons
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.verdict import Verdict, account_of, deregistered_before, group, size_class, standing
from shared.money import share_half_up


def exemption(enterprise: Enterprise, key: str, pack: Pack) -> Verdict | None:
    """The employer part waived for one insurance and month; None: no decision (yet)."""
    relief = pack.contributions.of(key)
    contribution = None if relief is None else enterprise.contribution(key)
    if relief is None or contribution is None:
        return None
    first = relief.first_day
    registration = enterprise.registration_on(first)
    if registration is None:
        return None
    size = size_class(registration, pack)
    kept = contribution.assessments
    due_fen = sum([assessment.employer_amount_fen for assessment in kept.values()])
    rate_bp, citation = relief.rates[group(size)]
    denials = deregistered_before(enterprise, first, pack)
    if rate_bp is None:
        denials.insert(0, reasons.not_sme(size, first, relief.rates["sme"][1]))
    if due_fen == 0:
        denials.append(reasons.nothing_due(key, citation))
    return Verdict(
        measure="exemption",
        key=key,
        outcome="denied" if denials else "granted",
        amount_fen=0 if denials or rate_bp is None else share_half_up(due_fen, rate_bp),
        effective_on=first,
        reasons=tuple(denials),
        facts=(*standing(registration, enterprise), *sorted([assessment.fact for assessment in kept.values()])),
        prefecture=registration.prefecture,
        size_class=size,
    )


def contribution_return(enterprise: Enterprise, waived: Verdict, made_before: bool) -> Verdict | None:
    """What was paid beyond what is still due after the exemption `waived`; made once something is returnable."""
    key = waived.key
    contribution = enterprise.contribution(key)
    assert contribution is not None, "it was waived"
    if not contribution.payments and not made_before:
        return None
    kept = contribution.assessments
    payments = [payment for known in kept for payment in contribution.payments.get(known, {}).values()]
    returnable_fen = 0
    if waived.outcome == "granted":
        due_fen = sum(assessment.employer_amount_fen for assessment in kept.values())
        paid_fen = sum(payment.amount_fen for payment in payments)
        returnable_fen = max(0, paid_fen - (due_fen - waived.amount_fen))
    if returnable_fen == 0 and not made_before:
        return None
    in_force = enterprise.registration_on(waived.effective_on)
    account = account_of(in_force, enterprise) if returnable_fen and in_force is not None else ()
    return Verdict(
        measure="contribution_return",
        key=key,
        outcome=waived.outcome,
        amount_fen=returnable_fen,
        effective_on=waived.effective_on,
        reasons=waived.reasons,
        facts=(*waived.facts, *account, *sorted(payment.fact for payment in payments)),
        prefecture=waived.prefecture,
        size_class=waived.size_class,
        payee=enterprise.payee() if returnable_fen else None,
    )
