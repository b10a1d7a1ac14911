"""`upstream.insurance.v1`: the social insurance authority's monthly and yearly reports."""

from typing import Literal

from shared.contracts.envelope import Data, Event
from shared.contracts.vocabulary import Amount, Heads, Period, Uscc, Version, Year


class HeadcountReportedData(Data):
    uscc: Uscc
    period: Period
    version: Version = 1
    insured_employees: Heads


class HeadcountReported(Event[HeadcountReportedData]):
    """Insured employees in one month; business id (uscc, period)."""

    type: Literal["cn.insurance.headcount.reported.v1"] = "cn.insurance.headcount.reported.v1"


class LayoffsReportedData(Data):
    uscc: Uscc
    period: Period
    version: Version = 1
    laid_off: Heads


class LayoffsReported(Event[LayoffsReportedData]):
    """Employees laid off in one month; business id (uscc, period)."""

    type: Literal["cn.insurance.layoffs.reported.v1"] = "cn.insurance.layoffs.reported.v1"


class YearSettledData(Data):
    uscc: Uscc
    year: Year
    version: Version = 1
    unemployment_premium_paid_fen: Amount


class YearSettled(Event[YearSettledData]):
    """Unemployment premium actually paid in `year`, employer and employee parts together."""

    type: Literal["cn.insurance.year.settled.v1"] = "cn.insurance.year.settled.v1"


INSURANCE_EVENTS = (HeadcountReported, LayoffsReported, YearSettled)
