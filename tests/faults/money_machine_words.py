"""What must come of a word: the bank's on a payment, an officer's on a batch or a claim, money that comes in."""

from typing import Any, Literal

from tests.faults.money_machine_books import Told
from tests.faults.money_machine_model import Lot, Model

Outcome = Literal["moved", "repeat", "parked", "refused", "unknown"]
Place = tuple[str, int, int]


def hear_command(model: Model, place: Place, command: dict[str, Any] | None, told: list[Told], threshold: int) -> None:
    """A command was taken, None for what is none, and these events are what came of it."""
    if command is None:
        outcome: Outcome = "parked"
    elif command["type"] == "relief.payment.status.v1":
        outcome = _status(model, command["data"], told)
        told = []
    elif command["type"] == "relief.clawback.received.v1":
        outcome = _received(model, place, command["data"], told)
        told = []
    else:
        data = command["data"]
        approves = command["type"] == "relief.batch.approved.v1"
        outcome = decide_batch(model, data["batch_id"], data["officer"], approves, threshold)
        outcome = "parked" if outcome in ("refused", "unknown") else outcome
    assert not told, f"{command} moved money"
    if outcome == "parked":
        model.parked.add(place)
    model.repeats += outcome == "repeat"


def _status(model: Model, data: dict[str, Any], told: list[Told]) -> Outcome:
    """Only a payment that is with the bank can be resolved, and only once."""
    identity, word = data["payment_id"], data["status"]
    payment = model.payments.get(identity)
    phase = None if payment is None else payment.phase
    if payment is not None and phase == "cancelled" and payment.batch_id is not None:
        phase = "rejected"  # given up afterwards; the bank may repeat itself
    if phase == "submitted":
        if word == "accepted":
            assert not told
            outcome: Outcome = "moved" if identity in model.silent else "repeat"
            model.silent.discard(identity)
            return outcome
        assert payment is not None
        assert told, f"the bank's {word} was not told"
        assert model.hear(told[0], {word}) is payment
        assert told[0].event["data"]["decision_id"] == payment.decision_id
        assert told[0].event["data"]["batch_id"] == payment.batch_id
        model._follow(payment.key, told[1:])
        return "moved"
    assert not told, f"{word} moved a payment that is {phase}"
    again = {"settled": {"accepted", "settled"}, "rejected": {"accepted", "rejected"}}
    return "repeat" if word in again.get(phase or "", set()) else "parked"


def _received(model: Model, place: Place, data: dict[str, Any], told: list[Told]) -> Outcome:
    reference, claim_id, fen = data["bank_reference"], data["clawback_id"], data["amount_fen"]
    claim = model.claims.get(claim_id)
    if reference in model.receipts:
        assert not told
        return "repeat" if model.receipts[reference] == (claim_id, fen) else "parked"
    if claim is None:
        assert not told
        return "parked"
    model.receipts[reference] = claim_id, fen
    booked = min(fen, claim.open_fen)
    assert [one.event["data"]["amount_fen"] for one in told] == ([booked] if booked else [])
    for one in told:
        model.hear(one, {"clawback_settled"})
        assert one.event["data"]["clawback_id"] == claim_id
    model.surplus_fen += fen - booked
    if fen > booked:
        model.parked.add(place)
    return "moved"


def decide_batch(
    model: Model, batch_id: str, officer: str, approves: bool, threshold: int, version: int | None = None
) -> Outcome:
    """An officer approves or rejects a batch."""
    lot = model.lots.get(batch_id)
    if lot is None:
        return "unknown"
    given = lot.approvals.setdefault(lot.content, [])
    if approves and lot.state in ("approved", "submitted") and officer in given:
        return "repeat"
    if not approves and lot.state == "refused":
        return "repeat"
    if lot.state != "prepared" or lot.frozen or officer == lot.prepared_by or version not in (None, lot.version):
        return "refused"
    if not approves:
        lot.state, lot.content = "refused", frozenset()
        return "moved"
    if not lot.content or officer in given:
        return "refused"
    given.append(officer)
    if len(set(given)) >= (2 if lot.total_fen > threshold else 1):
        lot.state, lot.released, lot.released_by = "approved", lot.content, list(given)
    return "moved"


def freeze_batch(lot: Lot, stop: bool) -> Outcome:
    if lot.frozen == stop:
        return "repeat"
    if stop and lot.state in ("submitted", "refused"):
        return "refused"
    lot.frozen = stop
    return "moved"


def write_off(model: Model, claim_id: str, officer: str) -> tuple[Outcome, int]:
    """What comes of it, and the fen that a second officer gives up."""
    claim = model.claims.get(claim_id)
    if claim is None:
        return "unknown", 0
    if claim.open_fen == 0 or claim.proposed_by == officer:
        return "refused", 0
    if claim.proposed_by is None:
        claim.proposed_by = officer
        return "moved", 0
    claim.proposed_by = None
    return "moved", claim.open_fen
