"""What must be so, worked out from the inputs and from what was told, by an own reading of the rules.

It shares nothing with the services but the contract's ids. Whatever it does not expect is an AssertionError.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.calendar import SHANGHAI
from shared.ids import decision_id, payment_id
from tests.faults.money_machine_books import Told

Key = tuple[str, str, str]
Content = frozenset[tuple[str, int, str | None]]
PROGRAMMES = {"refund": "job_stabilisation", "contribution_return": "contribution_return"}
MEASURES = {programme: measure for measure, programme in PROGRAMMES.items()}
NAMES = {
    "job_stabilisation": "JobStabilisation",
    "contribution_return": "ContributionReturn",
    "pension": "Pension",
    "medical": "Medical",
}


@dataclass(frozen=True)
class Decision:
    """What a decision says; `account` is the payee's."""

    key: Key
    revision: int
    amount_fen: int
    place: str | None
    account: str | None


@dataclass
class Payment:
    """As the events have told it. `account`: of the decision in force when it was submitted."""

    payment_id: str
    key: Key
    amount_fen: int
    place: str
    decision_id: str
    phase: str = "authorised"
    batch_id: str | None = None
    account: str | None = None
    claims: list[str] = field(default_factory=list)


@dataclass
class Claim:
    clawback_id: str
    payment: Payment
    amount_fen: int
    settled_fen: int = 0
    written_off_fen: int = 0
    proposed_by: str | None = None

    @property
    def open_fen(self) -> int:
        return self.amount_fen - self.settled_fen - self.written_off_fen


@dataclass
class Lot:
    """A batch. `content`: what an officer sees of it, `approvals`: who has approved just that; `released` is what was
    let go, `released_by` by whom.
    """

    batch_id: str
    programme: str
    prepared_by: str
    content: Content
    version: int
    state: str = "prepared"
    frozen: bool = False
    approvals: dict[Content, list[str]] = field(default_factory=dict)
    released: Content | None = None
    released_by: list[str] = field(default_factory=list)

    @property
    def total_fen(self) -> int:
        return sum(fen for _, fen, _ in self.content)


class Model:
    def __init__(self) -> None:
        self.latest: dict[Key, Decision] = {}
        self.waived: dict[Key, tuple[int, str | None]] = defaultdict(lambda: (0, None))
        self.payments: dict[str, Payment] = {}
        self.of: dict[Key, list[Payment]] = defaultdict(list)
        self.claims: dict[str, Claim] = {}
        self.lots: dict[str, Lot] = {}
        self.receipts: dict[str, tuple[str, int]] = {}
        self.surplus_fen = 0
        self.parked: set[tuple[str, int, int]] = set()
        self.repeats = 0
        # Payments that the bank is silent about.
        self.silent: set[str] = set()
        self.frozen: set[tuple[str, str]] = set()
        self.days: dict[int, str] = {}
        self.ids: set[str] = set()
        self.origins: dict[tuple[str, int, str], tuple[int, int]] = {}
        # Debit and credit by account, of everything told.
        self.booked: dict[str, tuple[int, int]] = {}

    # --- what was decided

    def start_day(self, partition: int, day: str) -> None:
        self.days[partition] = max(day, self.days.get(partition, day))

    def decide(self, decision: Decision, told: list[Told]) -> None:
        """A decision was taken, and these events are what came of it."""
        held = self.latest.get(decision.key)
        if held is not None and decision.revision <= held.revision:
            assert not told, "a decision that is no news moved money"
            return
        self.latest[decision.key] = decision
        if decision.key[1] == "exemption":
            self._waive(decision, told)
        else:
            self._follow(decision.key, told)

    def _waive(self, decision: Decision, told: list[Told]) -> None:
        before_fen, place = self.waived[decision.key]
        after_fen = decision.amount_fen
        # Booked where it was first granted, until nothing is left.
        place = place or decision.place
        self.waived[decision.key] = (after_fen, place if after_fen else None)
        change = "revoked" if not after_fen else "amended" if before_fen else "granted"
        expected = [(change, after_fen, after_fen - before_fen, place)] if after_fen != before_fen else []
        heard = []
        for one in told:
            data = self._event(one, decision.key)
            heard.append((_change(one), data["amount_fen"], data["delta_fen"], data["prefecture"]))
            assert data["decision_id"] == decision_id(*decision.key, decision.revision)
        assert heard == expected, (heard, expected)

    def _follow(self, key: Key, told: list[Told]) -> None:
        """What was told to bring the payments in line with what is due; then they are."""
        latest = self.latest[key]
        for one in told:
            payment = self.hear(one, {"authorised", "cancelled", "clawback_raised"})
            assert payment.key == key
            assert one.event["data"]["decision_id"] == decision_id(*key, latest.revision)
            if _change(one) == "authorised":
                assert payment.place == latest.place
        live = [one for one in self.of[key] if one.phase != "cancelled"]
        live_fen = sum(one.amount_fen - self.claimed_fen(one) for one in live)
        away = any(one.phase == "submitted" for one in live)
        if live_fen != latest.amount_fen:
            assert away, f"{live_fen} fen are live for {latest.amount_fen} fen due of {key}"
            assert live_fen > latest.amount_fen
            # What the bank does not have could have been cancelled.
            assert {one.phase for one in live} <= {"submitted", "settled"}, live
        self.leave(self.of[key])

    def leave(self, payments: Iterable[Payment]) -> None:
        """Out of batches that are not with the bank: what is over, or has another account than officers have seen."""
        for payment in payments:
            account = self.latest[payment.key].account
            for lot in self.lots.values():
                if lot.state in ("prepared", "approved"):
                    lot.content = frozenset(
                        one
                        for one in lot.content
                        if one[0] != payment.payment_id or (payment.phase == "authorised" and one[2] == account)
                    )

    def send_away(self, uscc: str) -> None:
        """An enterprise's payments leave their batches."""
        for lot in self.lots.values():
            if lot.state in ("prepared", "approved"):
                lot.content = frozenset(one for one in lot.content if self.payments[one[0]].key[0] != uscc)

    def claimed_fen(self, payment: Payment) -> int:
        return sum(self.claims[claim].amount_fen for claim in payment.claims)

    # --- what was told

    def hear(self, told: Told, allowed: set[str]) -> Payment:
        """One event of a refund, as a step in the life of its payment."""
        change = _change(told)
        assert change in allowed, f"{change} was told, and only {allowed} could be"
        programme, key = told.event["data"]["programme"], told.event["data"]["key"]
        data = self._event(told, (told.event["data"]["uscc"], MEASURES[programme], key))
        identity, fen = data["payment_id"], data["amount_fen"]
        assert fen > 0
        if change == "authorised":
            return self._authorise(data)
        payment = self.payments[identity]
        assert (payment.key[0], PROGRAMMES[payment.key[1]], payment.key[2]) == (data["uscc"], programme, key)
        assert payment.place == data["prefecture"], "reversed where it was never booked"
        if change.startswith("clawback"):
            self._claim(change, payment, data)
            return payment
        assert fen == payment.amount_fen, "a payment id means one amount"
        before = {
            "cancelled": {"authorised", "rejected"},
            "submitted": {"authorised"},
            "settled": {"submitted"},
            "rejected": {"submitted"},
        }[change]
        assert payment.phase in before, f"a payment that is {payment.phase} was told to be {change}"
        payment.phase = change
        self.silent.discard(identity)
        return payment

    def _authorise(self, data: dict[str, Any]) -> Payment:
        key = (data["uscc"], MEASURES[data["programme"]], data["key"])
        identity = data["payment_id"]
        assert identity not in self.payments
        assert identity == payment_id(*key, len(self.of[key]) + 1)
        payment = Payment(identity, key, data["amount_fen"], data["prefecture"], data["decision_id"])
        self.payments[identity] = payment
        self.of[key].append(payment)
        return payment

    def _claim(self, change: str, payment: Payment, data: dict[str, Any]) -> None:
        claim_id, fen = data["clawback_id"], data["amount_fen"]
        if change == "clawback_raised":
            assert payment.phase == "settled", "claimed back what was not paid"
            assert claim_id not in self.claims
            self.claims[claim_id] = Claim(claim_id, payment, fen)
            payment.claims.append(claim_id)
            assert self.claimed_fen(payment) <= payment.amount_fen, "more is claimed back than was paid"
            return
        claim = self.claims[claim_id]
        assert claim.payment is payment
        assert fen <= claim.open_fen, "more came back than was claimed"
        if change == "clawback_settled":
            claim.settled_fen += fen
        else:
            claim.written_off_fen += fen

    def _event(self, told: Told, key: Key) -> dict[str, Any]:
        """What every event has to be."""
        event, data = told.event, told.event["data"]
        assert event["id"] not in self.ids, "an event id was told twice"
        self.ids.add(event["id"])
        assert told.key == event["subject"] == data["uscc"] == key[0]
        origin = data["origin"]
        # A reader's high-watermark would drop what goes back.
        stream = told.topic, told.partition, f"{origin['topic']}/{origin['partition']}"
        place = origin["offset"], origin["index"]
        assert place > self.origins.get(stream, (-1, -1)), "an origin went back"
        self.origins[stream] = place
        at = datetime.fromisoformat(event["time"]).astimezone(SHANGHAI).date().isoformat()
        assert data["booked_on"] == self.days.get(told.partition, at)
        self._book(event["type"], data)
        return data  # type: ignore[no-any-return]

    def _book(self, event_type: str, data: dict[str, Any]) -> None:
        debit, credit, fen = legs(event_type, data)
        for account, sides in ((debit, (fen, 0)), (credit, (0, fen))):
            before = self.booked.get(account, (0, 0))
            self.booked[account] = before[0] + sides[0], before[1] + sides[1]


def legs(event_type: str, data: dict[str, Any]) -> tuple[str, str, int]:
    """Debit, credit and fen, by the chart as the specification has it."""
    change = event_type.split(".")[2]
    if event_type.startswith("relief.exemption."):
        name, fen = NAMES[data["insurance"]], data["delta_fen"]
        expense = f"Expenses:Relief:Exemption:{name}:{data['prefecture']}"
        contributions = f"Assets:Receivable:Contributions:{name}"
        return (expense, contributions, fen) if fen > 0 else (contributions, expense, -fen)
    name = NAMES[data["programme"]]
    relief, payable = f"Expenses:Relief:{name}:{data['prefecture']}", f"Liabilities:Payable:Refunds:{name}"
    claims, transit, fund = f"Assets:Receivable:Clawback:{name}", "Assets:Bank:InTransit", "Assets:Bank:Fund"
    debit, credit = {
        "authorised": (relief, payable),
        "submitted": (payable, transit),
        "settled": (transit, fund),
        "rejected": (transit, payable),
        "cancelled": (payable, relief),
        "clawback_raised": (claims, relief),
        "clawback_settled": (fund, claims),
        "clawback_written_off": (relief, claims),
    }[change]
    return debit, credit, data["amount_fen"]


def _change(told: Told) -> str:
    return str(told.event["type"].split(".")[2])
