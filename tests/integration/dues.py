"""Dues on a running installation, from the outside in: what authorities, utilities and enterprises send; the days."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import count
from typing import Any

from services.cli.draining import drained
from services.cli.installation import run
from services.cli.log import Line
from services.cli.operate import operate
from services.intake.operations import day_started
from shared.calendar import SHANGHAI
from shared.contracts.topics import APPLICATIONS, TAX, UTILITY
from tests.integration.money import Money

SUPPLIER = "grid-6501"


class Dues:
    """Suppliers and enterprises of one installation. An enterprise has one account for electricity, and one bill of
    1,000 fen that is due in April, with its code in both their names.
    """

    def __init__(self, money: Money) -> None:
        self.money, self.running = money, money.running
        self._numbers = count(1)
        self._waiting: dict[str, list[Line]] = {}

    def register(self, *enterprises: str) -> None:
        """Each is small, and so may apply."""
        for uscc in enterprises:
            data = {
                "version": 1, "name": "Tarim Trading", "industry": "retail", "prefecture": "650100",
                "registered_on": "2015-06-18", "effective_on": "2015-06-18", "employees": 20,
                "annual_revenue_fen": 300_000_000, "total_assets_fen": 100_000_000, "payee": None,
            }  # fmt: skip
            self._send(TAX, "cn.tax.enterprise.registered.v1", uscc, data)

    def apply(self, uscc: str, *utilities: str) -> None:
        data = {
            "application_id": f"application-{uscc}", "utilities": list(utilities or ["electricity"]),
            "declared_difficulty": True, "contact": {"telephone": "0991-0000017"}, "submitted_on": "2020-02-20",
        }  # fmt: skip
        self._send(APPLICATIONS, "relief.holdover.applied.v1", uscc, data)

    def withdraw(self, uscc: str) -> None:
        data = {"application_id": f"application-{uscc}", "submitted_on": "2020-05-01"}
        self._send(APPLICATIONS, "relief.holdover.withdrawal.v1", uscc, data)

    def bill(self, uscc: str, fen: int = 1000, version: int = 1, **more: Any) -> None:
        data = {
            "bill_id": f"bill-{uscc}", "version": version, "utility": "electricity", "supplier_id": SUPPLIER,
            "account_no": f"account-{uscc}", "period": "2020-03", "amount_fen": fen, "due_on": "2020-04-20",
            "production_use": True,
        }  # fmt: skip
        self._send(UTILITY, "cn.utility.bill.issued.v1", uscc, data | more)

    def pay(self, uscc: str, fen: int, on: date, bill_id: str | None = None) -> None:
        data = {
            "bill_id": bill_id or f"bill-{uscc}", "payment_id": f"payment-{uscc}-{next(self._numbers)}",
            "amount_fen": fen, "paid_on": on.isoformat(),
        }  # fmt: skip
        self._send(UTILITY, "cn.utility.bill.paid.v1", uscc, data)

    def ask(self, uscc: str, request_id: str | None = None) -> None:
        data = {
            "request_id": request_id or f"request-{uscc}", "utility": "electricity", "supplier_id": SUPPLIER,
            "account_no": f"account-{uscc}", "reason": "unpaid", "requested_on": "2020-05-06",
        }  # fmt: skip
        self._send(UTILITY, "cn.utility.disconnection.requested.v1", uscc, data)

    def day(self, day: date) -> None:
        """The day starts, after all that was sent before it."""
        self.settle()
        run(operate(self.running.kafka, [day_started(day, datetime.now(SHANGHAI))]))
        self.settle()

    def settle(self) -> None:
        """All that was sent has gone through, and what days bring is told."""
        self.flush()
        run(drained(self.running.found))

    def flush(self) -> None:
        for topic, lines in self._waiting.items():
            self.running.send_records(topic, lines)
        self._waiting = {}

    def books(self, uscc: str) -> Any:
        return self.running.found.get("holdover", "/v1/books", uscc=uscc)["enterprises"][0]

    def states(self, uscc: str) -> list[str]:
        return [account["state"] for account in self.books(uscc)["accounts"]]

    def each(self, enterprises: Sequence[str], does: Callable[[str], None]) -> None:
        for uscc in enterprises:
            does(uscc)

    def _send(self, topic: str, kind: str, uscc: str, data: dict[str, Any]) -> None:
        event = {
            "specversion": "1.0", "id": f"dues-{next(self._numbers)}", "source": "//test/dues", "type": kind,
            "subject": uscc, "time": "2020-02-20T09:00:00+08:00", "data": {"uscc": uscc} | data,
        }  # fmt: skip
        self._waiting.setdefault(topic, []).append(Line(uscc.encode(), json.dumps(event).encode()))
