"""The demo's officers and bank: batches are approved, paid, answered for, and claims come back."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from services.cli.draining import drained
from services.cli.installation import Installation, run
from services.cli.terminal import CommandError
from services.simulator.bank import Bank, Behaviour

# More than any region's refunds: what a budget does is shown elsewhere.
BUDGET_FEN = 10**13
OFFICERS = ("first-officer", "second-officer")
WHY = {"reason": "the demo's officers check and agree"}
# A bank that makes every kind of mistake somewhere, and does not lose what it was given.
BEHAVIOUR = Behaviour(silent=0.005)
WAIT_SECONDS = 60.0
# Silence is broken after this many days, and everything is over some days later.
PATIENCE_DAYS, DAYS_AT_MOST = 6, 20
# Out of three enterprises that owe something back, two pay: one all of it at once, one a half first.
PAYING = 3


@dataclass
class Office:
    """Officers and bank of one demo, `state` being the stack's directory."""

    found: Installation
    state: Path
    seed: int
    bank: Bank = field(init=False)
    paid_back: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.bank = Bank(self.state / "bank", self.seed, BEHAVIOUR)

    def open(self) -> None:
        """Give both programmes their budgets."""
        for programme in ("job_stabilisation", "contribution_return"):
            body = {"total_fen": BUDGET_FEN} | WHY
            self.found.act("PUT", "payments", f"/v1/budgets/{programme}", "approver", OFFICERS[0], body)

    def day(self, on: date) -> None:
        """A day at the office: once the day's batches are made they are approved and sent, and the bank works on them.

        Call it once the day has started and everything before it has drained.
        """
        self._until(lambda clerk: clerk["worked"] == on.isoformat(), f"the clerk has not worked through {on}")
        for batch in self._batches():
            for officer in OFFICERS:
                path = f"/v1/batches/{batch['batch_id']}/approve"
                answer = self.found.act("POST", "payments", path, "approver", officer, WHY)
                if not answer["second_officer_awaited"]:
                    break
        self._until(lambda clerk: clerk["unsent"] == 0, "approved batches have not been sent")
        self.bank.day(on)
        self._pay_back(on)
        self._until(lambda clerk: not any((self.state / "bank" / "in").iterdir()), "the bank's files are not taken")
        run(drained(self.found))

    def under_way(self) -> int:
        """Payments that are neither settled, rejected nor cancelled, and can still move."""
        states: Counter[str] = Counter()
        for total in self.found.get("payments", "/v1/totals")["totals"]:
            if total["kind"] == "payments":
                states[total["state"]] += total["count"]
        return sum(states[state] for state in ("authorised", "batched", "approved", "submitted", "unknown"))

    def break_silence(self, on: date) -> None:
        self.bank.break_silence(on)

    def _batches(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.found.get("payments", "/v1/batches", state="prepared", **({"after": after} if after else {}))
            found += page["batches"]
            if page["next_after"] is None:
                return found
            after = page["next_after"]

    def _pay_back(self, on: date) -> None:
        """Some of those who owe pay it back."""
        for claim in self.found.get("payments", "/v1/clawbacks", open="true")["clawbacks"]:
            identity, turn = claim["clawback_id"], int(claim["clawback_id"][:8], 16) % PAYING
            if turn == 0 or claim["open_fen"] == 0:
                continue
            first = turn == 1 and identity not in self.paid_back
            self.paid_back.add(identity)
            self.bank.receive(identity, max(1, claim["open_fen"] // 2) if first else claim["open_fen"], on)

    def _until(self, done: Any, sentence: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done(self.found.get("payments", "/v1/clerk")):
            if time.monotonic() > deadline:
                raise CommandError(
                    f"After {WAIT_SECONDS:.0f} seconds {sentence}. {self.found.wrong()}See `relief logs`."
                )
            time.sleep(0.1)


def days_after(last: date) -> list[date]:
    """The days that the demo goes on for at most, until everything is paid."""
    return [last + timedelta(days=number) for number in range(1, DAYS_AT_MOST + 1)]
