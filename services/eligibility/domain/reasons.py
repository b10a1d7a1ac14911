"""Why a decision is not a grant: a closed list of codes, each with a text in Chinese and English and its citation."""

from datetime import date
from typing import Literal

from msgspec import Struct

Code = Literal[
    "REGISTRATION_MISSING",
    "NOT_SME",
    "DEREGISTERED",
    "NOTHING_DUE",
    "LAYOFF_RATE",
    "DECLINED",
    "NO_DIFFICULTY",
    "OUTSIDE_WINDOW",
]


class Reason(Struct, frozen=True):
    code: Code
    zh: str
    en: str
    citation: str


def registration_missing(day: date, citation: str) -> Reason:
    return Reason(
        "REGISTRATION_MISSING",
        f"税务机关尚未提供{day}有效的登记信息；收到后即作出决定。",
        f"No registration in force on {day} is known yet; the decision is made when the tax authority sends it.",
        citation,
    )


def not_sme(size_class: str, day: date, citation: str) -> Reason:
    return Reason(
        "NOT_SME",
        f"按{day}有效的登记，企业规模为大型，不属于中小微企业。",
        f"By the registration in force on {day} the enterprise is {size_class}; "
        "it would have to be medium, small or micro.",
        citation,
    )


def deregistered(on: date, limit: date, citation: str) -> Reason:
    return Reason(
        "DEREGISTERED",
        f"企业已于{on}注销，须在{limit}仍登记在册。",
        f"The enterprise was deregistered on {on}; it would have to be registered still on {limit}.",
        citation,
    )


def nothing_due(key: str, citation: str) -> Reason:
    return Reason(
        "NOTHING_DUE",
        f"{key}的单位缴费核定总额为0分。",
        f"The employer contributions assessed for {key} add up to 0 fen; there is nothing to waive.",
        citation,
    )


def nothing_paid(year: int, citation: str) -> Reason:
    return Reason(
        "NOTHING_DUE",
        f"{year}年实际缴纳的失业保险费为0分。",
        f"The unemployment premium actually paid in {year} is 0 fen; there is nothing to return.",
        citation,
    )


def layoff_rate(
    laid_off: int, heads: int, months: int, insured: int, limits: tuple[int, int, int], citation: str
) -> Reason:
    """`heads / months` is the average; limits: (rate in bp, insured at most, their rate in bp)."""
    limit_bp, small, small_bp = limits
    if heads == 0:
        return Reason(
            "LAYOFF_RATE",
            "上年度各月参保职工平均人数为0，裁员率无法满足规定。",
            "The year's reports average 0 insured employees; a layoff rate within the limit would need employees.",
            citation,
        )
    average = _decimal(heads, months)
    rate = _decimal(laid_off * months * 100, heads)
    # Cut to two decimals, a rate just over the limit reads as the limit itself.
    just = rate == _decimal(small_bp if insured <= small else limit_bp, 100)
    shown, zh_shown = (f"just over {rate}", f"略高于{rate}") if just else (rate, rate)
    few = f"insured {insured} {'<=' if insured <= small else '>'} {small}"
    zh_few = f"参保{insured}人{'不超过' if insured <= small else '超过'}{small}人"
    return Reason(
        "LAYOFF_RATE",
        f"裁员{laid_off}人，平均参保{average}人，裁员率{zh_shown}%，高于{_percent(limit_bp)}；{zh_few}"
        f"（不超过者限{_percent(small_bp)}）。",
        f"layoffs {laid_off} of average {average} = {shown} % > {_percent(limit_bp)}; {few}"
        + (
            f", and {shown} % > {_percent(small_bp)}" if insured <= small else f" (their limit is {_percent(small_bp)})"
        ),
        citation,
    )


def declined(year: int, citation: str) -> Reason:
    return Reason(
        "DECLINED",
        f"企业已声明放弃{year}年度的稳岗返还。",
        f"The enterprise declined the refund for {year}.",
        citation,
    )


def no_difficulty(citation: str) -> Reason:
    return Reason(
        "NO_DIFFICULTY",
        "申请未声明受疫情影响、生产经营暂时困难。",
        "The application does not declare temporary difficulty; a new application would have to.",
        citation,
    )


def outside_window(submitted_on: date, first: date, last: date, citation: str) -> Reason:
    return Reason(
        "OUTSIDE_WINDOW",
        f"申请于{submitted_on}提交，不在{first}至{last}期间。",
        f"The application was submitted on {submitted_on}; it would have to be from {first} to {last}.",
        citation,
    )


def not_in_force(key: str, pack: str, citation: str) -> Reason:
    return Reason(
        "OUTSIDE_WINDOW",
        f"现行政策{pack}对{key}不再给予减免；须由现行政策对其作出规定。",
        f"The policy now in force, {pack}, grants nothing for {key}; it would have to provide for it.",
        citation,
    )


def _percent(bp: int) -> str:
    return f"{_decimal(bp, 100)} %"


def _decimal(numerator: int, denominator: int) -> str:
    """Two decimals, cut not rounded up to a limit: for reading only, the comparison was exact."""
    hundredths = numerator * 100 // denominator
    whole, part = divmod(hundredths, 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".") if part else str(whole)
