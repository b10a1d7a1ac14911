"""What a region's enterprises and suppliers do about deferred dues, beyond what the simulator has them do: most
enterprises with bills apply, some take it back, and each account repays by habits of its own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any
from zlib import crc32

from services.cli.log import Line
from shared.contracts.topics import APPLICATIONS, UTILITY
from tests.faults.oracle_holdovers import NO_SUPPLY, Account, Stand
from tests.integration.region import Upstream

_BILL, _APPLIED = "cn.utility.bill.issued.v1", "relief.holdover.applied.v1"
_UTILITIES = ["electricity", "water", "gas", NO_SUPPLY]
# Of five accounts one pays nothing, and of three that may pay late one pays too late.
_HABITS = 5
# Of the enterprises that apply.
_TAKING_BACK, _NOT_APPLYING = 7, 4


def with_applicants(region: list[Upstream]) -> list[Upstream]:
    """The region, with applications and withdrawals amid what comes in over HTTP anyhow."""
    events = [json.loads(one.line) for one in region]
    applied = {event["subject"] for event in events if event["type"] == _APPLIED}
    billed = dict.fromkeys(event["subject"] for event in events if event["type"] == _BILL)
    applying = [uscc for uscc in billed if uscc not in applied and _drawn(uscc, _NOT_APPLYING)]
    added = [one for uscc in applying for one in _application(uscc)]
    # Topics stay together, each in its order.
    return [*region, *added]


def _application(uscc: str) -> Iterator[Upstream]:
    name = f"more-{uscc}"
    data = {
        "application_id": name, "utilities": _UTILITIES, "declared_difficulty": True, "contact": "0991-0000017",
        "submitted_on": "2020-03-02",
    }  # fmt: skip
    yield _said(APPLICATIONS, _APPLIED, uscc, f"applied-{name}", data)
    if not _drawn(uscc, _TAKING_BACK):
        back = {"application_id": name, "submitted_on": "2020-05-04"}
        yield _said(APPLICATIONS, "relief.holdover.withdrawal.v1", uscc, f"withdrawn-{name}", back)


def paid_in_time(stands: Mapping[Account, Stand], today: date) -> Iterator[Upstream]:
    """Once the first instalment is announced: it, all, or a part is paid, or nothing."""
    for account, stand in _repaying(stands):
        first, left = _first_open(stand), sum(one.amount_fen - one.paid_fen for one in stand.instalments)
        fen = {1: first, 2: left, 3: first // 2}.get(_drawn("".join(account), _HABITS), 0)
        if fen:
            yield _payment(account, stand, fen, today, "in-time")


def paid_late(stands: Mapping[Account, Stand], in_time: date, too_late: date) -> Iterator[Upstream]:
    """Told when the grace of the first instalment is over: some were paid within it, which cures, and some after it."""
    for account, stand in _repaying(stands):
        drawn = _drawn("".join(account), _HABITS)
        if drawn >= 3 and (first := _first_open(stand)):
            yield _payment(account, stand, first, in_time if drawn == 3 else too_late, "late")


def requests(stands: Mapping[Account, Stand], today: date, occasion: str) -> dict[str, tuple[Account, Upstream]]:
    """Every supplier of every account asks whether it may cut the supply; by request id."""
    found = {}
    for account in stands:
        uscc, utility, supplier, number = account
        name = f"{occasion}-{'-'.join(account)}"
        data = {
            "request_id": name, "utility": utility, "supplier_id": supplier, "account_no": number, "reason": "unpaid",
            "requested_on": today.isoformat(),
        }  # fmt: skip
        kind = "cn.utility.disconnection.requested.v1"
        found[name] = account, _said(UTILITY, kind, uscc, f"asked-{name}", data)
    return found


def _repaying(stands: Mapping[Account, Stand]) -> Iterable[tuple[Account, Stand]]:
    return [(account, stand) for account, stand in stands.items() if stand.state in ("repaying", "defaulted")]


def _first_open(stand: Stand) -> int:
    return next((one.amount_fen - one.paid_fen for one in stand.instalments if one.amount_fen > one.paid_fen), 0)


def _payment(account: Account, stand: Stand, fen: int, on: date, what: str) -> Upstream:
    data = {
        "bill_id": min(stand.deferred_fen), "payment_id": f"{what}-{'-'.join(account)}", "amount_fen": fen,
        "paid_on": on.isoformat(),
    }  # fmt: skip
    return _said(UTILITY, "cn.utility.bill.paid.v1", account[0], f"{what}-{'-'.join(account)}", data)


def _drawn(text: str, chances: int) -> int:
    return crc32(text.encode()) % chances


def _said(topic: str, kind: str, uscc: str, name: str, data: dict[str, Any]) -> Upstream:
    event = {
        "specversion": "1.0", "id": name, "source": "//faults.example/dues", "type": kind, "subject": uscc,
        "time": "2020-06-15T09:30:00+08:00", "datacontenttype": "application/json", "data": {"uscc": uscc} | data,
    }  # fmt: skip
    written = json.dumps(event, ensure_ascii=False).encode()
    return Upstream(topic, Line(uscc.encode(), written), written)
