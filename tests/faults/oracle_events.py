"""Upstream events as plain dictionaries, with defaults for whatever a history does not care about.

Each builder returns a new structured-mode CloudEvent. Its id follows from type, business id and version, so a repeat of
the same call is the same event, and another version is another one; `renamed` gives it another id.
"""

import json
from typing import Any

from . import oracle_records as types
from .oracle_records import check_character

Event = dict[str, Any]

NOON = "2020-07-15T12:00:00+08:00"
PAYEE = {"account_name": "Tarim Bakery", "account_number": "6222000011112222", "bank_code": "102881000015"}


def uscc(serial: int) -> str:
    """A well-formed code; `serial` below 10**9."""
    first_seventeen = f"91650100{serial:09d}"
    return first_seventeen + check_character(first_seventeen)


def event(event_type: str, enterprise: str, event_id: str, data: Event) -> Event:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "urn:tax" if event_type.startswith("cn.tax") else "urn:other",
        "type": event_type,
        "subject": enterprise,
        "time": NOON,
        "datacontenttype": "application/json",
        "data": {"uscc": enterprise, **data},
    }


def line(one: Event) -> bytes:
    return json.dumps(one, ensure_ascii=False).encode()


def at(one: Event, time: str) -> Event:
    return {**one, "time": time}


def renamed(one: Event, event_id: str) -> Event:
    return {**one, "id": event_id}


def changed(one: Event, **fields: object) -> Event:
    """The same envelope, so the same id, with other data."""
    return {**one, "data": {**one["data"], **fields}}


def registered(enterprise: str, effective_on: str = "2019-01-01", version: int = 1, **fields: object) -> Event:
    """By default a small enterprise of Urumqi in industry `other`, where only employees count: 10 to 99 is small."""
    data = {
        "version": version,
        "name": "塔里木面包店",
        "industry": "other",
        "prefecture": "650100",
        "registered_on": "2015-03-02",
        "effective_on": effective_on,
        "employees": 50,
        "annual_revenue_fen": 400_000_000,
        "total_assets_fen": 300_000_000,
        "payee": PAYEE,
        **fields,
    }
    return event(types.REGISTERED, enterprise, f"reg-{effective_on}-{version}", data)


def deregistered(enterprise: str, deregistered_on: str) -> Event:
    return event(types.DEREGISTERED, enterprise, f"dereg-{deregistered_on}", {"deregistered_on": deregistered_on})


def assessed(enterprise: str, assessment: str, key: str, amount_fen: int, version: int = 1) -> Event:
    """`key`: for example "pension/2020-02"."""
    insurance, period = key.split("/")
    data = {
        "assessment_id": assessment,
        "version": version,
        "insurance": insurance,
        "period": period,
        "employer_amount_fen": amount_fen,
        "due_on": f"{period}-15",
    }
    return event(types.ASSESSED, enterprise, f"assessed-{assessment}-{version}", data)


def paid(enterprise: str, assessment: str, payment: str, amount_fen: int, paid_on: str = "2020-03-10") -> Event:
    data = {"assessment_id": assessment, "payment_id": payment, "amount_fen": amount_fen, "paid_on": paid_on}
    return event(types.PAID, enterprise, f"paid-{payment}", data)


def headcount(enterprise: str, period: str, insured: int, version: int = 1) -> Event:
    data = {"period": period, "version": version, "insured_employees": insured}
    return event(types.HEADCOUNT, enterprise, f"headcount-{period}-{version}", data)


def layoffs(enterprise: str, period: str, laid_off: int, version: int = 1) -> Event:
    data = {"period": period, "version": version, "laid_off": laid_off}
    return event(types.LAYOFFS, enterprise, f"layoffs-{period}-{version}", data)


def settled(enterprise: str, premium_fen: int, year: int = 2019, version: int = 1) -> Event:
    data = {"year": year, "version": version, "unemployment_premium_paid_fen": premium_fen}
    return event(types.YEAR, enterprise, f"year-{year}-{version}", data)


def declined(enterprise: str, application: str, year: int = 2019, submitted_on: str = "2020-04-01") -> Event:
    data = {"application_id": application, "year": year, "submitted_on": submitted_on}
    return event(types.DECLINED, enterprise, f"declined-{application}", data)


def applied(enterprise: str, application: str, submitted_on: str, *utilities: str, difficulty: bool = True) -> Event:
    data = {
        "application_id": application,
        "utilities": list(utilities) or ["electricity"],
        "declared_difficulty": difficulty,
        "contact": "0991-000000",
        "submitted_on": submitted_on,
    }
    return event(types.APPLIED, enterprise, f"applied-{application}", data)


def withdrawn(enterprise: str, application: str, submitted_on: str) -> Event:
    data = {"application_id": application, "submitted_on": submitted_on}
    return event(types.WITHDRAWN, enterprise, f"withdrawn-{application}", data)


def need(enterprise: str, application: str) -> Event:
    data = {
        "application_id": application,
        "measure": "staff_transport",
        "details": {"people": 12},
        "contact": "0991-000000",
        "submitted_on": "2020-03-01",
    }
    return event(types.NEED, enterprise, f"need-{application}", data)


def bill(enterprise: str, bill_id: str, amount_fen: int, version: int = 1) -> Event:
    data = {
        "bill_id": bill_id,
        "version": version,
        "utility": "gas",
        "supplier_id": "gas-1",
        "account_no": "7",
        "period": "2020-03",
        "amount_fen": amount_fen,
        "due_on": "2020-04-10",
        "production_use": True,
    }
    return event(types.BILL, enterprise, f"bill-{bill_id}-{version}", data)


def bill_paid(enterprise: str, bill_id: str, payment: str, amount_fen: int) -> Event:
    data = {"bill_id": bill_id, "payment_id": payment, "amount_fen": amount_fen, "paid_on": "2020-04-11"}
    return event(types.BILL_PAID, enterprise, f"bill-paid-{payment}", data)


def disconnection(enterprise: str, request: str) -> Event:
    data = {
        "request_id": request,
        "utility": "gas",
        "supplier_id": "gas-1",
        "account_no": "7",
        "reason": "arrears",
        "requested_on": "2020-04-20",
    }
    return event(types.DISCONNECTION, enterprise, f"disconnection-{request}", data)
