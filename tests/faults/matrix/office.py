"""Days, officers and the bank of one ground: they go on while it is hurt, and see everything through in the end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from aiokafka.errors import KafkaError

from deploy.local.errors import StackError
from services.cli.demo_money import BUDGET_FEN, OFFICERS, PAYING, WHY
from services.cli.installation import run
from services.cli.operate import operate
from services.cli.terminal import CommandError
from services.intake.operations import day_started
from services.simulator.bank import Bank, Behaviour
from shared.calendar import SHANGHAI
from tests.faults.oracle_bank import Book, Order, orders_in
from tests.integration.running import Running

# Every kind of mistake, and often.
BEHAVIOUR = Behaviour(rejected=0.06, delayed=0.1, silent=0.05, batches_rejected=0.04)
STEP_DAYS = 4
_PAUSE_SECONDS = 1.0
_WAIT_SECONDS = 60.0
# Whoever works while servers are away is refused, and tries again with the next day.
_TROUBLE = (CommandError, StackError, KafkaError, OSError)


class Office:
    """`today`: the last day that was put into the log. `started`: all of them, for the record."""

    def __init__(self, running: Running, today: date) -> None:
        self._running = running
        self._mailbox = running.stack.state / "bank"
        self.bank = Bank(self._mailbox, 1, BEHAVIOUR)
        self.today = today
        self.started: list[date] = []
        self.refusals = 0
        self._paid_back: set[str] = set()
        self._orders: dict[str, list[Order]] = {}

    def open(self) -> None:
        """Give both programmes their budgets."""
        for programme in ("job_stabilisation", "contribution_return"):
            body = {"total_fen": BUDGET_FEN} | WHY
            self._running.found.act("PUT", "payments", f"/v1/budgets/{programme}", "approver", OFFICERS[0], body)

    def start(self, day: date) -> None:
        """The day begins, and whatever is due up to it happens."""
        run(operate(self._running.kafka, [day_started(day, datetime.now(SHANGHAI))]))
        self.today = day
        self.started.append(day)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside: day after day starts, batches are approved, the bank pays and answers, as far as they let it."""
        over = threading.Event()
        trouble: list[BaseException] = []
        thread = threading.Thread(target=self._work, args=(over, trouble))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if trouble:
            raise trouble[0]

    def _work(self, over: threading.Event, trouble: list[BaseException]) -> None:
        try:
            while not over.wait(_PAUSE_SECONDS):
                self._work_a_day()
        except BaseException as error:  # noqa: BLE001  # told by whoever waits for this thread
            trouble.append(error)

    def _work_a_day(self) -> None:
        try:
            self.start(self.today + timedelta(days=STEP_DAYS))
        except _TROUBLE:
            self.refusals += 1
        self._approve_what_it_can()
        self.bank.day(self.today)

    def _approve_what_it_can(self) -> None:
        try:
            self.approve()
            self.claim_back()
        except _TROUBLE:
            self.refusals += 1

    def see_through(self, day: date) -> None:
        """A whole day's work, and everything settled after it. What was to be settled before has been."""
        self.start(day)
        self._until(lambda: self._asked("/v1/clerk")["worked"] == day.isoformat(), f"the clerk's work of {day}")
        self.approve()
        self._until(lambda: self._asked("/v1/clerk")["unsent"] == 0, "the sending of approved batches")
        self.bank.day(day)
        self.claim_back()
        self._until(lambda: not any((self._mailbox / "in").iterdir()), "the taking of the bank's files")
        self._running.settle()

    def approve(self) -> None:
        for batch in self._asked("/v1/batches", state="prepared", limit="500")["batches"]:
            for officer in OFFICERS:
                path = f"/v1/batches/{batch['batch_id']}/approve"
                answer = self._running.found.act("POST", "payments", path, "approver", officer, WHY)
                if not answer["second_officer_awaited"]:
                    break

    def claim_back(self) -> None:
        """Of those who owe, some pay all of it, some a half, and some nothing."""
        for claim in self._asked("/v1/clawbacks", open="true", limit="500")["clawbacks"]:
            name, turn = claim["clawback_id"], int(claim["clawback_id"][:8], 16) % PAYING
            if turn and name not in self._paid_back and claim["open_fen"]:
                self._paid_back.add(name)
                self.bank.receive(name, claim["open_fen"] if turn > 1 else max(1, claim["open_fen"] // 2), self.today)

    def break_silence(self) -> None:
        self.bank.break_silence(self.today)

    def files(self) -> dict[str, list[Order]]:
        """What lies at the bank, by the files' names."""
        for path in (self._mailbox / "out").iterdir():
            if path.name not in self._orders and path.name.endswith(".xml"):
                self._orders[path.name] = orders_in(path.read_bytes())
        return self._orders

    def book(self) -> Book:
        return Book(dict(self.bank.paid), frozenset(self.bank.rejected), dict(self.bank.received))

    def _asked(self, path: str, **parameters: str) -> Any:
        return self._running.found.get("payments", path, **parameters)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen in {_WAIT_SECONDS:.0f} s. {self._running.found.wrong()}")
            time.sleep(0.1)
