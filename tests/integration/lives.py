"""One enterprise's money through every type of ledger event, as payments would tell it."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from shared.contracts.topics import LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.ids import clawback_id, decision_id, exemption_id, ledger_event_id, payment_id

USCC = "91652901MA00000170"
_PAID, _REFUSED, _WITHDRAWN = (payment_id(USCC, "refund", "2019", number) for number in (1, 2, 3))
_CLAIM = clawback_id(_PAID, 1)
_WAIVED = (
    ("granted", 50_000, 50_000),
    ("amended", 70_001, 20_001),
    ("amended", 69_990, -11),
    ("revoked", 0, -69_990),
    ("granted", 30_000, 30_000),
)
_PAYMENTS = (
    (_PAID, "authorised", 900_000),
    (_REFUSED, "authorised", 80_003),
    (_WITHDRAWN, "authorised", 7_001),
    (_WITHDRAWN, "cancelled", 7_001),
    (_PAID, "submitted", 900_000),
    (_REFUSED, "submitted", 80_003),
    (_REFUSED, "rejected", 80_003),
    (_PAID, "settled", 900_000),
    (_REFUSED, "cancelled", 80_003),
    (_PAID, "clawback_raised", 400_000),
    (_PAID, "clawback_settled", 250_000),
    (_PAID, "clawback_settled", 100_001),
    (_PAID, "clawback_written_off", 49_999),
)


def every_step() -> list[tuple[str, dict[str, Any]]]:
    """(topic, event), in order; the same at every call."""
    return [*_exemption(), *_payments()]


def _exemption() -> Iterator[tuple[str, dict[str, Any]]]:
    business_key = exemption_id(USCC, "pension/2020-02")
    for revision, (change, amount_fen, delta_fen) in enumerate(_WAIVED, 1):
        data = {
            "exemption_id": business_key,
            "insurance": "pension",
            "period": "2020-02",
            "amount_fen": amount_fen,
            "delta_fen": delta_fen,
            "revision": revision,
            "decision_id": decision_id(USCC, "exemption", "pension/2020-02", revision),
        }
        event_id = ledger_event_id(business_key, change, revision)
        yield LEDGER_EXEMPTIONS, _event(f"relief.exemption.{change}.v1", event_id, revision, data)


def _payments() -> Iterator[tuple[str, dict[str, Any]]]:
    numbers = count(1)
    for payment, change, amount_fen in _PAYMENTS:
        number = next(numbers)
        claimed = change.startswith("clawback")
        data = {
            "payment_id": payment,
            "programme": "job_stabilisation",
            "key": "2019",
            "amount_fen": amount_fen,
            "decision_id": decision_id(USCC, "refund", "2019", 1),
            "batch_id": "b" * 32 if payment != _WITHDRAWN and change != "authorised" else None,
            "clawback_id": _CLAIM if claimed else None,
            "reason": "told by a test",
        }
        event_id = ledger_event_id(_CLAIM if claimed else payment, change, number)
        yield LEDGER_REFUNDS, _event(f"relief.refund.{change}.v1", event_id, number, data)


def _event(event_type: str, event_id: str, number: int, data: dict[str, Any]) -> dict[str, Any]:
    # A source of its own: our ledger drops what is not above the last origin it has met of a source.
    origin = {"topic": "payments.commands.v1", "partition": 99, "offset": number, "index": 0}
    shared = {"origin": origin, "uscc": USCC, "prefecture": "652900", "booked_on": f"2020-02-{number:02}"}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/relief/payments",
        "type": event_type,
        "subject": USCC,
        "time": f"2020-02-{number:02}T11:00:00+08:00",
        "datacontenttype": "application/json",
        "data": shared | data,
    }
