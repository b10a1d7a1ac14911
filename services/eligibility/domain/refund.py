"""M2: "If the layoff rate of the insured enterprise is not higher than 5.5% and the number of employees is less than 30
(inclusive), and the layoff rate of the insured enterprise does not exceed 20% of the total number of employees,
subsidies will be given, and the subsidy standard will be returned according to 50% of the unemployment insurance
premium actually paid in the previous year, and 60% in the four prefectures of southern Xinjiang."

The published "and" is read as the national rule's "or" (docs/adr/0006): the 20 % limit is for the small.
"""

from datetime import date

from services.eligibility.domain import reasons
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.verdict import Verdict, account_of, deregistered_before, group, size_class, standing
from shared.money import BASIS, share_half_up


def refund(enterprise: Enterprise, pack: Pack) -> Verdict | None:
    """The unemployment premium returned for the reference year; None: no decision yet."""
    rules = pack.refund
    year = rules.reference_year
    last_day = date(year, 12, 31)
    insured = enterprise.insured
    settled = insured.premiums.get(year)
    december = insured.headcounts.get(f"{year}-12")
    registration = enterprise.registration_on(last_day)
    if settled is None or december is None or registration is None:
        return None
    months = {period: report for period, report in insured.headcounts.items() if _within(period, year)}
    cuts = {period: report for period, report in insured.layoffs.items() if _within(period, year)}
    declines = [decline for decline in insured.declines.values() if decline.year == year]
    heads = sum(report.number for report in months.values())
    laid_off = sum(report.number for report in cuts.values())
    size = size_class(registration, pack)
    where = "southern" if registration.prefecture in pack.southern else "other"
    rate_bp = rules.rates[group(size)][where]

    denials = []
    if rate_bp is None:
        denials.append(reasons.not_sme(size, last_day, rules.citation))
    denials += deregistered_before(enterprise, pack.window.first_day, pack)
    if not _layoffs_within(laid_off, heads, len(months), december.number, pack):
        limits = (rules.layoff_limit_bp, rules.small_insured_at_most, rules.small_layoff_limit_bp)
        denials.append(
            reasons.layoff_rate(laid_off, heads, len(months), december.number, limits, rules.layoff_citation)
        )
    if settled.number == 0:
        denials.append(reasons.nothing_paid(year, rules.citation))
    if declines:
        denials.append(reasons.declined(year, rules.citation))
    refund_fen = 0 if denials or rate_bp is None else share_half_up(settled.number, rate_bp)
    return Verdict(
        measure="refund",
        key=str(year),
        outcome="denied" if denials else "granted",
        amount_fen=refund_fen,
        effective_on=pack.window.first_day,
        reasons=tuple(denials),
        facts=(
            *standing(registration, enterprise),
            *(account_of(registration, enterprise) if refund_fen else ()),
            settled.fact,
            *(months[period].fact for period in sorted(months)),
            *(cuts[period].fact for period in sorted(cuts)),
            *sorted(decline.fact for decline in declines),
        ),
        prefecture=registration.prefecture,
        size_class=size,
        payee=enterprise.payee() if refund_fen else None,
    )


def _layoffs_within(laid_off: int, heads: int, months: int, insured: int, pack: Pack) -> bool:
    """laid_off / (heads / months) against the limits, cross-multiplied; an average of 0 meets none."""
    if heads == 0:
        return False
    rules = pack.refund
    rate = laid_off * months * BASIS
    if rate <= rules.layoff_limit_bp * heads:
        return True
    return insured <= rules.small_insured_at_most and rate <= rules.small_layoff_limit_bp * heads


def _within(period: str, year: int) -> bool:
    return period[:4] == str(year)
