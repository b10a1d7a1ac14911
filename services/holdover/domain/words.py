"""The sentences that go out with an order's end and with an answer: Chinese and English in one line."""

from datetime import date
from typing import Final

from services.holdover.domain.standing import LeftOut
from services.holdover.domain.states import State

REPLACED: Final = "由新的保供令取代 (another order takes its place)"
NO_SUPPLY: Final = "住房公积金没有可停的供应 (the housing provident fund has no supply that could be cut)"
UNDECIDED: Final = "缓缴申请尚未决定，不得停供 (an application is undecided: the supply stays on until it is decided)"
# Why an order ends, by the state after it.
ENDED: Final[dict[State, str]] = {
    "completed": "缓缴款项已还清 (the deferred sum is repaid)",
    "defaulted": "分期款逾宽限期未付 (an instalment was not paid within its grace)",
    "withdrawn": "缓缴申请已撤回 (the application was taken back)",
    "denied": "缓缴决定已改为不予批准 (the grant was revised to a denial)",
    "applied": "原缓缴已终止，新申请尚未决定 (the holdover ended; another application is undecided)",
    "granted": "该账户没有可缓缴的账单 (the grant covers no bill of this account)",
}
# Why a supplier may cut a supply, by the account's state.
ALLOWED: Final[dict[State, str]] = {
    **ENDED,
    "none": "没有缓缴申请 (no application asks to defer this due)",
    "denied": "缓缴申请未获批准 (the application was denied)",
    "granted": "该账户没有窗口期内的生产用账单 (no production bill of the window is known for this account)",
}
# Why a bill is in no holdover.
LEFT_OUT: Final[dict[LeftOut, str]] = {
    "not_production": "非生产用账单 (the bill is not for production use)",
    "no_grant": "该费用没有有效的缓缴批准 (no grant is in force for this due)",
    "outside_window": "应缴日期不在窗口期内 (its due date is outside the window)",
}


def protected(until_on: date) -> str:
    """Why a supply may not be cut; the last day is in ISO form in both languages."""
    return f"缓缴期间不得停供，最迟至{until_on} (the supply is protected, until {until_on} at the latest)"
