"""`relief.facts.v1`: every accepted fact, validated, one ordered log per enterprise; written by intake alone.

A fact keeps the type, id, source and time of the upstream record it came from, so that a decision's `facts` name
records the authorities know. `data` adds `origin`; personal data is replaced by its sealed form.
"""

from typing import Annotated

from pydantic import StringConstraints

from shared.contracts.applications import (
    HoldoverAppliedData,
    HoldoverWithdrawalData,
    NeedRegisteredData,
    RefundDeclinedData,
)
from shared.contracts.envelope import Caused
from shared.contracts.insurance import HeadcountReportedData, LayoffsReportedData, YearSettledData
from shared.contracts.operations import DayStartedData, PackActivatedData, ReviewRequestedData
from shared.contracts.tax import (
    ContributionAssessedData,
    ContributionPaidData,
    EnterpriseDeregisteredData,
    EnterpriseRegisteredData,
)
from shared.contracts.utility import BillIssuedData, BillPaidData, DisconnectionRequestedData
from shared.contracts.vocabulary import Hash

# JWE compact serialisation: five base64url parts; the encrypted key is empty in direct key agreement.
Sealed = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){3}$", max_length=1_000_000)
]


class EnterpriseRegisteredFactData(EnterpriseRegisteredData, Caused):
    payee: None = None
    payee_sealed: Sealed | None = None
    payee_digest: Hash | None = None


class EnterpriseDeregisteredFactData(EnterpriseDeregisteredData, Caused):
    pass


class ContributionAssessedFactData(ContributionAssessedData, Caused):
    pass


class ContributionPaidFactData(ContributionPaidData, Caused):
    pass


class HeadcountReportedFactData(HeadcountReportedData, Caused):
    pass


class LayoffsReportedFactData(LayoffsReportedData, Caused):
    pass


class YearSettledFactData(YearSettledData, Caused):
    pass


class BillIssuedFactData(BillIssuedData, Caused):
    pass


class BillPaidFactData(BillPaidData, Caused):
    pass


class DisconnectionRequestedFactData(DisconnectionRequestedData, Caused):
    pass


class HoldoverAppliedFactData(HoldoverAppliedData, Caused):
    contact: None = None  # type: ignore[assignment]  # a fact has it sealed, never open
    contact_sealed: Sealed | None = None


class HoldoverWithdrawalFactData(HoldoverWithdrawalData, Caused):
    pass


class RefundDeclinedFactData(RefundDeclinedData, Caused):
    pass


class NeedRegisteredFactData(NeedRegisteredData, Caused):
    contact: None = None  # type: ignore[assignment]  # a fact has it sealed, never open
    contact_sealed: Sealed | None = None


class DayStartedFactData(DayStartedData, Caused):
    pass


class PackActivatedFactData(PackActivatedData, Caused):
    pass


class ReviewRequestedFactData(ReviewRequestedData, Caused):
    pass


FACT_DATA: dict[str, type[Caused]] = {
    "cn.tax.enterprise.registered.v1": EnterpriseRegisteredFactData,
    "cn.tax.enterprise.deregistered.v1": EnterpriseDeregisteredFactData,
    "cn.tax.contribution.assessed.v1": ContributionAssessedFactData,
    "cn.tax.contribution.paid.v1": ContributionPaidFactData,
    "cn.insurance.headcount.reported.v1": HeadcountReportedFactData,
    "cn.insurance.layoffs.reported.v1": LayoffsReportedFactData,
    "cn.insurance.year.settled.v1": YearSettledFactData,
    "cn.utility.bill.issued.v1": BillIssuedFactData,
    "cn.utility.bill.paid.v1": BillPaidFactData,
    "cn.utility.disconnection.requested.v1": DisconnectionRequestedFactData,
    "relief.holdover.applied.v1": HoldoverAppliedFactData,
    "relief.holdover.withdrawal.v1": HoldoverWithdrawalFactData,
    "relief.refund.declined.v1": RefundDeclinedFactData,
    "relief.need.registered.v1": NeedRegisteredFactData,
    "relief.day.started.v1": DayStartedFactData,
    "relief.pack.activated.v1": PackActivatedFactData,
    "relief.review.requested.v1": ReviewRequestedFactData,
}
