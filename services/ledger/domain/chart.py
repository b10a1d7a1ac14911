"""The chart of accounts: for every event its two legs, as data.

A pattern's words in braces are filled from the event. Segments are `[A-Z0-9][A-Za-z0-9-]*`, so that hledger and
beancount both take them.
"""

from typing import Final, NamedTuple

EXEMPTION: Final = "Expenses:Relief:Exemption:{insurance}:{prefecture}"
CONTRIBUTIONS: Final = "Assets:Receivable:Contributions:{insurance}"
RELIEF: Final = "Expenses:Relief:{programme}:{prefecture}"
REFUNDS: Final = "Liabilities:Payable:Refunds:{programme}"
CLAWBACK: Final = "Assets:Receivable:Clawback:{programme}"
IN_TRANSIT: Final = "Assets:Bank:InTransit"
FUND: Final = "Assets:Bank:Fund"

INSURANCES: Final = {
    "pension": "Pension",
    "unemployment": "Unemployment",
    "work_injury": "Work-Injury",
    "medical": "Medical",
}
PROGRAMMES: Final = {"job_stabilisation": "JobStabilisation", "contribution_return": "ContributionReturn"}


class Entry(NamedTuple):
    """One line of the chart. `signed`: the amount has a sign, and a negative one swaps the legs."""

    debit: str
    credit: str
    signed: bool = False


CHART: Final[dict[str, Entry]] = {
    "relief.exemption.granted.v1": Entry(EXEMPTION, CONTRIBUTIONS, signed=True),
    "relief.exemption.amended.v1": Entry(EXEMPTION, CONTRIBUTIONS, signed=True),
    "relief.exemption.revoked.v1": Entry(EXEMPTION, CONTRIBUTIONS, signed=True),
    "relief.refund.authorised.v1": Entry(RELIEF, REFUNDS),
    "relief.refund.submitted.v1": Entry(REFUNDS, IN_TRANSIT),
    "relief.refund.settled.v1": Entry(IN_TRANSIT, FUND),
    "relief.refund.rejected.v1": Entry(IN_TRANSIT, REFUNDS),
    "relief.refund.cancelled.v1": Entry(REFUNDS, RELIEF),
    "relief.refund.clawback_raised.v1": Entry(CLAWBACK, RELIEF),
    "relief.refund.clawback_settled.v1": Entry(FUND, CLAWBACK),
    "relief.refund.clawback_written_off.v1": Entry(RELIEF, CLAWBACK),
}
# The sign each exemption event must have: a grant that takes away would be booked, but never meant.
SIGNS: Final[dict[str, tuple[int, ...]]] = {
    "relief.exemption.granted.v1": (1,),
    "relief.exemption.amended.v1": (1, -1),
    "relief.exemption.revoked.v1": (-1,),
}
