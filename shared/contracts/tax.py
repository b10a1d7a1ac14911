"""`upstream.tax.v1`: the tax authority's registrations, contributions and payments."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Amount, Day, Heads, Industry, Insurance, Name, Period, Prefecture, Uscc, Version


class Payee(Data):
    """Personal data: leaves intake only sealed to the payments service."""

    account_name: Name
    account_number: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,34}$")]
    bank_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class EnterpriseRegisteredData(Data):
    uscc: Uscc
    version: Version = 1
    name: Name
    industry: Industry
    prefecture: Prefecture
    registered_on: Day
    effective_on: Day
    employees: Heads
    annual_revenue_fen: Amount
    total_assets_fen: Amount
    payee: Payee | None


class EnterpriseRegistered(Event[EnterpriseRegisteredData]):
    """Registration facts in force from `effective_on`; business id (uscc, effective_on)."""

    type: Literal["cn.tax.enterprise.registered.v1"] = "cn.tax.enterprise.registered.v1"


class EnterpriseDeregisteredData(Data):
    uscc: Uscc
    deregistered_on: Day


class EnterpriseDeregistered(Event[EnterpriseDeregisteredData]):
    """Once for ever per uscc: always version 1."""

    type: Literal["cn.tax.enterprise.deregistered.v1"] = "cn.tax.enterprise.deregistered.v1"


class ContributionAssessedData(Data):
    uscc: Uscc
    assessment_id: Name
    version: Version = 1
    insurance: Insurance
    period: Period
    employer_amount_fen: Amount
    due_on: Day


class ContributionAssessed(Event[ContributionAssessedData]):
    """The employer part of one contribution; several of one (uscc, insurance, period) add up."""

    type: Literal["cn.tax.contribution.assessed.v1"] = "cn.tax.contribution.assessed.v1"


class ContributionPaidData(Data):
    uscc: Uscc
    assessment_id: Name
    payment_id: Name
    amount_fen: Amount
    paid_on: Day


class ContributionPaid(Event[ContributionPaidData]):
    """A payment of the employer part of the assessment it names; may arrive before it."""

    type: Literal["cn.tax.contribution.paid.v1"] = "cn.tax.contribution.paid.v1"


TAX_EVENTS = (EnterpriseRegistered, EnterpriseDeregistered, ContributionAssessed, ContributionPaid)
